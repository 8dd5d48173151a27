"""Evidence instead of a number: what a control's losses ask of a cell, and what is said when it is not there."""

import random
from dataclasses import replace
from math import ceil
from typing import Any

import pytest
from builders import a_cell, a_workload
from hypothesis import given, settings
from hypothesis import strategies as st

from kzram_ci.base.errors import BuildFailed, NotApplicable
from kzram_ci.model.cell import Cell, Expectation
from kzram_ci.model.evidence import BootCounts, CellResult, Evidence, Gains, Judgement, OopsSummary
from kzram_ci.model.measure import Against, Target
from kzram_ci.model.outcome import Outcome, Verdict
from kzram_ci.verdict import power, races
from kzram_ci.verdict.judge import judge, judge_attempts

OOPS = OopsSummary(title="BUG in obj_malloc", type="null_deref", function="obj_malloc", signature="s")
CONTROL = "unstable/t"
REMEDY, GUARD = (("grew_class", 1),), (("reuse_refused_write", 1),)


def cell(floors: tuple[tuple[str, int], ...] = REMEDY, *, asked: Target | None = None, **fields: Any) -> Cell:
    against = fields.pop("evidence", Against(luck=0.01, control=CONTROL))
    work = fields.pop("workload", a_workload(duration_s=300, stop=(("recompressions", 50),)))
    return a_cell(expect=Expectation(floors=floors), workload=work, evidence=against, target=asked, **fields)


def spread(total: int, size: int = 1, samples: int = 40) -> Gains:
    """Gains of bursts of one size, evenly apart."""
    found, left = Gains(), total // size
    for at in range(samples):
        here = left // (samples - at)
        left -= here
        found = found.and_then(here * size)
    return found


def crash(**counters: int) -> BootCounts:
    lines = counters.pop("lines", 1)
    return BootCounts(counters={"overruns": 0, **counters}, overrun_lines=lines, crashed=True)


def control(*boots: BootCounts, outcome: Outcome = Outcome.OOPS, verdict: Verdict = Verdict.OK) -> CellResult:
    word = Judgement(outcome=outcome, verdict=verdict, reason="what happened")
    return CellResult(
        id=CONTROL, kernel="unstable", test="t", judgement=word, each=boots, evidence=Evidence(ready=True)
    )


def boot(races: int, *, size: int = 1, why: str = "exposure", seconds: float = 10.0, **counters: int) -> Evidence:
    counted = {
        "grew_class": races,
        "overruns": 0,
        "vmstat.pswpout": 9,
        "recompressions": 60,
        "selftest_failures": 0,
        **counters,
    }
    return Evidence(
        booted=True, ready=True, exit_code=0, console_bytes=9, stop_why=why, counters=counted,
        gains={"grew_class": spread(races, size)}, work_seconds=seconds, guest_work_seconds=seconds,
    )  # fmt: skip


