"""Counters of several boots, together."""

from hypothesis import given
from hypothesis import strategies as st

from kzram_ci.model.evidence import CellResult, Evidence
from kzram_ci.verdict.exposure import all_counters, counted, counter, together


def boot(overrun_lines: int = 0, **counters: int) -> Evidence:
    return Evidence(
        counters={name.replace("__", "."): value for name, value in counters.items()}, overrun_lines=overrun_lines
    )


def test_counts_are_added_and_levels_are_not() -> None:
    first = boot(recompressions=50_000, max_excess=400, vmstat__pswpout=7, mem__free_kb=100, vmstat__nr_dirty=1)
    second = boot(recompressions=51_000, max_excess=300, vmstat__pswpout=8, mem__free_kb=90, vmstat__nr_dirty=3, grew=1)
    assert dict(together((first, second)).counters) == {
        "recompressions": 101_000,
        "max_excess": 400,
        "vmstat.pswpout": 15,
        "mem.free_kb": 100,
        "vmstat.nr_dirty": 3,
        "grew": 1,
    }


def test_overruns_on_the_console_count_for_their_boot() -> None:
    both = together((boot(overrun_lines=3, overruns=1), boot(overruns=2)))
    assert counter(both, "overruns") == 5
    assert counter(together((boot(), boot())), "overruns") is None


def test_a_result_of_one_boot_has_its_own_counters() -> None:
    one = CellResult(id="k/t", kernel="k", test="t", evidence=boot(overrun_lines=2, recompressions=5))
    assert (counted(one, "recompressions"), counted(one, "overruns"), counted(one, "grew")) == (5, 2, None)
    assert all_counters(one) == {"recompressions": 5}


@given(
    st.lists(st.dictionaries(st.sampled_from(["overruns", "grew", "zram.writes"]), st.integers(0, 1000)), min_size=1)
)
def test_a_sum_does_not_depend_on_the_order(boots: list[dict[str, int]]) -> None:
    evidences = [Evidence(counters=counters) for counters in boots]
    forward, backward = together(evidences).counters, together(evidences[::-1]).counters
    assert dict(forward) == dict(backward)
    for name, value in forward.items():
        assert value == sum(counters.get(name, 0) for counters in boots)
