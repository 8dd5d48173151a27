"""How many boots make "good": from the history, else from the plan, else from nothing."""

from dataclasses import replace

from bisect_lab import CELL

from kzram_ci.model.cell import Cell, Expectation, Plan
from kzram_ci.model.evidence import CellResult, Judgement
from kzram_ci.model.outcome import Outcome, Verdict
from kzram_ci.verdict.repeats import bad_boots, enough, often_enough, times

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


def test_the_plan_with_its_repeats() -> None:
    assert [cell.repeats for cell in times(PLAN, 3).cells] == [3]
    often, lines = often_enough(PLAN, (), whole=PLAN)
    assert [cell.repeats for cell in often.cells] == [20]
    assert lines == ("k/race: 20 boots for good: nothing is known of the crash rate",)