class TestTarget:
    def test_every_boot_of_the_control_is_a_loss_more(self) -> None:
        few = power.target(cell(), control(*[crash(grew_class=1)] * 3))
        many = power.target(cell(), control(*[crash(grew_class=1)] * 10))
        assert few.trials == races.needed(races.Tally(races=3, lost=3), 0.01) == 29
        assert many.trials < few.trials / 3
        assert many.words == "unstable/t lost 10 of 10 in 10 boots (at least 74 %)"

    def test_an_overrun_on_the_console_is_a_race_that_was_lost(self) -> None:
        """The last sample of a boot that crashed is older than its overrun."""
        assert power.target(cell(), control(*[crash(grew_class=0)] * 3)).trials == 29

    def test_a_boot_that_crashed_before_any_sample_lost_what_its_console_shows(self) -> None:
        early = BootCounts(counters={}, overrun_lines=2, crashed=True)
        assert power.tally_of([early], "grew_class") == races.Tally(races=2, lost=2, stopped=True)
        assert power.tally_of([early], "reuse_allowed") is None, "its console does not tell of those"
        assert power.tally_of([BootCounts(counters={}, crashed=True)], "grew_class") is None
        one = BootCounts(counters={}, overrun_lines=1, crashed=True)
        assert power.target(cell(), control(*[one] * 3)).trials == 29

    def test_a_guard_is_measured_where_it_is_not(self) -> None:
        """`reuse_allowed` of the control, as of its last sample: what came after that is not known, and left out."""
        boots = [crash(grew_class=4, overruns=4, reuse_allowed=10, lines=1), crash(reuse_allowed=5, lines=1)] * 3
        asked = power.target(cell(GUARD), control(*boots))
        seen = power.tally_of(boots, "reuse_allowed")
        assert seen is not None
        assert (seen.races, seen.lost, seen.boots) == (45, 12, 6)
        assert asked.trials == races.needed(seen, 0.01)
        assert asked.words.startswith("unstable/t lost 12 of 45 in 6 boots")

    def test_a_guard_is_not_measured_by_another_unit(self) -> None:
        asked = power.target(cell(GUARD), control(*[crash(grew_class=1, overruns=1)] * 5))
        assert asked.why_not == (
            "its control unstable/t does not report reuse_allowed, which counts the same there as reuse_refused here"
        )
        asked = power.target(cell(GUARD), control(*[crash(reuse_allowed=7)] * 5))
        assert asked.why_not == (
            "its control unstable/t lost none of 35 races (reuse_allowed), as of the last sample before it crashed: "
            "its rate is not known"
        )

    def test_any_counter_can_count_races(self) -> None:
        """There a crash is the loss, whatever a detector says; what came after the last sample is counted high."""
        mine = cell(evidence=Against(luck=0.05, control=CONTROL, races="rounds"))
        gains = {"rounds": Gains(samples=20, total=100, squares=500, most=9)}
        boots = [BootCounts(counters={"rounds": 100, "overruns": 9}, gains=gains, crashed=True)] * 4
        seen = power.tally_of(boots, "rounds")
        assert seen == races.Tally(races=440, lost=4, boots=4, stopped=True)
        assert power.target(mine, control(*boots)).trials == races.needed(seen, 0.05)

    @pytest.mark.parametrize(
        ("result", "words"),
        [
            (None, "its control unstable/t was not run"),
            (BuildFailed("unstable: no compiler"), "its control unstable/t has no result: unstable: no compiler"),
            (NotApplicable("the bug is not in it"), "its control unstable/t cannot race: the bug is not in it"),
            (control(outcome=Outcome.SKIPPED, verdict=Verdict.SKIPPED), "its control unstable/t cannot race: what"),
            (control(outcome=Outcome.PASS, verdict=Verdict.FINDING), "did not show that its kernel loses races: what"),
            (control(outcome=Outcome.PASS), "did not show that its kernel loses races: what"),
            (control(outcome=Outcome.LOST, verdict=Verdict.ERROR), "did not show that its kernel loses races: what"),
            (control(crash(recompressions=5)), "does not report grew_class"),
        ],
        ids=str,
    )
    def test_a_control_that_is_not_conclusive_asks_nothing(
        self, result: CellResult | BaseException | None, words: str
    ) -> None:
        asked = power.target(cell(), result)
        assert words in asked.why_not
        assert asked.trials == 0
        mine = cell(asked=asked)
        evidence = boot(5000)
        word = judge_attempts(mine, (judge(mine, evidence),), (evidence,))
        assert (word.outcome, word.verdict) == (Outcome.INCONCLUSIVE, Verdict.INCONCLUSIVE)
        assert word.reason.startswith(f"no evidence: {asked.why_not}")
        assert power.armed(mine, []) == mine  # it runs by its other stops: what it loses is a finding

    @pytest.mark.parametrize("name", ["grew_class", "grew"])
    def test_where_nothing_may_grow_there_is_no_race_to_be_lost(self, name: str) -> None:
        mine = cell(())
        mine = replace(mine, expect=replace(mine.expect, ceilings=((name, 0),)))
        asked = power.target(mine, control(*[crash(grew_class=1)] * 3))
        assert asked.why_not == "grew_class must stay 0 here: there is no race to be lost"
        guard = replace(mine, expect=Expectation(floors=GUARD, ceilings=((name, 0),)))
        assert power.target(guard, control(*[crash(reuse_allowed=9, overruns=5)] * 3)).trials > 0

    def test_a_plan_without_a_control_says_so(self) -> None:
        lonely = cell(evidence=Against(luck=0.01))
        assert power.target(lonely, None).why_not == "the plan has no kernel that must crash in this test"


