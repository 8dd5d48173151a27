"""What is told before a run begins."""

from dataclasses import replace
from pathlib import Path

import pytest
import report_samples as samples

from kzram_ci.base.errors import UserError
from kzram_ci.run import request as requests
from kzram_ci.run.request import RunRequest, begin
from kzram_ci.run.selection import Selection


@pytest.fixture(autouse=True)
def plan(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "plan_of", lambda name, archs: samples.PLAN)


def warnings(tmp_path: Path, selection: Selection) -> list[str]:
    told: list[str] = []
    begin(RunRequest(plan="overrun", runs=tmp_path, selection=selection), told.append)
    return told


@pytest.mark.parametrize(
    "selection",
    [
        Selection(),
        Selection(kernels=("unstable",)),
        Selection(tests=("anonmutate",)),
        Selection(cells=("unstable/anonmutate", "stock/anonmutate")),
        Selection(cells=("unstable/anonmutate",)),  # the control itself is what was asked for
    ],
)
def test_a_selection_with_its_control_is_quiet(tmp_path: Path, selection: Selection) -> None:
    assert warnings(tmp_path, selection) == []


@pytest.mark.parametrize(
    ("selection", "what", "lost"),
    [
        (Selection(kernels=("saved-clen",)), "no control is selected", "stock/pressure, unstable/anonmutate"),
        (Selection(kernels=("stock", "saved-clen")), "no control that must crash is selected", "unstable/anonmutate"),
        (Selection(tests=("directmutate",)), "no control is selected", "stock/pressure, unstable/anonmutate"),
        (Selection(cells=("stock/anonmutate",)), "no control is selected", "stock/pressure, unstable/anonmutate"),
    ],
)
def test_a_selection_that_drops_the_control_says_so(tmp_path: Path, selection: Selection, what: str, lost: str) -> None:
    (line,) = warnings(tmp_path, selection)
    assert line.startswith(f"{what}: this run cannot show that it separates a good kernel from a bad one")
    assert line.endswith(f"left out: {lost}")


def test_a_plan_without_controls_has_none_to_drop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bare = replace(samples.PLAN, cells=tuple(replace(cell, control=False) for cell in samples.PLAN.cells))
    monkeypatch.setattr(requests, "plan_of", lambda name, archs: bare)
    assert warnings(tmp_path, Selection(kernels=("saved-clen",))) == []


def test_one_cell_of_an_old_run_is_run_again_without_a_word(tmp_path: Path) -> None:
    told: list[str] = []
    first = begin(RunRequest(plan="overrun", runs=tmp_path), told.append)
    again = RunRequest(
        plan=str(first.path / "plan.json"), runs=tmp_path / "again", selection=Selection(cells=("stock/anonmutate",))
    )
    begin(again, told.append)
    assert told == []


def test_resume_takes_no_plan(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--resume takes its plan from the run directory"):
        begin(RunRequest(plan="overrun", resume="newest", runs=tmp_path), list[str]().append)
    run = begin(RunRequest(plan="overrun", runs=tmp_path), list[str]().append)
    assert begin(RunRequest(resume="newest", runs=tmp_path), list[str]().append).path == run.path
