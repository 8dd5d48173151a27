"""Are the same oopses found in a log whatever a pager, a mailer or a collector did to its lines?

    python bench/oops_transforms.py DIR... [--only NAME] [--failures N] [--jobs N]

DIR holds logs (*.log). Each is changed in every way that people's tools change logs, one at a time, and read again: the
types, the functions and the number of the reports must be those of the log itself. One line a change: how many logs
came out the same. What loses bytes (a lower half, a wrapped line whose middle is gone) has its own expectation.
"""

from __future__ import annotations

import argparse
import html
import re
import textwrap
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

from kzram_ci.oops import parse

Change = Callable[[list[str]], list[str]]
Found = list[tuple[str, str | None]]
STAMP = re.compile(r"^(?:<\d+>)?\[ *\d+\.\d+\]")
JOURNAL = "Nov 28 00:51:05 a-host-with-a-long-name.example.org kernel: "


def before(prefix: str) -> Change:
    return lambda lines: [prefix + line for line in lines]


def wrapped(width: int, *, indent: str = "", hard: bool = False) -> Change:
    """As mailers do, at a blank, behind it if there is none; `hard`: as terminals do, at the very column."""

    def change(lines: list[str]) -> list[str]:
        out: list[str] = []
        for line in lines:
            if hard:
                out += [line[at : at + width] for at in range(0, len(line), width)] or [line]
                continue
            rest, lead = line, ""
            while len(lead + rest) > width:
                cut = rest.rfind(" ", 0, width - len(lead))
                cut = cut if cut > 8 else rest.find(" ", width)
                if cut < 0:
                    break
                out.append(lead + rest[:cut])
                rest, lead = rest[cut + 1 :], indent
            out.append(lead + rest)
        return out

    return change


def then(*changes: Change) -> Change:
    def change(lines: list[str]) -> list[str]:
        for one in changes:
            lines = one(lines)
        return lines

    return change


def numbered(lines: list[str]) -> list[str]:
    return [f"{number}:{line}" for number, line in enumerate(lines, start=99)]


BOOT = textwrap.dedent("""\
    [    0.000000] Linux version 6.12.117 (builder@example.org) (gcc 12.2.0) #1 SMP
    [    0.000000] Command line: console=ttyS0
    [    0.104312] smpboot: CPU0: QEMU Virtual CPU
    [    1.300000] systemd[1]: Reached target basic.target
    """).splitlines()

CHANGES: dict[str, Change] = {
    "journald": before(JOURNAL),
    "quoted": before("> "),
    "quoted twice": before("> > "),
    "fenced": lambda lines: ["Hi, I see this:", "```", *lines, "```", "Thanks!"],
    "fenced and quoted": lambda lines: ["> ```", *(f"> {line}" for line in lines), "> ```"],
    "indented": before("    "),
    "tab": before("\t"),
    "HTML": lambda lines: [html.escape(line) for line in lines],
    "HTML in pre": lambda lines: ["<pre><code>" + html.escape(lines[0]), *map(html.escape, lines[1:]), "</code></pre>"],
    "HTML with breaks": lambda lines: [html.escape(line) + "<br>" for line in lines],
    "CRLF": lambda lines: [line + "\r" for line in lines],
    "grep -n": numbered,
    "docker": before("kernel_1  | "),
    "a vendor's core": before("c1 "),
    "tabs expanded": lambda lines: [line.expandtabs(8) for line in lines],
    "trimmed": lambda lines: [line.rstrip() for line in lines],
    "blank lines between": lambda lines: [part for line in lines for part in (line, "")],
    "wrapped at 100": wrapped(100),
    "wrapped at 80": wrapped(80),
    "wrapped at 72, then quoted": then(wrapped(72), before("> ")),
    "journald, wrapped at 80": then(before(JOURNAL), wrapped(80)),
    "journald, wrapped at 80, indented": then(before(JOURNAL), wrapped(80, indent="  ")),
    "journald, cut at column 80": then(before(JOURNAL), wrapped(80, hard=True)),
    "cut at column 80": wrapped(80, hard=True),
    "another boot before": lambda lines: [*BOOT, "[    9.100000] reboot: Restarting system", *lines],
    "another boot after": lambda lines: [*lines, "", "-- Boot 0123456789abcdef --", *BOOT],
}


def crashes(lines: list[str]) -> Found:
    """Types and functions; a boot banner is told from its place, which changes move."""
    found = parse("\n".join(lines).encode())
    return [(oops.type, oops.function) for oops in found if oops.type not in ("unexpected_reboot", "unknown")]


def judge(log: Path, names: list[str]) -> tuple[str, dict[str, Found], Found]:
    """What each change made of a log, where it differs, and what was there."""
    lines = log.read_bytes().decode("utf-8", "replace").replace("\r\n", "\n").split("\n")
    wanted = crashes(lines)
    found = {name: crashes(CHANGES[name](lines)) for name in names}
    return str(log), {name: got for name, got in found.items() if got != wanted}, wanted


def main() -> None:
    """Every log, every change."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("directories", nargs="+", type=Path, metavar="DIR")
    arguments.add_argument("--only", action="append", default=[], metavar="NAME")
    arguments.add_argument("--failures", type=int, default=0, metavar="N", help="list the first N of each change")
    arguments.add_argument("--jobs", type=int, default=1, metavar="N")
    args = arguments.parse_args()
    names = [name for name in CHANGES if not args.only or name in args.only]
    logs = sorted(log for directory in args.directories for log in directory.glob("*.log"))
    with ProcessPoolExecutor(args.jobs) as pool:
        answers = list(pool.map(partial(judge, names=names), logs, chunksize=8))
    wrong = Counter(name for _, differing, _ in answers for name in differing)
    for name in names:
        print(f"{name:36} {len(logs) - wrong[name]:5} of {len(logs)} the same")
        for log, differing, wanted in [one for one in answers if name in one[1]][: args.failures]:
            print(f"    {log}: {differing[name]}, not {wanted}")


if __name__ == "__main__":
    main()