ASKED = Target(trials=29, effect=10.0, words="unstable/t lost 3 of 3 in 3 boots (at least 37 %)")


class TestBoots:
    def test_the_stop_is_an_ordinary_one_on_the_counter_of_races(self) -> None:
        assert power.armed(cell(asked=ASKED), []).workload.stop == (("recompressions", 50), ("grew_class", 290))
        guard = cell(GUARD, asked=ASKED)
        assert dict(power.armed(guard, []).workload.stop)["reuse_refused"] == 290
        assert power.goals(guard) == (("reuse_refused", 290),)
        assert power.goals(cell()) == power.goals(cell(asked=Target(why_not="no"))) == ()
        higher = replace(guard, workload=a_workload(stop=(("reuse_refused", 900),)))
        assert power.armed(higher, []).workload.stop == (("reuse_refused", 900),)

    def test_bursts_that_were_underestimated_take_another_boot_in_the_time_that_is_left(self) -> None:
        mine, first = cell(asked=ASKED), boot(290, size=29)
        seen = power.seen_races(mine, [first])
        assert seen is not None
        assert seen.trials < 29
        assert power.wants_more(mine, [first])
        again = power.armed(mine, [first])
        assert [name for name, _ in again.workload.stop] == ["grew_class"]
        wanted = dict(again.workload.stop)["grew_class"]
        assert wanted == 290  # twice as many in all, at most: the design effect of few samples is a rough one
        assert again.workload.duration_s == 290
        boots = [first]
        while power.wants_more(mine, boots):
            boots.append(boot(dict(power.armed(mine, boots).workload.stop)["grew_class"], size=29))
        assert len(boots) == 4
        words = tuple(judge(again, each) for each in boots)
        final = judge_attempts(mine, words, tuple(boots))
        assert (final.outcome, final.verdict) == (Outcome.PASS, Verdict.OK)
        assert "29 leave a kernel as bad as its control 1 % (unstable/t lost 3 of 3" in final.reason

    def test_what_is_wanting_is_asked_for_and_no_more(self) -> None:
        mine, first = cell(asked=ASKED), boot(290, size=19)
        seen = power.seen_races(mine, [first])
        assert seen is not None
        assert dict(power.armed(mine, [first]).workload.stop)["grew_class"] == ceil(
            (29 * seen.design_effect - 290) * power.MARGIN
        )

    def test_a_boot_that_ran_out_of_time_is_not_repeated(self) -> None:
        mine = cell(asked=ASKED)
        assert not power.wants_more(mine, [boot(200, why="duration", seconds=300.0)])
        assert not power.wants_more(mine, [boot(290, size=29, seconds=297.0)])
        late = boot(20, why="duration", seconds=300.0)
        word = judge_attempts(mine, (judge(mine, late),), (late,))
        assert (word.outcome, word.verdict) == (Outcome.INCONCLUSIVE, Verdict.INCONCLUSIVE)
        assert "20 races (grew_class), of 29 that leave a kernel as bad as its control 1 %" in word.reason
        assert "its time was over" in word.reason

    def test_boots_that_bring_nothing_end(self) -> None:
        """A workload that ends by itself at once costs no time, and would be booted for ever."""
        mine = cell(asked=ASKED)
        assert not power.wants_more(mine, [boot(0, why="workload", seconds=0.0)])
        costly = cell(asked=replace(ASKED, trials=10_000))
        few = [boot(1, why="workload", seconds=0.0)]
        while power.wants_more(costly, few):
            few.append(few[0])
        assert len(few) == 1 + power.MOST_BOOTS

    def test_a_pass_with_its_evidence(self) -> None:
        mine, only = cell(asked=ASKED), boot(40)
        word = judge_attempts(mine, (judge(mine, only),), (only,))
        assert word.verdict is Verdict.OK
        assert word.reason.endswith(
            f"40 races (grew_class); 29 leave a kernel as bad as its control 1 % ({ASKED.words})"
        )

    def test_a_race_that_is_lost_is_a_finding_whatever_the_control(self) -> None:
        for asked in (ASKED, Target(why_not="it was not run"), None):
            mine, bad = cell(asked=asked), boot(400, overruns=1)
            word = judge_attempts(mine, (judge(mine, bad),), (bad,))
            assert word.verdict is Verdict.FINDING

    def test_races_that_are_not_reported_prove_nothing(self) -> None:
        mine, blind = cell((), asked=ASKED), boot(0)
        blind = replace(blind, counters={"vmstat.pswpout": 9})
        word = judge_attempts(mine, (judge(mine, blind),), (blind,))
        assert word.verdict is Verdict.INCONCLUSIVE
        assert "grew_class not reported" in word.reason


