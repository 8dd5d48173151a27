"""What made two kernels differ, in words."""

from dataclasses import replace

import pytest
import report_samples as samples

from kzram_ci.model.provenance import AppliedSeries, Provenance
from kzram_ci.results.reports.compare import (
    CONTENT,
    NOT_RECORDED,
    as_lines,
    compare,
    differences,
    kernel_changes,
)

FIX = AppliedSeries(name="my-fix", kind="fix", patches=("0001.patch",))
DETECTOR = AppliedSeries(name="overrun-detector", kind="instrument", patches=("6.12/0001.patch",))
OLD = Provenance(
    source="git:../linux@v6.13",
    version="6.13.0",
    identity="git:1",
    commit="1" * 40,
    series=(DETECTOR,),
    fragments=("base.config",),
    toolchain=(("CC", "gcc 12.2.0"), ("LD", "ld 2.40")),
)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"commit": "2" * 40, "identity": "git:2"}, ("commit 111111111111 -> 222222222222",)),
        ({"source": "git:../linux@v6.14"}, ("source git:../linux@v6.13 -> git:../linux@v6.14",)),
        ({"version": "6.13.1"}, ("version 6.13.0 -> 6.13.1",)),
        ({"dirty": True, "identity": "x"}, ("the tree is dirty now",)),
        ({"series": (DETECTOR, FIX)}, ("series my-fix added",)),
        ({"series": ()}, ("series overrun-detector removed",)),
        (
            {"series": (replace(DETECTOR, patches=("6.14/0001.patch",)),)},
            ("series overrun-detector: 6.12/0001.patch -> 6.14/0001.patch",),
        ),
        ({"series": (replace(DETECTOR, patches=()),)}, ("series overrun-detector: 6.12/0001.patch -> left out",)),
        ({"fragments": ("base.config", "kasan.config")}, ("config kasan.config added",)),
        ({"make_vars": (("LLVM", "1"),)}, ("make LLVM none -> 1",)),
        ({"toolchain": (("CC", "gcc 14"), ("LD", "ld 2.40"))}, ("toolchain CC gcc 12.2.0 -> gcc 14",)),
        ({}, (CONTENT,)),
    ],
)
def test_each_part_of_a_kernel_has_its_words(change: dict[str, object], told: tuple[str, ...]) -> None:
    assert differences(OLD, replace(OLD, **change)) == told  # type: ignore[arg-type]


def test_order_and_dirty_content() -> None:
    both = replace(OLD, series=(DETECTOR, FIX), dirty=True)
    assert differences(both, replace(both, series=(FIX, DETECTOR))) == ("another order of series",)
    assert differences(both, replace(both, identity="y")) == ("the dirty tree has other content",)
    assert differences(None, OLD) == (NOT_RECORDED,)


def test_a_kernel_that_differs_is_told_once_for_all_its_cells() -> None:
    cells = samples.PLAN.cells
    before = [samples.result(cell, provenance=OLD) for cell in cells[:2]]
    newer = replace(OLD, series=(DETECTOR, FIX))
    after = [samples.result(cell, provenance=newer, key="beef" * 16) for cell in cells[:2]]
    changes, kernels = compare(before, after), kernel_changes(before, after)
    assert [(change.kind, change.before, change.after) for change in changes] == [
        ("kernel", "kernel f00dfeedf00d", "kernel beefbeefbeef")
    ] * 2
    assert as_lines(changes, kernels, total=2)[-1] == (
        "kernel stock: f00dfeedf00d -> beefbeefbeef: series my-fix added"
    )
    assert len(as_lines(changes, kernels, total=2)) == 3


def test_a_cell_run_in_another_way_says_so() -> None:
    (old,) = [samples.result(samples.PLAN.cells[0], setup_key="a")]
    (change,) = compare((old,), (replace(old, setup_key="b"),))
    assert change.kind == "setup"
    assert as_lines((change,), (), total=1) == [
        "setup      stock/anonmutate: another machine, workload, expectation, root file system or accelerator"
    ]
    assert compare((old,), (replace(old, setup_key=""),)) == ()  # recorded by an older version
