"""What is done next, and what is answered."""

import pytest
from bisect_histories import CLEAN, CRASH, Machine, Parents, begin, bisect, infected, line, name, number, saw

from kzram_ci.bisect.belief.decide import Boot, Costs, Done, Kind, Stage, next_step
from kzram_ci.bisect.belief.model import Bisection, Observation, Settings, same_bytes, start

MERGED: Parents = [
    (), (0,), (1,), (2,), (2,), (4,), (5,), (3,), (7, 6), (8,), (9,), (9,), (11,), (12,), (10, 13), (14,)
]  # fmt: skip


def boot(state: Bisection, costs: Costs | None = None) -> Boot:
    step = next_step(state, costs)
    assert isinstance(step, Boot), step
    return step


def done(state: Bisection) -> Done:
    step = next_step(state)
    assert isinstance(step, Done), step
    return step


def confirmed(commits: int) -> Bisection:
    return saw(begin(line(commits)), commits, CRASH, times=4)


def test_the_bad_end_is_confirmed_before_anything_else() -> None:
    first = boot(begin(line(64)))
    assert (first.stage, first.commit) == (Stage.CONFIRM_BAD, name(64))
    assert boot(saw(begin(line(64)), 64, CLEAN, times=10)).stage is Stage.CONFIRM_BAD


def test_a_rare_crash_must_show_more_often_before_the_search() -> None:
    few = Settings().bad_crashes
    assert boot(saw(begin(line(64)), 64, CRASH, times=few)).stage is not Stage.CONFIRM_BAD
    assert boot(saw(saw(begin(line(64)), 64, CLEAN, times=9), 64, CRASH, times=few)).stage is Stage.CONFIRM_BAD


def test_a_bad_end_that_never_crashes_is_not_reproduced() -> None:
    answer = done(saw(begin(line(8)), 8, CLEAN, times=Settings().end_budget)).answer
    assert answer.kind is Kind.NOT_REPRODUCED
    assert not answer.commits
    assert answer.confidence > 0.9


@pytest.mark.parametrize(
    ("what", "times"), [(Observation.UNBUILDABLE, 1), (Observation.UNBOOTABLE, 2), (Observation.OTHER, 6)]
)
def test_a_bad_end_that_cannot_be_tested_is_said(what: Observation, times: int) -> None:
    answer = done(saw(begin(line(8)), 8, what, times=times)).answer
    assert answer.kind is Kind.UNTESTABLE_END
    assert answer.commits == (name(8),)


def test_the_search_starts_in_the_middle() -> None:
    step = boot(confirmed(64))
    assert step.stage is Stage.SEARCH
    assert 28 <= number(step.commit) <= 36


def test_the_good_end_goes_first_when_asked_or_at_hand() -> None:
    asked = saw(begin(line(64), settings=Settings(good_first=True)), 64, CRASH, times=4)
    at_hand = Costs(builds={name(0): 0.0})
    assert boot(asked).commit == boot(confirmed(64), at_hand).commit == name(0)
    assert boot(asked).stage is Stage.CONFIRM_GOOD


def test_one_crash_after_the_other_makes_the_good_end_suspect() -> None:
    sick = frozenset(range(65))
    answer, state, steps = bisect(begin(line(64)), Machine(sick, rate=0.8, seed=3))
    assert answer.kind is Kind.NONE
    assert answer.confidence >= 0.99
    assert any(step.stage is Stage.CONFIRM_GOOD for step in steps)
    assert len({seen.commit for seen in state.seen}) <= 7


def test_a_good_end_that_crashes_ends_the_search_at_once() -> None:
    state = saw(begin(line(64), settings=Settings(good_first=True)), 64, CRASH, times=3)
    answer = done(saw(state, 0, CRASH, times=2)).answer
    assert answer.kind is Kind.NONE


def test_no_other_good_end_is_asked_when_one_is_clean() -> None:
    parents: Parents = [(), (), (0, 1), *((commit - 1,) for commit in range(3, 20))]
    state = begin(parents, goods=(0, 1), settings=Settings(good_first=True))
    _, _, steps = bisect(state, Machine(infected(parents, 9), rate=0.9, seed=2))
    assert len({step.commit for step in steps if step.stage is Stage.CONFIRM_GOOD}) == 1


def test_of_two_equal_splits_the_built_one_is_taken() -> None:
    built = Costs(builds={name(26): 0.0})
    assert boot(confirmed(64), built).commit == name(26)


def test_an_unrelated_crash_is_no_clean_boot_and_no_crash() -> None:
    state = confirmed(16)
    step = boot(state)
    again = boot(saw(state, number(step.commit), Observation.OTHER))
    assert again.times == step.times
    for stubborn in (Observation.OTHER, Observation.INCONCLUSIVE):
        given_up = saw(state, number(step.commit), stubborn, times=state.settings.patience)
        assert boot(given_up).commit != step.commit


def test_a_commit_that_does_not_build_is_left_and_so_are_its_neighbours() -> None:
    state = confirmed(64)
    middle = number(boot(state).commit)
    other = number(boot(saw(state, middle, Observation.UNBUILDABLE)).commit)
    assert abs(other - middle) > 2


