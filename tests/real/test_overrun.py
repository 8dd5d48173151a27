"""The product itself: testplans/overrun.yaml on real kernels, judged by its own evidence, read back from its files."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from junitparser import JUnitXml

from kzram_ci.base import proc
from kzram_ci.base.clock import Deadline
from kzram_ci.base.library import Library
from kzram_ci.kernel.workshop import KernelContext, image_for
from kzram_ci.model.measure import Against
from kzram_ci.plan.load import load_plan
from kzram_ci.results import rundir
from kzram_ci.run.guest_image import rootfs_for
from kzram_ci.verdict import power
from kzram_ci.verdict.races import needed

pytestmark = [pytest.mark.real, pytest.mark.timeout(5400)]
PLAN = Path(__file__).resolve().parents[2] / "testplans" / "overrun.yaml"
KERNELS = ("stock", "unstable", "stable-page-v3", "saved-clen", "emergency-class")


@pytest.fixture(scope="module")
def built() -> None:
    """The plan's kernels, from the cache or built now."""
    for spec in {cell.kernel.name: cell.kernel for cell in load_plan(PLAN, Library()).cells}.values():
        image_for(spec, KernelContext())
    rootfs_for("x86_64", KernelContext())


@pytest.fixture(scope="module")
def run_dir(built: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One run of the whole plan, with a `make` that cannot build: everything is cached, so nobody may call it."""
    root = tmp_path_factory.mktemp("overrun")
    stub = root / "bin" / "make"
    stub.parent.mkdir()
    make = shutil.which("make")  # its version is part of the build key: asking for it is no build
    stub.write_text(f'#!/bin/sh\n[ "$*" = --version ] && exec {make} "$@"\ntouch {root}/make-was-called\nexit 1\n')
    stub.chmod(0o755)
    done = proc.run(
        (sys.executable, "-m", "kzram_ci", "run", str(PLAN), "--runs", str(root / "runs"), "--no-history"),
        deadline=Deadline.after(3600),
        env={"PATH": f"{stub.parent}:{os.environ['PATH']}"},
        check=False,
    )
    assert not (root / "make-was-called").exists()
    assert done.code == 0, done.text() + done.stderr.decode()
    return next((root / "runs").iterdir())


@pytest.fixture(scope="module")
def results(run_dir: Path) -> dict[str, dict[str, Any]]:
    lines = (run_dir / "results.jsonl").read_text().splitlines()
    return {result["id"]: result for result in map(json.loads, lines)}


def test_every_cell_did_what_the_plan_expects(results: dict[str, dict[str, Any]]) -> None:
    plan = load_plan(PLAN, Library())
    assert set(results) == {cell.id for cell in plan.cells}
    assert {name: r["judgement"]["reason"] for name, r in results.items() if r["judgement"]["verdict"] != "ok"} == {}


def test_the_unfixed_kernel_overruns_and_the_pressure_control_does_not(results: dict[str, dict[str, Any]]) -> None:
    crashed = results["unstable/anonmutate-failslab"]
    assert crashed["judgement"]["outcome"] == "oops"
    assert max(crashed["evidence"]["counters"].get("overruns", 0), crashed["evidence"]["overrun_lines"]) > 0
    for kernel in KERNELS:
        counters = results[f"{kernel}/pressure"]["evidence"]["counters"]
        assert counters["overruns"] == 0
        assert counters["vmstat.pswpout"] > 0


@pytest.mark.parametrize("kernel", ["saved-clen", "emergency-class"])
def test_a_pass_of_a_remedy_carries_its_proof(results: dict[str, dict[str, Any]], kernel: str) -> None:
    """A thousand races each: by swap and by O_DIRECT, without a handle and without a page for a zspage."""
    tests = [id.partition("/")[2] for id in results if id.startswith(f"{kernel}/") and not id.endswith("/pressure")]
    assert len(tests) == 4
    for test in tests:
        counters = results[f"{kernel}/{test}"]["evidence"]["counters"]
        assert counters["recompressions"] >= counters["grew_class"] >= 1000
        assert counters["overruns"] == 0
    for test in ("anonmutate-window", "directmutate-failslab"):
        assert results[f"{kernel}/{test}"]["evidence"]["counters"]["recompressions"] >= 10_000


@pytest.mark.parametrize("kernel", ["stock", "stable-page-v3"])
def test_stable_pages_let_nothing_grow_and_had_to_refuse(results: dict[str, dict[str, Any]], kernel: str) -> None:
    window = "window" if kernel == "stock" else kernel
    counters = results[f"{kernel}/anonmutate-failslab"]["evidence"]["counters"]
    assert counters["recompressions"] >= 50_000
    assert counters["grew"] == 0
    assert counters["reuse_refused_write"] >= 100, "without a window"
    for test in ("anonmutate-window", "anonmutate-fail-page-alloc"):
        counters = results[f"{window}/{test}"]["evidence"]["counters"]
        assert counters["grew"] == 0
        assert counters["reuse_refused_write"] >= 1000


def test_the_run_has_what_evidence_takes(run_dir: Path) -> None:
    """What a cell that ends by evidence would be measured by, from the record: both units, each boot, the bursts."""
    plan, results = rundir.load(run_dir)
    cells, found = {cell.id: cell for cell in plan.cells}, {result.id: result for result in results}
    for kernel, races in (("saved-clen", "grew_class"), ("stable-page-v3", "reuse_refused")):
        mine = [cell for cell in cells.values() if cell.kernel.name == kernel and cell.test.startswith("anonmutate")]
        assert mine
        for cell in mine:
            assert Against(luck=0.05).counters(cell.expect.floors)[0] == races
            seen = power.tally_of(power.boots_of(found[cell.id]), races)
            assert seen is not None
            assert seen.races >= 100
            assert 1 <= seen.trials <= seen.races
    for cell in cells.values():
        if cell.expect.outcome == "oops":
            lost = power.tally_of(power.boots_of(found[cell.id]), "grew_class")
            assert lost is not None
            assert lost.lost >= max(1, lost.races // 2)  # two files are not sampled at one moment
            assert needed(lost, 0.05) is not None
    reads = [result.evidence.counters.get("workload.hot_reads", 0) for result in results]
    assert max(reads) >= 100
    assert all(result.evidence.counters.get("selftest_failures", 0) == 0 for result in results)


def test_each_crash_left_its_oops_and_each_cell_its_command_line(
    run_dir: Path, results: dict[str, dict[str, Any]]
) -> None:
    for result in results.values():
        directory = run_dir / result["directory"]
        assert "qemu-system-x86_64" in (directory / "qemu.txt").read_text()
        assert b"Linux version" in (directory / "console.log").read_bytes()
        if result["judgement"]["outcome"] == "oops":
            assert any(b"Call Trace" in path.read_bytes() for path in directory.glob("oops-*.txt"))


def test_junit_says_the_same(run_dir: Path, results: dict[str, dict[str, Any]]) -> None:
    suites = JUnitXml.fromfile(str(run_dir / "junit.xml"))
    cases = [case for suite in suites for case in suite]
    assert len(cases) == len(results)
    assert all(case.is_passed for case in cases)
