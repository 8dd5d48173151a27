"""arm64, cross-compiled and emulated: boots, crashes where the race is lost, and passes with the proof where it is not.

The first of its builds takes minutes: they are made only where KZRAM_REQUIRE names arm64, else what is built is tested.
Debian's own kernel needs no build, but the network once.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import requires

from kzram_ci.base import proc
from kzram_ci.base.clock import Deadline
from kzram_ci.base.library import Library
from kzram_ci.cli.main import main
from kzram_ci.kernel.source import debian
from kzram_ci.kernel.workshop import KernelContext, plan_build
from kzram_ci.model.arch import arch_of, needs_of
from kzram_ci.model.source import DebianSource
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


def run(tmp_path: Path, *words: str) -> dict[str, dict[str, Any]]:
    """The results of a run that does what its plan expects."""
    argv = (sys.executable, "-m", "kzram_ci", "run", *words, "--arch", ARCH, "--runs", str(tmp_path), "--no-history")
    done = proc.run(argv, deadline=Deadline.after(3000), check=False)
    assert done.code == 0, done.text() + done.stderr.decode()
    lines = (next(tmp_path.iterdir()) / "results.jsonl").read_text().splitlines()
    return {result["id"]: result for result in map(json.loads, lines)}


def test_debians_own_kernel_overruns_through_o_direct(tmp_path: Path) -> None:
    """Its modules, its initramfs, and an oops that is disassembled by tools of its architecture."""
    image = DebianSource(package="linux-image-cloud-arm64", suite="trixie")
    if not debian.is_local(image, KernelContext().begin()) and "network" not in requires.required():
        requires.lacking("network", f"{image.words()} was not downloaded")
    (result,) = run(tmp_path, "distro", "--kernel", "debian-6.12").values()
    (oops, *_) = result["evidence"]["oopses"]
    assert oops["type"] in {"null_deref", "paging_fault", "bug"}
    (crash, *_) = tmp_path.glob("*/cells/*/oops-1.txt")
    assert "] pc : " in crash.read_text()
    assert re.search(r"^ {2}\+0> \w+", crash.read_text(), re.MULTILINE), "the instruction that failed"


def test_a_kernel_boots_and_powers_off(capfd: pytest.CaptureFixture[str]) -> None:
    at_hand("stock")
    assert main(["boot", "stock", "--arch", ARCH, "--", "uname -m"]) == 0
    assert capfd.readouterr().out.split() == ["aarch64"]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """The bug and a remedy, in one run."""
    at_hand(*KERNELS)
    words = [word for kernel in KERNELS for word in ("--kernel", kernel)]
    return run(tmp_path_factory.mktemp("runs"), "overrun", "--test", TEST, *words)


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
