from dataclasses import replace

import report_samples as samples

from kzram_ci.model.evidence import Evidence
from kzram_ci.model.outcome import Outcome, Verdict
from kzram_ci.results.reports import summary_model
from kzram_ci.results.reports.summary_model import RunView, make_view


def sample() -> RunView:
    return make_view(samples.PLAN, samples.results(), name="run-1", started="2026-01-02T03:04:05+00:00")


def test_grid_keeps_the_order_of_the_plan() -> None:
    view = sample()
    assert view.kernels == ("stock", "unstable", "saved-clen", "emergency-class")
    assert view.columns == ("anonmutate", "pressure", "directmutate[algorithm=lz4]")
    found = view.at("unstable", "directmutate[algorithm=lz4]")
    assert found is not None and found.word == "FINDING pass"
    assert view.at("stock", "directmutate[algorithm=lz4]") is None


def test_equal_signatures_are_one_group() -> None:
    (group,) = sample().crash_groups
    assert [cell.result.id for cell in group.cells] == ["unstable/anonmutate", "saved-clen/anonmutate"]
    assert group.listed == "unstable/anonmutate, saved-clen/anonmutate"
    assert sample().same_crash(sample().cells[4]) == group
    assert sample().same_crash(sample().cells[0]) is None


def test_a_pass_is_told_beside_the_rate_of_the_kernel_that_must_crash() -> None:
    view = sample()
    said = summary_model.proof(view, view.cells[0])
    assert said.startswith("0 overruns in 51,234 recompressions; 95 % upper bound 5.8e-05")
    assert said.endswith("unstable showed 2.0e-03")
    assert summary_model.proof(view, view.cells[1]) == ""  # a pressure control counts no recompressions
    assert summary_model.proof(view, view.cells[2]) == ""  # an expected oops proves something else
    assert summary_model.proof(view, view.cells[4]) == ""


def test_a_pass_is_told_in_races_where_they_are_counted() -> None:
    passed, _, lost, *rest = samples.results()
    passed = replace(
        passed, evidence=replace(passed.evidence, counters={**passed.evidence.counters, "grew_class": 812})
    )
    lost = replace(
        lost, evidence=replace(lost.evidence, counters={"recompressions": 40, "grew_class": 3, "overruns": 3})
    )
    view = make_view(samples.PLAN, (passed, lost, *rest), name="x")
    assert summary_model.proof(view, view.cells[0]) == (
        "0 overruns in 812 races (95 % bound 0.37 %); unstable lost 3 of 3 (at least 37 %)"
    )
    alone = make_view(samples.PLAN, (passed,), name="x")
    assert summary_model.proof(alone, alone.cells[0]) == "0 overruns in 812 races (95 % bound 0.37 %)"


def test_controls() -> None:
    view = sample()
    assert summary_model.failed_controls(view) == ()
    bad = samples.result(samples.PLAN.cells[2], Outcome.PASS, Verdict.FINDING, reason="not reproduced")
    broken = make_view(samples.PLAN, (bad,), name="x")
    assert summary_model.failed_controls(broken) == ("unstable/anonmutate: not reproduced",)
    unborn = replace(bad, judgement=replace(bad.judgement, outcome=Outcome.NOT_RUN, verdict=Verdict.ERROR))
    assert summary_model.failed_controls(make_view(samples.PLAN, (unborn,), name="x")) == ()
    assert summary_model.missing_controls(make_view(samples.PLAN, (unborn,), name="x")) == ("unstable/anonmutate",)


def test_exposure_shows_floors_and_what_was_not_reported() -> None:
    view = sample()
    assert summary_model.exposure_text(view.cells[0]) == "recompressions 51,234/50,000, overruns 0, grew 812"
    silent = replace(samples.results()[0], evidence=Evidence(overrun_lines=3))
    (cell,) = make_view(samples.PLAN, (silent,), name="x").cells
    assert summary_model.exposure_text(cell) == "recompressions not reported/50,000, overruns 3"


def test_totals() -> None:
    assert summary_model.totals(sample()) == {"ok": 3, "FINDING": 2, "INCONCLUSIVE": 1, "skipped": 1}


def test_several_boots_are_shown_as_one_sum() -> None:
    totals = {"recompressions": 153_880, "overruns": 0}
    tripled = samples.result(samples.PLAN.cells[0], counters=samples.CLEAN, attempts=3, totals=totals)
    view = make_view(samples.PLAN, (tripled,), name="run")
    (cell,) = view.cells
    assert summary_model.exposure_text(cell).startswith("recompressions 153,880")
    assert summary_model.exposure_text(cell).endswith(", in 3 boots")
    assert summary_model.proof(view, cell).startswith(
        "0 overruns in 153,880 recompressions of 3 boots; 95 % upper bound"
    )
