"""Pages of 16 and 64 KiB, on arm64: the classes of zsmalloc are those of the formulas, and the overrun is what it was.

Builds are made only where KZRAM_REQUIRE names arm64; what is built is tested.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from other_arch import at_hand, needs_tools, run

from kzram_ci.run.selection import plan_of

sys.path.insert(0, str(Path(__file__).parents[2] / "bench"))
import zsmalloc_classes as formulas

pytestmark = [pytest.mark.real, pytest.mark.timeout(3600)]
KERNELS = ("stock", "unstable", "saved-clen")
TESTS = ("classes", "anonmutate-window")
PAGES_WRITTEN = 16  # of testplans/page-sizes/classes.sh


@pytest.fixture(scope="module", params=["16k", "64k"])
def size(request: pytest.FixtureRequest) -> str:
    needs_tools("arm64")
    return str(request.param)


@pytest.fixture(scope="module")
def runs(size: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp(size)


@pytest.fixture(scope="module")
def results(size: str, runs: Path) -> dict[str, dict[str, Any]]:
    names = tuple(f"{kernel}-{size}" for kernel in KERNELS)
    specs = {cell.kernel.name: cell.kernel for cell in plan_of("pages").cells}
    at_hand(*(specs[name] for name in names))
    words = [word for name in names for word in ("--kernel", name)]
    return run(runs, "pages", *words, *(word for test in TESTS for word in ("--test", test)))


def test_the_classes_are_those_of_the_formulas(size: str, runs: Path, results: dict[str, dict[str, Any]]) -> None:
    page = int(size.removesuffix("k")) << 10
    (kept,) = runs.glob(f"*/cells/stock-{size}.classes/results/classes")
    found = formulas.listed(kept.read_text(), page)
    assert found == formulas.classes(page)
    counters = results[f"stock-{size}/classes"]["evidence"]["counters"]
    assert (counters["workload.page_size"], counters["workload.classes"]) == (page, len(found))


def test_a_page_written_in_pieces_is_compressed_for_each(size: str, results: dict[str, dict[str, Any]]) -> None:
    counters = results[f"stock-{size}/classes"]["evidence"]["counters"]
    pieces = (int(size.removesuffix("k")) << 10) // 4096
    assert counters["workload.written_whole"] == PAGES_WRITTEN
    assert counters["workload.written_in_pieces"] == PAGES_WRITTEN * pieces


def test_the_race_is_lost_without_a_remedy(size: str, results: dict[str, dict[str, Any]]) -> None:
    lost = results[f"unstable-{size}/anonmutate-window"]
    assert lost["judgement"]["outcome"] == "oops"
    assert max(lost["evidence"]["counters"].get("overruns", 0), lost["evidence"]["overrun_lines"]) > 0


def test_a_remedy_comes_through_with_the_proof(size: str, results: dict[str, dict[str, Any]]) -> None:
    counters = results[f"saved-clen-{size}/anonmutate-window"]["evidence"]["counters"]
    assert counters["overruns"] == counters["selftest_failures"] == 0
    assert min(counters["grew_class"], counters["reallocated"]) >= 1000
