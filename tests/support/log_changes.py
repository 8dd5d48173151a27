"""What pagers, mailers, collectors and vendors' consoles do to the lines of a log."""

import html
import json
import re
import textwrap
from collections.abc import Callable

STAMP = re.compile(r"^(?:<\d+>)?\[ *\d+\.\d+\]")
STAMPED = re.compile(r"(?:<\d+>)?\[ *\d+\.\d+\](?:\[ *([TC]\d+)\])? ?")
Change = Callable[[list[str]], list[str]]


def before(prefix: str) -> Change:
    return lambda lines: [prefix + line for line in lines]


def dated(date: str) -> Change:
    return lambda lines: [STAMP.sub(f"[{date}]", line) for line in lines]


def then(*changes: Change) -> Change:
    def change(lines: list[str]) -> list[str]:
        for one in changes:
            lines = one(lines)
        return lines

    return change


def cut(width: int) -> Change:
    """As terminals do: at the very column."""
    return lambda lines: [line[at : at + width] for line in lines for at in range(0, max(1, len(line)), width)]


def wrapped(width: int, indent: str = "") -> Change:
    """As mailers do: at a blank, behind it if there is none."""

    def change(lines: list[str]) -> list[str]:
        out = []
        for line in lines:
            lead, rest = "", line
            while len(lead + rest) > width:
                at = rest.rfind(" ", 0, width - len(lead))
                at = at if at > 8 else rest.find(" ", width)
                if at < 0:
                    break
                out.append(lead + rest[:at])
                lead, rest = indent, rest[at + 1 :]
            out.append(lead + rest)
        return out

    return change


def records(key: str, **more: str) -> Change:
    """As collectors keep them: a record of JSON a line."""
    return lambda lines: [json.dumps({"a": "b", key: line, **more}) for line in lines]


def human(lines: list[str]) -> list[str]:
    """`dmesg -H`: the minute, then how much later than the line before."""
    stamps = (f"[  +0.{number % 1000000:06d}]" if number else "[Nov27 03:14]" for number in range(len(lines)))
    return [STAMP.sub(stamp, line) for line, stamp in zip(lines, stamps, strict=True)]


def fragments(lines: list[str]) -> list[str]:
    """Extended netconsole, with the caller among the flags."""
    out = []
    for number, line in enumerate(lines):
        stamp = STAMPED.match(line)
        caller, text = (stamp[1], line[stamp.end() :]) if stamp else (None, line)
        flags = f"-,ncfrag=0/{len(text)}" + (f",caller={caller}" if caller else "")
        out.append(f"6.12.117,4,{number},{number},{flags};{text}")
    return out


BOOT = textwrap.dedent("""\
    [    0.000000] Linux version 6.12.117 (builder@example.org) (gcc 12.2.0) #1 SMP
    [    0.000000] Command line: console=ttyS0
    [    0.104312] smpboot: CPU0: QEMU Virtual CPU
    [    1.300000] systemd[1]: Reached target basic.target
    """).splitlines()

JOURNAL = "Nov 28 00:51:05 a-host-with-a-long-name.example.org kernel: "
CHANGES: dict[str, Change] = {
    "journald": before("Nov 28 00:51:05 debian kernel: "),
    "journald, Lithuanian": before("vas. 19 10:20:12 home kernel: "),
    "journald, French": before("févr. 19 10:20:12 home kernel: "),
    "journald, Chinese": before("10月 19 10:20:12 home kernel: "),
    "grep -n": lambda lines: [f"{number}:{line}" for number, line in enumerate(lines, start=99)],
    "grep -A": lambda lines: [f"console.log-{number}-{line}" for number, line in enumerate(lines, start=99)],
    "grep -n of journald": lambda lines: [
        f"{number}{'-' if number % 9 else ':'}Nov 28 00:51:05 debian kernel: {line}"
        for number, line in enumerate(lines)
    ],
    "journalctl -o json": records("MESSAGE", PRIORITY="4"),
    "a container's log": lambda lines: [json.dumps({"log": f"{line}\n", "stream": "stdout"}) for line in lines],
    "LAVA": lambda lines: [f"- {json.dumps({'dt': '2026-11-27', 'lvl': 'target', 'msg': line})}" for line in lines],
    "dmesg -H": human,
    "dmesg -d": lambda lines: [STAMP.sub("[<    0.000013>]", line) for line in lines],
    "netconsole, in fragments": fragments,
    "quoted": before("> "),
    "quoted twice": before("> > "),
    "fenced": lambda lines: ["```", *lines, "```"],
    "indented": before("    "),
    "tab": before("\t"),
    "HTML": lambda lines: [html.escape(line) for line in lines],
    "HTML with breaks": lambda lines: [html.escape(line) + "<br>" for line in lines],
    "CRLF": lambda lines: [line + "\r" for line in lines],
    "a vendor's core": before("c1 "),
    "docker": before("kernel_1  | "),
    "logcat": before("11-28 00:51:05.123     0     0 W KERNEL  : "),
    "tabs expanded": lambda lines: [line.expandtabs(8) for line in lines],
    "dmesg -T, Polish": dated("pon lis 23 00:51:05 2026"),
    "dmesg -T, Chinese": dated("一 11月 23 00:51:05 2026"),
    "dmesg -T, French": dated("lun. nov. 23 00:51:05 2026"),
    "trimmed": lambda lines: [line.rstrip() for line in lines],
    "blank lines between": lambda lines: [part for line in lines for part in (line, "")],
    "wrapped at 100": wrapped(100),
    "wrapped at 80": wrapped(80),
    "wrapped at 72, then quoted": then(wrapped(72), before("> ")),
    "journald, wrapped at 80": then(before(JOURNAL), wrapped(80)),
    "journald, wrapped at 80, indented": then(before(JOURNAL), wrapped(80, "  ")),
    "journald, cut at column 80": then(before(JOURNAL), cut(80)),
    "cut at column 80": cut(80),
    "HTML in pre": lambda lines: ["<pre><code>" + html.escape(lines[0]), *map(html.escape, lines[1:]), "</code></pre>"],
    "fenced and quoted": lambda lines: ["> ```", *("> " + line for line in lines), "> ```"],
    "fenced, in a mail": lambda lines: ["Hi, I see this:", "```", *lines, "```", "Thanks!"],
    "another boot before": lambda lines: [*BOOT, "[    9.100000] reboot: Restarting system", *lines],
    "another boot after": lambda lines: [*lines, "", "-- Boot 0123456789abcdef --", *BOOT],
}
