"""Folded logs are made whole again, and everything stays where it was."""

import random
from pathlib import Path

import pytest

from kzram_ci.oops import StreamParser, parse
from kzram_ci.oops.unfold import Column, column, unfolded

HEAD = "Nov 28 00:51:05 a-host-with-a-long-name.example.org kernel: "
REPORT = """\
[   12.000001][   T41] BUG: unable to handle page fault for address: ffff888100000000
[   12.000002][   T41] #PF: supervisor write access in kernel mode
[   12.000003][   T41] Oops: Oops: 0002 [#1] PREEMPT SMP NOPTI
[   12.000004][   T41] CPU: 1 UID: 0 PID: 41 Comm: kswapd0 Not tainted 6.12.117+ #1
[   12.000005][   T41] RIP: 0010:a_function_with_quite_a_long_name_indeed+0x12/0x90 [zsmalloc]
[   12.000006][   T41] Call Trace:
[   12.000007][   T41]  <TASK>
[   12.000008][   T41]  another_function_with_a_name_that_is_long+0x20/0x90 [zsmalloc]
[   12.000009][   T41]  </TASK>
[   12.000010][   T41] ---[ end trace 0000000000000000 ]---
"""


def soft(line: str, width: int) -> list[str]:
    out = []
    while len(line) > width and (at := line.rfind(" ", 9, width + 1)) > 0:
        out.append(line[:at])
        line = line[at + 1 :]
    return [*out, line]


def hard(line: str, width: int) -> list[str]:
    return [line[at : at + width] for at in range(0, max(1, len(line)), width)]


def folded(how: str, width: int) -> bytes:
    fold = {"soft": soft, "hard": hard}[how]
    return "".join(f"{part}\n" for line in REPORT.splitlines() for part in fold(HEAD + line, width)).encode()


@pytest.mark.parametrize("width", [72, 80, 100])
@pytest.mark.parametrize("how", ["soft", "hard"])
def test_a_folded_report_reads_as_the_whole_one(how: str, width: int) -> None:
    log = folded(how, width)
    found = column(log)
    assert found is not None and found.hard is (how == "hard")
    whole = unfolded(log, found)
    assert len(whole) == len(log)
    lines = [line.rstrip(b"\x01").decode() for line in whole.splitlines()]
    assert lines == [HEAD + line for line in REPORT.splitlines()]
    (oops,) = parse(log)
    assert (oops.type, oops.function) == ("paging_fault", "a_function_with_quite_a_long_name_indeed")


def test_places_are_those_of_the_log() -> None:
    before = "".join(f"{HEAD}[   11.{number:06}] ok\n" for number in range(5)).encode()
    log = before + folded("soft", 80)
    (oops,) = parse(log)
    assert (oops.start, oops.line) == (len(before), 6)
    first, second = parse(log + log)
    assert second.line == 6 + log.count(b"\n")
    assert first.end_line < log.count(b"\n") + 1 < second.line
    assert oops.excerpt(log).startswith(HEAD.encode() + b"[   12.000001]")
    assert oops.excerpt(log).rstrip().endswith(b"[ end trace 0000000000000000 ]---")


@pytest.mark.parametrize("how", ["soft", "hard"])
def test_it_does_not_matter_how_the_log_comes_in_pieces(how: str) -> None:
    chatter = "".join(
        f"{part}\n"
        for number in range(900)
        for part in {"soft": soft, "hard": hard}[how](
            f"{HEAD}[   11.{number:06}] usb 1-1: new device number {number}", 80
        )
    )
    log = chatter.encode() + folded(how, 80)
    wanted = parse(log)
    assert len(wanted) == 1
    dice = random.Random(7)
    for _ in range(5):
        parser, found, at = StreamParser(settle=True), [], 0
        while at < len(log):
            size = dice.choice((1, 60, 4096, 50_000))
            found += parser.feed(log[at : at + size])
            at += size
        assert tuple([*found, *parser.finish()]) == wanted


@pytest.mark.parametrize(
    "log",
    [
        REPORT,
        "".join(HEAD + line + "\n" for line in REPORT.splitlines()),
        REPORT.replace("Call Trace:\n", "Call Trace:\nexecuting program 1:\n"),
        "\n".join(line.partition("] ")[2] for line in REPORT.splitlines()),  # nothing tells where a record begins
        "",
        "\n\n\n",
    ],
)
def test_a_log_that_is_not_folded_is_left_alone(log: str) -> None:
    assert column(log.encode()) is None


def test_captures_are_not_folded() -> None:
    logs = sorted((Path(__file__).parents[2] / "golden" / "oops").glob("*.log"))
    assert logs
    assert [log.name for log in logs if column(log.read_bytes()[:65536]) is not None] == []


def test_a_fold_that_was_not_needed_is_none() -> None:
    assert Column(80, hard=False).needed(78, 12)
    assert not Column(80, hard=False).needed(60, 12)
    assert not Column(80, hard=False).needed(90, 12)


def test_any_bytes_keep_their_length() -> None:
    dice = random.Random(3)
    pieces = (b"\n", b"\r\n", b"[   12.000001] ", b"> ", b" ", b"word", b"x" * 70, b"\xff\x00", HEAD.encode())
    for _ in range(300):
        log = b"".join(dice.choices(pieces, k=60))
        for where in (Column(80, hard=True), Column(80, hard=False), Column(57, hard=False)):
            assert len(unfolded(log, where)) == len(log)