def test_suspects_that_cannot_be_told_apart_are_all_named() -> None:
    parents, broken = line(20), frozenset({9, 10, 11})
    machine = Machine(infected(parents, 10), rate=0.9, seed=4, broken=broken)
    answer, _, _ = bisect(begin(parents), machine)
    assert answer.kind is Kind.SUSPECTS
    assert {number(commit) for commit in answer.commits} == {9, 10, 11, 12}


def test_a_skip_is_never_booted() -> None:
    parents = line(20)
    state = saw(begin(parents), 10, Observation.SKIP)
    answer, _, steps = bisect(state, Machine(infected(parents, 14), rate=0.9, seed=4))
    assert name(10) not in {step.commit for step in steps}
    assert answer.commits == (name(14),)


def test_marked_ends_are_not_booted() -> None:
    state = saw(saw(begin(line(20)), 20, Observation.MARK_BAD), 0, Observation.MARK_GOOD)
    _, _, steps = bisect(state, Machine(infected(line(20), 7), rate=0.9, seed=6))
    assert {Stage.CONFIRM_BAD, Stage.CONFIRM_GOOD}.isdisjoint(step.stage for step in steps)


def test_a_commit_with_the_bytes_of_its_parent_is_not_booted_for_itself() -> None:
    parents = line(20)
    state = same_bytes(begin(parents), name(12), name(11))
    answer, _, steps = bisect(state, Machine(infected(parents, 11), rate=0.9, seed=8))
    assert answer.commits == (name(11),)
    assert len({step.commit for step in steps} & {name(11), name(12)}) == 1


def test_the_answer_is_verified_by_boots_of_its_own() -> None:
    parents = line(32)
    answer, state, _ = bisect(begin(parents), Machine(infected(parents, 21), rate=0.6, seed=9))
    seen = [(number(one.commit), one.what) for one in state.seen]
    assert answer.kind is Kind.CULPRIT
    assert (21, CRASH) in seen
    assert seen.count((20, CLEAN)) >= 3
    assert (20, CRASH) not in seen
    assert answer.confidence >= 0.99
    assert answer.runner_up_probability <= 0.01
    assert answer.boots == len(seen)
    assert answer.rate_bad == pytest.approx(0.6, abs=0.25)


def test_a_parent_that_is_good_by_its_other_child_is_booted_itself() -> None:
    #         3 ---- 5    4 is clean, so 2 must be; it is booted all the same
    # 0 1 2 <      /
    #         4 --
    state = begin([(), (0,), (1,), (2,), (2,), (3, 4)])
    state = saw(saw(saw(state, 5, CRASH, times=5), 3, CRASH, times=5), 4, CLEAN, times=12)
    step = boot(state)
    assert (step.stage, step.commit) == (Stage.VERIFY_PARENT, name(2))
    answer = done(saw(state, 2, CLEAN, times=step.times)).answer
    assert answer.commits == (name(3),)


def test_two_crashes_are_not_enough_for_an_answer() -> None:
    # The two may have come early by luck, and then all these clean boots were too few.
    state = saw(begin(line(4), settings=Settings(bad_crashes=2)), 4, CRASH, times=2)
    for commit in (0, 1, 2, 3):
        state = saw(state, commit, CLEAN, times=40)
    step = boot(state)
    assert (step.stage, step.commit) == (Stage.VERIFY_CULPRIT, name(4))
    assert done(saw(state, 4, CRASH, times=5)).answer.commits == (name(4),)


def test_the_rate_is_measured_before_the_last_boots_of_the_parent() -> None:
    state = saw(saw(begin(line(2)), 2, CRASH, times=3), 1, CLEAN, times=3)
    assert boot(state).stage is Stage.VERIFY_CULPRIT


def test_the_first_commit_after_good_needs_the_good_end_itself() -> None:
    parents = line(32)
    answer, state, _ = bisect(begin(parents), Machine(infected(parents, 1), rate=0.9, seed=10))
    assert answer.commits == (name(1),)
    assert name(0) in {one.commit for one in state.seen}


@pytest.mark.parametrize("culprit", [2, 3, 5, 8, 10, 12, 14, 15])
def test_a_culprit_in_a_history_with_merges(culprit: int) -> None:
    machine = Machine(infected(MERGED, culprit), rate=0.9, seed=culprit)
    answer, _, _ = bisect(begin(MERGED), machine)
    assert answer.commits == (name(culprit),)


def test_with_first_parent_a_merge_is_named_for_its_side() -> None:
    rows = "\n".join(" ".join(map(name, (commit, *MERGED[commit]))) for commit in (15, 14, 10, 9, 8, 7, 3, 2, 1))
    state = start(rows, bad=name(15), goods=(name(0),), first_parent=True)
    answer, _, _ = bisect(state, Machine(infected(MERGED, 5), rate=0.9, seed=1))
    assert answer.commits == (name(8),)


def test_a_range_of_one_commit() -> None:
    answer, _, _ = bisect(begin(line(1)), Machine(frozenset({1}), rate=0.5, seed=1))
    assert answer.commits == (name(1),)


def test_an_untestable_good_end_is_said_when_it_is_needed() -> None:
    state = begin(line(8))
    for commit in range(1, 9):
        state = saw(state, commit, CRASH, times=9)
    answer = done(saw(state, 0, Observation.UNBUILDABLE)).answer
    assert answer.kind is Kind.UNTESTABLE_END
    assert answer.commits == (name(0),)
    assert done(saw(state, 0, Observation.MARK_GOOD)).answer.commits == (name(1),)
