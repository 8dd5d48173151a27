"""Consoles of kernels that were booted and provoked; the answers beside them are reviewed, see README.md there."""

import json
import os
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kzram_ci.oops import Oops, StreamParser, parse

GOLDEN = Path(__file__).parents[2] / "golden" / "oops"
CASES = sorted(GOLDEN.glob("*.log"))
each_case = pytest.mark.parametrize("case", CASES, ids=lambda path: path.stem)


def answer(oopses: tuple[Oops, ...]) -> list[dict[str, Any]]:
    return [oops.to_json() for oops in oopses]


def test_there_are_cases() -> None:
    assert CASES


@each_case
def test_answer(case: Path) -> None:
    found = answer(parse(case))
    expected = case.with_suffix(".json")
    if os.environ.get("KZRAM_REWRITE_GOLDEN"):
        expected.write_text(json.dumps(found, indent=1) + "\n")
    assert found == json.loads(expected.read_text())


@each_case
def test_parsing_from_an_oops_on_finds_the_same_oops(case: Path) -> None:
    log = case.read_bytes()
    for oops in parse(log):
        again = parse(log[oops.start :])[0]
        assert (again.title, again.signature, again.frames) == (oops.title, oops.signature, oops.frames)


@each_case
def test_parsing_after_an_oops_finds_those_after_it(case: Path) -> None:
    log = case.read_bytes()
    oopses = parse(log)
    for oops in oopses:
        # where two CPUs print at once, the rest begins with the lower half of a report: found, and flagged as such
        later = [other.signature for other in parse(log[oops.end :]) if other.why_corrupted != "no headline"]
        assert later == [other.signature for other in oopses if other.start >= oops.end]


# how a console line reaches a log: from stamp, caller ("T41" or ""), text
FORMS: dict[str, Callable[[str, str, str], str]] = {
    "no stamp": lambda stamp, who, text: (f"[{who:>6}] " if who else "") + text,
    "level": lambda stamp, who, text: f"<4>{record(stamp, who)} {text}",
    "dmesg": lambda stamp, who, text: f"{record(stamp, who)} {text}\n",
    "dmesg -T": lambda stamp, who, text: f"{record('Mon Nov 23 00:51:05 2026', who)} {text}",
    "dmesg -x": lambda stamp, who, text: f"kern  :warn  : {record(stamp, who)} {text}",
    "dmesg, colours": lambda stamp, who, text: f"\x1b[32m{record(stamp, who)} \x1b[0m\x1b[31m\x1b[1m{text}\x1b[0m",
    "caller before": lambda stamp, who, text: f"[{who or 'T1':>6}] {text}",
    "syslog": lambda stamp, who, text: f"Nov 23 00:51:05 debian kernel: {record(stamp, who)} {text}",
    "rsyslog": lambda stamp, who, text: f"2026-11-23T00:51:05.123456+01:00 debian kernel: {record(stamp, who)} {text}",
    "busybox": lambda stamp, who, text: f"Nov 23 00:51:05 debian user.warn kernel: {record(stamp, who)} {text}",
    "journald": lambda stamp, who, text: "Nov 23 00:51:05 debian kernel: " + (f"[{who:>6}] " if who else "") + text,
    "journald, monotonic": lambda stamp, who, text: f"{record(stamp, who)} debian kernel: {text}",
    "collector": lambda stamp, who, text: f"2026-11-23T00:51:05.1234567Z {record(stamp, who)} {text}",
    "minicom": lambda stamp, who, text: f"[2026-11-23 00:51:05] {record(stamp, who)} {text}",
    "tio": lambda stamp, who, text: f"[00:51:05.123] {record(stamp, who)} {text}",
    "/dev/kmsg": lambda stamp, who, text: f"4,1234,5678901,-{',caller=' + who if who else ''};{text}",
    "netconsole": lambda stamp, who, text: f"6.12.117+,4,1234,5678901,-{',caller=' + who if who else ''};{text}",
    "two CRs": lambda stamp, who, text: f"{record(stamp, who)} {text}\r\r",
}


def record(stamp: str, who: str) -> str:
    """What printk puts before a line."""
    return f"[{stamp}]" + (f"[{who:>6}]" if who else "")


def printed(case: Path) -> list[tuple[str, str, str]]:
    """Stamp, caller and text of every line; lines of others than printk (boot loader, init) are left out."""
    lines = []
    for raw in case.read_bytes().decode("utf-8", "replace").splitlines():
        if match := re.match(r"\[( *\d+\.\d{6})\](?:\[ *([TC]\d+)\])? (.*)", raw):
            lines.append((match[1], match[2] or "", match[3]))
    return lines


@each_case
@pytest.mark.parametrize("form", FORMS)
def test_any_way_to_the_log_gives_the_same_signatures(case: Path, form: str) -> None:
    lines = printed(case)
    plain = parse("\n".join(f"{record(stamp, who)} {text}" for stamp, who, text in lines).encode())
    log = "\n".join(FORMS[form](*line) for line in lines).encode()
    assert [oops.signature for oops in parse(log)] == [oops.signature for oops in plain]
    assert [oops.signature for oops in plain] == [oops.signature for oops in parse(case)]


WITH_CALLERS = [case for case in CASES if any(who for _, who, _ in printed(case))]


@pytest.mark.parametrize("seed", range(40))
def test_the_order_of_interleaved_consoles_does_not_matter(seed: int) -> None:
    dice = random.Random(seed)
    first, second = dice.sample(WITH_CALLERS, 2)
    queues = [renamed(case, number) for number, case in enumerate((first, second), start=1)]
    want = sorted(found for queue in queues for found in crashes(queue))
    mixed: list[bytes] = []
    while any(queues):
        queue = dice.choice([queue for queue in queues if queue])
        mixed.append(queue.pop(0))
    assert sorted(crashes(mixed)) == want


def renamed(case: Path, number: int) -> list[bytes]:
    """The lines of a log, its callers told apart from those of another one."""
    return [f"[{stamp}][{who[:1] or 'T'}{number}{who[1:]}] {text}\n".encode() for stamp, who, text in printed(case)]


def crashes(lines: list[bytes]) -> list[tuple[str, tuple[str, ...]]]:
    return [(oops.signature, tuple(frame.function for frame in oops.frames)) for oops in parse(b"".join(lines))]


@each_case
def test_live_and_afterwards_agree(case: Path) -> None:
    parser = StreamParser()
    live = [oops for line in case.read_bytes().splitlines(keepends=True) for oops in parser.feed(line)]
    live += parser.finish()
    assert sorted(oops.signature for oops in live) == sorted(oops.signature for oops in parse(case))


@pytest.mark.parametrize("case", [case for case in CASES if b"][ " in case.read_bytes()], ids=lambda case: case.stem)
def test_another_callers_chatter_changes_nothing(case: Path) -> None:
    log = case.read_bytes().splitlines(keepends=True)
    noisy = b"".join(line + b"[    9.000000][ T9999] audit: backlog limit exceeded\r\n" for line in log)
    want = [(oops.signature, oops.frames) for oops in parse(b"".join(log))]
    assert [(oops.signature, oops.frames) for oops in parse(noisy)] == want
