"""How many boots make "good": from the history, else from the plan, else from nothing."""

from argparse import ArgumentTypeError
from dataclasses import replace
from pathlib import Path

import pytest
from bisect_lab import CELL

from kzram_ci.bisect.belief.repeats import bad_boots, enough
from kzram_ci.cli.repeat_option import repeat, repeated
from kzram_ci.model.cell import Cell, Expectation, Plan
from kzram_ci.model.evidence import CellResult, Judgement
from kzram_ci.model.outcome import Outcome, Verdict
from kzram_ci.results.history import History

PASS = replace(CELL, id="k/race", expect=Expectation())
PLAN = Plan(name="p", cells=(PASS,))


def result(cell: Cell, outcome: Outcome, attempts: int, key: str, verdict: Verdict = Verdict.FINDING) -> CellResult:
    return CellResult(
        id=cell.id, kernel="k", test=cell.test, judgement=Judgement(outcome=outcome, verdict=verdict),
        attempts=attempts, kernel_key=key,
    )  # fmt: skip


def test_nothing_known() -> None:
    found = enough(PASS, PLAN, ())
    assert (found.boots, found.why) == (20, "nothing is known of the crash rate")


def test_the_plan_promises() -> None:
    other = replace(CELL, id="unstable/race", repeats=4)
    assert enough(PASS, Plan(name="p", cells=(PASS, other)), ()).boots == 4
    assert enough(replace(PASS, repeats=7), PLAN, ()).boots == 7


def test_the_history_counts_only_kernels_that_crashed() -> None:
    records = [result(PASS, Outcome.OOPS, 4, f"bad{number}") for number in range(5)]
    records += [
        result(PASS, Outcome.PASS, 50, "good", Verdict.OK),
        result(PASS, Outcome.INFRA, 1, "bad1", Verdict.ERROR),
    ]
    assert bad_boots(PASS, records) == (5, 15)
    found = enough(PASS, PLAN, records)
    assert 9 <= found.boots <= 14  # (1 - 1/4)^10 is 5.6 %, and the rate is not known exactly
    assert found.why.startswith("bad kernels crashed in 5 of 20 boots")
    frequent = [result(PASS, Outcome.OOPS, 1, f"bad{number}") for number in range(20)]
    assert enough(PASS, PLAN, frequent).boots == 1


def test_the_option(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert repeated(PLAN, 0, None, whole=PLAN) is PLAN
    assert repeated(PLAN, 3, None, whole=PLAN).cells[0].repeats == 3
    assert repeat("3") == 3
    assert repeat("auto") == "auto"
    for word, why in (("-1", "1 or more"), ("0", "1 or more"), ("often", "neither a number nor")):
        with pytest.raises(ArgumentTypeError, match=why):
            repeat(word)
    assert repeated(PLAN, "auto", History(path=tmp_path / "none"), whole=PLAN).cells[0].repeats == 20
    assert "k/race: 20 boots for good: nothing is known of the crash rate" in capsys.readouterr().err
