"""Counters over time from control.log: what a guest sends is drawn where it makes sense, and never trusted."""

import json
from dataclasses import replace
from typing import Any

import report_samples as samples
from hypothesis import given
from hypothesis import strategies as st

from kzram_ci.results.reports.charts import small_multiples
from kzram_ci.results.reports.timeline import POINTS, Timeline, oops_times, timeline


def sample(at: Any, **counters: Any) -> bytes:
    named = {name.replace("__", "."): value for name, value in counters.items()}
    return json.dumps({"ev": "sample", "t": at, "counters": named}).encode() + b"\n"


LINES = [
    b'{"ev":"boot","t":1427,"release":"6.12.117"}\n',
    b'{"ev":"ready","t":1654}\n',
    sample(1831, recompressions=0, grew_class=0, zram__mem_used_total=1 << 20),
    b'{"ev":"note","t":1832,"text":"evicting"}\n',
    sample(2090, recompressions=40, grew_class=0, zram__mem_used_total=3 << 20),
    sample(2351, recompressions=90, grew_class=2, zram__mem_used_total=2 << 20),
    b'{"ev":"stop","t":2400,"why":"exposure","ran_ms":746}\n',
]


def test_a_series_for_what_was_counted_and_none_for_the_rest() -> None:
    found = timeline(LINES)
    assert [found.booted, found.ready, found.stopped, found.samples] == [1.427, 1.654, 2.4, 3]
    assert [(one.counter, one.last) for one in found.series] == [
        ("recompressions", 90),
        ("grew_class", 2),
        ("zram.mem_used_total", 2),
    ]
    assert list(found.series[0].points) == [(1.831, 0), (2.09, 40), (2.351, 90)]
    assert found.series[2].most == 3


def test_the_counter_of_races_is_the_one_that_saw_them() -> None:
    found = timeline([sample(1, grew_class=0, reuse_refused_write=1), sample(2, grew_class=0, reuse_refused_write=9)])
    assert [one.counter for one in found.series] == ["reuse_refused_write"]


def test_what_makes_no_sense_is_passed_over() -> None:
    hostile = [
        b"\xff\x00\n",
        b"[" * 5000,
        b"[1]\n",
        sample(3000, recompressions=5),
        sample(1000, recompressions=6),  # the clock of a guest does not run backwards
        sample(True, recompressions=7),
        sample("4000", recompressions=8),
        sample(1 << 62, recompressions=9),
        sample(4000, recompressions="10", grew_class=1 << 70),
        sample(5000, recompressions=-3),
        b'{"ev":"sample","t":6000,"counters":[1]}\n',
    ]
    found = timeline(hostile)
    assert [one.points for one in found.series] == [((3.0, 5), (5.0, 0.0))]


def test_a_long_run_is_thinned_and_keeps_its_ends_and_peaks() -> None:
    levels = [1 << 20] * 5000
    levels[1234] = 50 << 20
    found = timeline(sample(at, recompressions=at, zram__mem_used_total=level) for at, level in enumerate(levels))
    counter, memory = found.series
    assert len(counter.points) <= POINTS
    assert (counter.points[0], counter.points[-1]) == ((0.0, 0.0), (4.999, 4999.0))
    assert memory.most == 50


@given(st.lists(st.tuples(st.integers(0, 10**7), st.integers(-(1 << 63), (1 << 63) - 1)), max_size=300))
def test_any_numbers_give_pictures_inside_their_frame(pairs: list[tuple[int, int]]) -> None:
    found = timeline(sample(at, recompressions=value, zram__mem_used_total=value) for at, value in sorted(pairs))
    for picture in small_multiples(found, [0.5, 1e6]):
        for point in picture.line.split():
            x, y = (float(part) for part in point.split(","))
            assert 0 <= x <= 240
            assert 0 <= y <= 64
        assert picture.label


def test_no_time_no_picture() -> None:
    assert small_multiples(Timeline(), []) == ()


def test_an_oops_is_where_the_kernel_s_clock_puts_it() -> None:
    texts = (
        "[    2.458034] WARNING: at x\n",
        "<4>[   12.5] BUG: y\n",
        "BUG: without a time\n",
        "[ 99999999999.1] BUG\n",
    )
    oopses = [replace(samples.OOPS, text=text) for text in texts]
    assert [at for at, _ in oops_times(oopses)] == [2.458034, 12.5]