numbers = st.integers(-(1 << 40), 1 << 40) | st.integers(-3, 30)
any_gains = st.builds(
    Gains, samples=st.integers(0, 99), total=st.integers(0, 1 << 30), squares=st.integers(0, 1 << 60), most=numbers
)
any_boot = st.builds(
    BootCounts,
    counters=st.dictionaries(
        st.sampled_from(["grew_class", "overruns", "reuse_allowed", "reuse_refused", "x"]), numbers
    ),
    gains=st.dictionaries(st.sampled_from(["grew_class", "reuse_allowed", "x"]), any_gains),
    overrun_lines=st.integers(0, 9),
    crashed=st.booleans(),
)


@settings(deadline=None, max_examples=60)
@given(st.lists(any_boot, max_size=4), st.sampled_from([REMEDY, GUARD, ()]), st.sampled_from(["", "x"]))
def test_whatever_guests_report_there_is_an_answer(
    boots: list[BootCounts], floors: tuple[tuple[str, int], ...], races: str
) -> None:
    mine = cell(floors, evidence=Against(luck=0.01, control=CONTROL, races=races))
    asked = power.target(mine, control(*boots))
    assert bool(asked.why_not) is (asked.trials == 0)
    mine = replace(mine, target=asked)
    evidences = [Evidence(ready=True, counters=dict(one.counters), gains=one.gains) for one in boots]
    if evidences:
        assert power.unproved(mine, evidences) or power.proved(mine, evidences)
        assert all(bound > 0 for _, bound in power.armed(mine, []).workload.stop)
        if power.wants_more(mine, evidences):
            assert dict(power.armed(mine, evidences).workload.stop)


@pytest.mark.parametrize("crash", [0.2, 0.6, 0.95])
@pytest.mark.parametrize("rate", [0.1, 0.35])
def test_a_guard_that_does_nothing_passes_no_more_often_than_stated(rate: float, crash: float) -> None:
    """The control's last sample is older than its crash, and what came between is left out.

    Simulated: faults under writeback, of which some lose, and of the losses some crash the kernel. Then the share of
    kernels without a guard that come through as many faults as are asked for, exactly.
    """
    rng, luck, rounds, passes, asked = random.Random(3), 0.05, 400, 0.0, 0
    for _ in range(rounds):
        boots = [_until_it_crashes(rng, rate, crash) for _ in range(6)]
        wanted = power.target(cell(GUARD, evidence=Against(luck=luck, control=CONTROL)), control(*boots))
        if wanted.trials:
            asked += 1
            passes += (1.0 - rate) ** wanted.trials
    assert passes / rounds <= luck
    assert asked > 0 or crash > 0.9  # where hardly a loss lives to be sampled there is nothing to measure by


def _until_it_crashes(rng: random.Random, rate: float, crash: float) -> BootCounts:
    faults, lost, gains = 0, 0, Gains()
    while True:
        here = [rng.random() < rate for _ in range(rng.randrange(6))]
        if any(loses and rng.random() < crash for loses in here):
            counters = {"reuse_allowed": faults, "overruns": lost}
            return BootCounts(counters=counters, gains={"reuse_allowed": gains}, overrun_lines=1, crashed=True)
        faults, lost, gains = faults + len(here), lost + sum(here), gains.and_then(len(here))
