from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kzram_ci.guest.kernel_lines import LINE_BYTES, KernelLines, LineFacts

LOG = (
    b"[    1.0] Linux version 6.12\r\n\0\r\n"
    b"[    2.0] zram: overrun: 4096 bytes into an object of 1138, 31 pages compressed again so far\r\n"
    b"[    2.1] zram: overrun: 3000 bytes into an object of 208\r\n"
    b"[    2.2] Kernel panic - not syncing: Fatal exception\r\n[    2.3] tor"
)


def read(*pieces: bytes) -> LineFacts:
    lines = KernelLines()
    for piece in pieces:
        lines.feed(piece)
    lines.finish()
    return lines.facts


def cut(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(at % (len(data) + 1) for at in cuts), len(data)]
    return [data[a:b] for a, b in pairwise(edges)]


@pytest.mark.parametrize(
    "line, told",
    [
        (b"[    0.016] tsc: PIT calibration deviates from HPET: 134409 2443843\n", "TSC taken for 134 MHz, not 2444"),
        (b"[    0.016] tsc: PIT calibration deviates from PMTIMER: 2300000 2443843\n", ""),
        (b"[    0.000] tsc: Detected 2440.962 MHz processor\n", ""),
    ],
)
def test_a_misjudged_clock_is_noticed(line: bytes, told: str) -> None:
    assert read(line).bad_clock == told


@given(st.lists(st.integers(min_value=0)))
def test_the_facts_of_a_log(cuts: list[int]) -> None:
    assert read(*cut(LOG, cuts)) == LineFacts(
        overruns=2, recompressions=31, panicked=True, bad_clock="", last_line="[    2.3] tor"
    )


@given(st.binary(max_size=400) | st.just(LOG * 60), st.lists(st.integers(min_value=0)))
def test_any_bytes_give_facts_that_do_not_depend_on_where_reads_end(data: bytes, cuts: list[int]) -> None:
    assert read(data) == read(*cut(data, cuts))


def test_an_endless_line_does_not_fill_the_memory() -> None:
    assert len(read(*(b"x" * 100_000 for _ in range(100))).last_line) <= LINE_BYTES
