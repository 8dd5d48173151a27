"""Any bytes: never an exception, time linear in the input, memory bounded."""

import random
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import oops_samples as splats
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kzram_ci.oops import StreamParser, lines, parse

GOLDEN = Path(__file__).parents[2] / "golden" / "oops"
CAPTURED = [line for case in sorted(GOLDEN.glob("*.log")) for line in case.read_bytes().splitlines(keepends=True)]
LOG = splats.stamped("".join(text for text, _, _ in splats.ALL.values()) + splats.PANIC)
QUICK = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))


def check(log: bytes) -> None:
    for oops in parse(log):
        assert 0 <= oops.start <= oops.end <= len(log)
        assert 1 <= oops.line <= oops.end_line <= log.count(b"\n") + 1
        assert oops.title
        assert oops.signature
        oops.to_json()


@QUICK
@given(st.binary(max_size=4000))
def test_bytes(log: bytes) -> None:
    check(log)


@QUICK
@given(st.lists(st.one_of(st.sampled_from(LOG.splitlines(keepends=True)), st.binary(max_size=60)), max_size=80))
def test_splices(parts: list[bytes]) -> None:
    check(b"".join(parts))


@QUICK
@given(st.lists(st.tuples(st.integers(0, len(CAPTURED) - 1), st.integers(1, 60)), max_size=6), st.integers(0, 3))
def test_splices_of_captures(pieces: list[tuple[int, int]], torn: int) -> None:
    """Runs of lines of real consoles, each torn at its end."""
    check(b"".join(b"".join(CAPTURED[at : at + count])[: -torn or None] for at, count in pieces))


@QUICK
@given(st.integers(0, len(LOG)), st.integers(0, len(LOG)))
def test_truncations(first: int, second: int) -> None:
    check(LOG[min(first, second) : max(first, second)])


def test_flipped_bytes() -> None:
    dice = random.Random(7)
    for _ in range(150):
        log = bytearray(LOG)
        for _ in range(dice.randrange(1, 200)):
            log[dice.randrange(len(log))] = dice.randrange(256)
        check(bytes(log))


HOSTILE: dict[str, Callable[[int], bytes]] = {
    "one long line": lambda n: b"BUG: KASAN: " + b"a" * n,
    "long symbol": lambda n: b"Call Trace:\n" + (b"[" * (n // 2) + b"]" * (n // 2)),
    "spaces": lambda n: b"BUG: " + b" " * n + b"x",
    "colons": lambda n: b"a: " * (n // 3) + b"BUG: x",
    "stamps": lambda n: b"[    1.000000]" * (n // 14),
    "headlines": lambda n: b"BUG: kernel NULL pointer dereference\n" * (n // 37),
    "new callers": lambda n: b"".join(b"[    1.000000][ T%d] BUG: memory leak\n" % k for k in range(n // 40)),
    "frames": lambda n: b"WARNING: CPU: 0 PID: 1 at a.c:1 f+0x1/0x2\n" + b" f+0x1/0x2\n" * (n // 11),
    "digits": lambda n: b"INFO: task " + b"1:" * (n // 2),
    "hex": lambda n: b"Code: " + b"00 " * (n // 3),
    "taint": lambda n: b"CPU: 1 PID: 1 Comm: x Tainted: " + b"G " * (n // 2),
}


def steps(log: bytes) -> int:
    """Work done for a log, counted in calls: a clock would measure the machine."""
    import sys

    count = 0

    def count_calls(frame: object, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(count_calls)
    try:
        parse(log)
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize("name", HOSTILE)
def test_work_grows_no_faster_than_the_input(name: str) -> None:
    make = HOSTILE[name]
    small, large = steps(make(20_000)), steps(make(160_000))
    assert large <= 8 * small * 1.6 + 500


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_lines(name: str) -> None:
    """What counting calls cannot see, an expression that backtracks without end: the time limit of the test does."""
    check(HOSTILE[name](400_000))
    check(HOSTILE[name](lines.LINE_CAP - 1) + b"\n")


def test_memory_does_not_grow_with_the_log() -> None:
    piece = splats.stamped("zram: fine\n" * 500) + LOG

    def peak(count: int) -> int:
        parser = StreamParser()
        tracemalloc.start()
        for _ in range(count):
            parser.feed(piece)
        top = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return top

    peak(2)  # compiles what is compiled once
    assert peak(40) < 2 * peak(10) + (1 << 20)
