"""A cell and its repeats as one result."""

from dataclasses import replace
from typing import Any

from builders import a_cell

from kzram_ci.model.again import again, base_id, without_repeat
from kzram_ci.model.cell import Expectation
from kzram_ci.model.evidence import CellResult, Evidence, Judgement
from kzram_ci.model.outcome import Outcome, Verdict
from kzram_ci.verdict.together import folded

READY = Evidence(ready=True, counters={"recompressions": 5, "max_held": 7})
OK = CellResult(
    id="k/t", kernel="k", test="t", attempts=1, seconds=2.0, evidence=READY,
    judgement=Judgement(outcome=Outcome.PASS, verdict=Verdict.OK),
)  # fmt: skip
BAD = Judgement(outcome=Outcome.OOPS, verdict=Verdict.FINDING)
UNCLEAR = Judgement(outcome=Outcome.INCONCLUSIVE, verdict=Verdict.INCONCLUSIVE)
LATE = Judgement(outcome=Outcome.NOT_RUN, verdict=Verdict.INCONCLUSIVE)


def repeat(number: int, judgement: Judgement = OK.judgement, **fields: Any) -> CellResult:
    return replace(OK, id=f"k/t/again={number}", axes=(("again", str(number)),), judgement=judgement, **fields)


def test_a_repeat_is_a_cell_of_its_own_with_a_seed_of_its_own() -> None:
    cell = a_cell("t", axes=(("compressor", "lzo"),), id="k/t/compressor=lzo", seed=7, repeats=3)
    one, other = again(cell, 2, "run-a"), again(cell, 2, "run-b")
    assert one.id == other.id == "k/t/compressor=lzo/again=2"
    assert len({cell.seed, one.seed, other.seed}) == 3
    assert one.repeats == 1
    assert base_id(one.id) == base_id(cell.id) == cell.id
    assert without_repeat(one.axes) == cell.axes


def test_an_expected_crash_keeps_its_tries() -> None:
    cell = a_cell("t", repeats=3, expect=Expectation(outcome="oops"))
    assert again(cell, 2, "r").repeats == 3


def test_results_without_repeats_are_left_as_they_are() -> None:
    assert folded([OK]) == (OK,)


def test_boots_and_counters_add_up_and_the_first_place_is_kept() -> None:
    (one,) = folded([OK, repeat(2), repeat(3)])
    assert (one.id, one.axes, one.attempts, len(one.each), one.seconds) == ("k/t", (), 3, 3, 6.0)
    assert one.totals == {"recompressions": 15, "max_held": 7}


def test_a_finding_in_any_of_them_is_the_cells() -> None:
    (one,) = folded([OK, repeat(2), repeat(3, BAD, directory="cells/three")])
    assert one.judgement == BAD
    assert one.directory == "cells/three"


def test_a_repeat_speaks_where_the_cell_has_no_verdict() -> None:
    (one,) = folded([replace(OK, judgement=UNCLEAR), repeat(2)])
    assert one.judgement.verdict is Verdict.OK
    (one,) = folded([replace(OK, judgement=LATE, attempts=0), repeat(2, UNCLEAR)])
    assert one.judgement == UNCLEAR


def test_not_run_stays_not_run() -> None:
    (one,) = folded([replace(OK, judgement=LATE, attempts=0)])
    assert one.judgement == LATE
