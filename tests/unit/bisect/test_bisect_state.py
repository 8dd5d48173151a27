"""A bisection as JSON, and what outcomes are to it."""

import json

import pytest
from bisect_histories import CLEAN, CRASH, Machine, begin, bisect, infected, line, name, number, saw

from kzram_ci.base.errors import UserError
from kzram_ci.bisect.belief.decide import Done, next_step
from kzram_ci.bisect.belief.model import Observation, Settings, from_json, observation, observe, same_bytes, to_json
from kzram_ci.model.outcome import KERNEL_OUTCOMES, Outcome

FORK = [(), (0,), (1,), (0,), (3,), (2, 4), (5,), (6,)]


def test_json_and_back() -> None:
    state = begin(FORK, settings=Settings(confidence=0.95, good_first=True))
    state = saw(saw(saw(state, 7, CRASH, CLEAN), 3, Observation.UNBUILDABLE), 2, Observation.SKIP)
    state = same_bytes(same_bytes(state, name(4), name(3)), name(4), name(3))
    assert len(state.same) == 1
    assert from_json(json.loads(json.dumps(to_json(state)))) == state


def test_a_resumed_bisection_decides_as_the_killed_one_would_have() -> None:
    sick = infected(FORK, 3)
    straight, _, steps = bisect(begin(FORK), Machine(sick, rate=0.6, seed=5))
    machine, state, resumed = Machine(sick, rate=0.6, seed=5), begin(FORK), []
    while not isinstance(step := next_step(state), Done):
        resumed.append(step)
        state = observe(state, step.commit, machine.boot(number(step.commit)))
        state = from_json(json.loads(json.dumps(to_json(state))))  # killed after every boot
    assert resumed == steps
    assert step.answer == straight


@pytest.mark.parametrize("data", [{}, {"version": 99}, {"version": 1, "bad": 3}, {"version": 1, "range": None}])
def test_a_file_that_is_no_bisection_is_the_users_error(data: dict[str, object]) -> None:
    with pytest.raises(UserError, match="saved bisection"):
        from_json(data)


def test_observing_a_commit_outside_the_range_is_the_users_error() -> None:
    with pytest.raises(UserError, match="not part of this bisection"):
        observe(begin(line(3)), name(99), CRASH)
    with pytest.raises(UserError, match="not part of this bisection"):
        same_bytes(begin(line(3)), name(1), name(99))


@pytest.mark.parametrize("outcome", list(Outcome))
def test_only_the_wanted_crash_and_a_pass_are_evidence(outcome: Outcome) -> None:
    what = observation(outcome, wanted=False)
    assert (what is CLEAN) == (outcome is Outcome.PASS)
    assert what is not CRASH
    assert (what is Observation.UNBUILDABLE) == (outcome in KERNEL_OUTCOMES)
    assert observation(outcome, wanted=True) is CRASH
