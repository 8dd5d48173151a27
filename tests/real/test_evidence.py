"""testplans/evidence.yaml on real kernels: a remedy runs for as long as its control asks, and is repeated so."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from kzram_ci.base import proc
from kzram_ci.base.clock import Deadline
from kzram_ci.base.library import Library
from kzram_ci.kernel.workshop import KernelContext, image_for
from kzram_ci.model.measure import GREW_CLASS
from kzram_ci.plan.load import load_plan
from kzram_ci.results import rundir
from kzram_ci.verdict import power
from kzram_ci.verdict.races import needed

pytestmark = [pytest.mark.real, pytest.mark.timeout(5400)]
PLAN = Path(__file__).resolve().parents[2] / "testplans" / "evidence.yaml"
CONTROL, REMEDY = "unstable/anonmutate", "saved-clen/anonmutate"


def run(root: Path, *words: str) -> Path:
    """A run to its end; its directory."""
    argv = (sys.executable, "-m", "kzram_ci", "run", *words, "--runs", str(root), "--no-history")
    done = proc.run(argv, deadline=Deadline.after(2400), check=False)
    assert done.code == 0, done.text() + done.stderr.decode()
    return next(root.iterdir())


def results(path: Path) -> dict[str, dict[str, Any]]:
    """The results of a run by cell, in the order they ended."""
    return {one["id"]: one for one in map(json.loads, (path / "results.jsonl").read_text().splitlines())}


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the remedy alone: its control comes along."""
    for spec in load_plan(PLAN, Library()).kernels():
        if spec.name in ("unstable", "saved-clen"):
            image_for(spec, KernelContext())
    return run(tmp_path_factory.mktemp("evidence"), str(PLAN), "--kernel", "saved-clen", "--jobs", "1")


def test_the_control_ran_first_and_made_all_its_tries(first: Path) -> None:
    found = results(first)
    assert list(found) == [CONTROL, REMEDY]
    assert found[CONTROL]["attempts"] == len(found[CONTROL]["each"]) == 8
    plan, (control, _) = rundir.load(first)
    lost = power.tally_of(power.boots_of(control), GREW_CLASS)
    assert lost is not None
    # without a remedy each result of a larger class overruns; two files are not sampled at one moment
    assert lost.lost >= max(1, lost.races // 2)
    cell = next(cell for cell in plan.cells if cell.id == REMEDY)
    assert power.target(cell, control).trials == needed(lost, 0.01)


def test_the_remedy_came_through_what_its_control_asks(first: Path) -> None:
    plan, (control, remedy) = rundir.load(first)
    cell = next(cell for cell in plan.cells if cell.id == REMEDY)
    seen = power.tally_of(power.boots_of(remedy), GREW_CLASS)
    assert seen is not None
    assert (seen.lost, remedy.judgement.verdict) == (0, "ok")
    assert seen.trials >= power.target(cell, control).trials
    assert f"leave a kernel as bad as its control 1 % ({CONTROL} lost" in remedy.judgement.reason
    bursts = f"they came in bursts, counted as {seen.trials:,}" in (first / "summary.md").read_text()
    assert bursts is (seen.trials < seen.races)


def test_the_remedy_alone_is_repeated_with_the_recorded_control(first: Path, tmp_path: Path) -> None:
    again = run(tmp_path, str(first / "plan.json"), "--cell", REMEDY)
    found = results(again)
    assert list(found) == [REMEDY]
    assert found[REMEDY]["setup_key"] == results(first)[REMEDY]["setup_key"]
    assert f"({CONTROL} lost" in found[REMEDY]["judgement"]["reason"]
