import re
from dataclasses import replace

import pytest
import report_samples as samples
from hypothesis import given
from hypothesis import strategies as st

from kzram_ci.model.evidence import BootCounts, Evidence, Gains, Judgement
from kzram_ci.model.measure import Against
from kzram_ci.model.outcome import Outcome, Verdict
from kzram_ci.results.reports import controls, html, summary, summary_model, table, wording
from kzram_ci.results.reports.summary_model import HOT_READS, RunView, make_view


def sample() -> RunView:
    return make_view(samples.PLAN, samples.results(), name="run-1", started="2026-01-02T03:04:05+00:00")


def test_grid_keeps_the_order_of_the_plan() -> None:
    view = sample()
    assert view.kernels == ("stock", "unstable", "saved-clen", "emergency-class")
    assert view.columns == ("anonmutate", "pressure", "directmutate[algorithm=lz4]")
    found = view.at("unstable", "directmutate[algorithm=lz4]")
    assert found is not None and found.word == "FINDING: did not crash"
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
    assert said.endswith("unstable showed 4 overruns in 2,000")
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


def test_bursts_are_told_and_a_guard_is_told_beside_what_its_control_allowed() -> None:
    passed, _, lost, *rest = samples.results()
    refused = Gains(samples=40, total=600, squares=21_000, most=60)
    counters = {**passed.evidence.counters, "grew_class": 0, "reuse_refused_write": 600}
    passed = replace(
        passed, evidence=replace(passed.evidence, counters=counters, gains={"reuse_refused_write": refused})
    )
    boots = tuple(
        BootCounts(counters={"grew_class": n, "overruns": n, "reuse_allowed": 4 * n}, overrun_lines=1, crashed=True)
        for n in (1, 2, 1)
    )
    lost = replace(lost, each=boots, attempts=3, totals={"recompressions": 40, "grew_class": 4, "overruns": 4})
    view = make_view(samples.PLAN, (passed, lost, *rest), name="x")
    assert summary_model.proof(view, view.cells[0]) == (
        "0 overruns in 600 races (95 % bound 9.7 %; they came in bursts, counted as 29); "
        "unstable lost 4 of 16 in 3 boots (20 %, at least 9 %)"
    )


def test_a_cell_that_ended_by_evidence_is_told_beside_its_own_control() -> None:
    """Also where that ran before, and is not a cell of this run."""
    mine = replace(samples.PLAN.cells[0], evidence=Against(luck=0.01, control="unstable/anonmutate"))
    passed, _, lost, *_ = samples.results()
    counters = {**passed.evidence.counters, "grew_class": 90}
    passed = replace(passed, evidence=replace(passed.evidence, counters=counters))
    lost = replace(lost, evidence=replace(lost.evidence, counters={"grew_class": 3, "overruns": 3}))
    view = make_view(replace(samples.PLAN, cells=(mine,), controls=(lost,)), (passed,), name="x")
    assert len(view.cells) == 1
    assert summary_model.proof(view, view.cells[0]).endswith("; unstable lost 3 of 3 (at least 37 %)")


def test_reads_of_racing_blocks_are_shown_with_their_bound() -> None:
    passed, *rest = samples.results()
    reads = {**passed.evidence.counters, "workload.hot_reads": 1200, "workload.hot_read_errors": 0}
    passed = replace(passed, evidence=replace(passed.evidence, counters=reads))
    view = make_view(samples.PLAN, (passed, *rest), name="x")
    assert "workload.hot_reads 1,200, workload.hot_read_errors 0" in summary_model.exposure_text(view.cells[0])
    told = "0 of 1,200 racing blocks could not be read back (95 % bound 0.25 %)"
    assert summary_model.proof(view, view.cells[0]).endswith(f"; {told}")
    assert "0 of 1,200 racing blocks" in summary.render(view)
    assert "workload" not in summary_model.exposure_text(view.cells[1])


@given(
    st.dictionaries(
        st.sampled_from(
            ["recompressions", "overruns", "grew_class", "reuse_refused_write", "reuse_allowed", *HOT_READS]
        ),
        st.integers(-(1 << 40), 1 << 40) | st.integers(-2, 9),
    )
)
def test_whatever_a_guest_reports_a_pass_has_a_proof_or_none(counters: dict[str, int]) -> None:
    passed, _, lost, *rest = samples.results()
    passed = replace(passed, evidence=replace(passed.evidence, counters=counters))
    lost = replace(lost, evidence=replace(lost.evidence, counters=counters))
    view = make_view(samples.PLAN, (passed, lost, *rest), name="x")
    told = summary_model.proof(view, view.cells[0])
    assert not told or re.match(r"-?[\d,]+ overruns? in [\d,]+ (races?|recompressions)\b", told), told


def with_control(outcome: Outcome, verdict: Verdict) -> RunView:
    control = samples.result(samples.PLAN.cells[2], outcome, verdict, reason="why")
    return make_view(samples.PLAN, (samples.results()[0], control), name="x")


@pytest.mark.parametrize(
    ("outcome", "verdict", "where"),
    [
        (Outcome.PASS, Verdict.FINDING, "failed"),
        (Outcome.OOPS, Verdict.FINDING, "failed"),
        (Outcome.INCONCLUSIVE, Verdict.INCONCLUSIVE, "failed"),
        (Outcome.PATCH_FAILED, Verdict.ERROR, "unable"),
        (Outcome.BUILD_FAILED, Verdict.ERROR, "unable"),
        (Outcome.BOOT_FAILED, Verdict.ERROR, "unable"),
        (Outcome.BOOT_FAILED, Verdict.FINDING, "unable"),
        (Outcome.INFRA, Verdict.ERROR, "unable"),
        (Outcome.FAIL, Verdict.ERROR, "unable"),
        (Outcome.NOT_RUN, Verdict.ERROR, "missing"),
        (Outcome.SKIPPED, Verdict.SKIPPED, "missing"),
        (Outcome.OOPS, Verdict.OK, ""),
    ],
)
def test_a_control_failed_only_when_it_ran(outcome: Outcome, verdict: Verdict, where: str) -> None:
    view = with_control(outcome, verdict)
    found = {"failed": controls.failed(view), "unable": controls.unable(view), "missing": controls.missing(view)}
    told = "unstable/anonmutate" if where == "missing" else "unstable/anonmutate: why"
    assert found == {name: (told,) if name == where else () for name in found}
    texts = (table.plain(view), summary.render(view), html.render(view))
    for text in texts:
        assert ("controls failed" in text.lower()) is (where == "failed")
        assert ("controls that could not run" in text.lower()) is (where == "unable")
        assert ("controls not run" in text.lower()) is (where == "missing")


def test_every_judgement_has_words() -> None:
    """Total over both enums, and no two outcomes read alike under one verdict."""
    assert set(wording.HAPPENED) == set(Outcome)
    assert set(wording.VERDICT_WORDS) == set(Verdict)
    for verdict in Verdict:
        words = {wording.word(Judgement(outcome=outcome, verdict=verdict)) for outcome in Outcome}
        assert len(words) == (2 if verdict is Verdict.SKIPPED else len(Outcome))
    assert wording.word(Judgement(outcome=Outcome.OOPS, verdict=Verdict.OK)) == "crashed, as expected"
    assert wording.word(Judgement(outcome=Outcome.PASS, verdict=Verdict.OK)) == "passed"
    assert wording.word(Judgement(outcome=Outcome.BUILD_FAILED, verdict=Verdict.ERROR)) == "ERROR: not built"


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
