"""arm64, cross-compiled and emulated: boots, crashes where the race is lost, and passes with the proof where it is not.

The first of its builds takes minutes: they are made only where KZRAM_REQUIRE names arm64, else what is built is tested.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest
import requires

from kzram_ci.base import proc
from kzram_ci.base.clock import Deadline
from kzram_ci.base.library import Library
from kzram_ci.cli.main import main
from kzram_ci.kernel.workshop import KernelContext, plan_build
from kzram_ci.model.arch import arch_of, needs_of
from kzram_ci.plan.kernels import load_kernel
from kzram_ci.run.selection import plan_of

pytestmark = [pytest.mark.real, pytest.mark.timeout(3600)]
ARCH = "arm64"
KERNELS = ("unstable", "saved-clen")
TEST = "anonmutate-window"


@pytest.fixture(scope="module", autouse=True)
def tools() -> None:
    for need in needs_of(arch_of(ARCH)):
        requires.tool(need.what, ARCH)


def at_hand(*kernels: str) -> None:
    """These are built, or may be: a first build takes longer than all other tests of this kind."""
    specs = {cell.kernel.name: cell.kernel for cell in plan_of("overrun", (ARCH,)).cells}
    specs["stock-arm64"] = load_kernel("stock-arm64", Library())
    for name in kernels:
        if ARCH not in requires.required() and not plan_build(specs[f"{name}-{ARCH}"], KernelContext())[1]:
            requires.lacking(ARCH, f"{name}-{ARCH} is not built")


def test_a_kernel_boots_and_powers_off(capfd: pytest.CaptureFixture[str]) -> None:
    at_hand("stock")
    assert main(["boot", "stock", "--arch", ARCH, "--", "uname -m"]) == 0
    assert capfd.readouterr().out.split() == ["aarch64"]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """The bug and a remedy, in one run."""
    at_hand(*KERNELS)
    runs = tmp_path_factory.mktemp("runs")
    words = ["--arch", ARCH, "--test", TEST, "--runs", str(runs), "--no-history"]
    words += [word for kernel in KERNELS for word in ("--kernel", kernel)]
    done = proc.run(
        (sys.executable, "-m", "kzram_ci", "run", "overrun", *words), deadline=Deadline.after(3000), check=False
    )
    assert done.code == 0, done.text() + done.stderr.decode()
    lines = (next(runs.iterdir()) / "results.jsonl").read_text().splitlines()
    return {result["id"]: result for result in map(json.loads, lines)}


def test_the_race_is_lost_without_a_remedy(results: dict[str, dict[str, Any]]) -> None:
    lost = results[f"unstable-{ARCH}/{TEST}"]
    assert lost["judgement"]["outcome"] == "oops"
    assert max(lost["evidence"]["counters"].get("overruns", 0), lost["evidence"]["overrun_lines"]) > 0


def test_a_remedy_comes_through_with_the_proof(results: dict[str, dict[str, Any]]) -> None:
    won = results[f"saved-clen-{ARCH}/{TEST}"]
    counters = won["evidence"]["counters"]
    assert won["judgement"]["outcome"] == "pass"
    assert counters["overruns"] == 0
    assert min(counters["grew_class"], counters["reallocated"]) >= 1000
    assert counters["selftest_failures"] == 0
