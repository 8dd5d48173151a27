"""A bisection as JSON, and what outcomes are to it."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from bisect_histories import CLEAN, CRASH, Machine, begin, bisect, infected, line, name, number, saw

from kzram_ci.base.errors import InfraError, UserError
from kzram_ci.bisect.belief.decide import Done, next_step
from kzram_ci.bisect.belief.model import Bisection, Observation, Settings, observe, same_bytes
from kzram_ci.bisect.session import store
from kzram_ci.bisect.session.model import SavedBisection, restored, saved
from kzram_ci.bisect.session.observations import BootRecord, observation_of, observed
from kzram_ci.model import codec
from kzram_ci.model.outcome import KERNEL_OUTCOMES, Outcome
from kzram_ci.verdict.crashes import Crash, Wanted

FORK = [(), (0,), (1,), (0,), (3,), (2, 4), (5,), (6,)]


def through_json(state: Bisection) -> Bisection:
    return restored(codec.from_json(SavedBisection, json.loads(json.dumps(codec.to_json(saved(state))))))


def test_json_and_back() -> None:
    state = begin(FORK, settings=Settings(confidence=0.95, good_first=True))
    state = saw(saw(saw(state, 7, CRASH, CLEAN), 3, Observation.UNBUILDABLE), 2, Observation.SKIP)
    state = same_bytes(same_bytes(state, name(4), name(3)), name(4), name(3))
    assert len(state.same) == 1
    assert through_json(state) == state


def test_a_resumed_bisection_decides_as_the_killed_one_would_have() -> None:
    sick = infected(FORK, 3)
    straight, _, steps = bisect(begin(FORK), Machine(sick, rate=0.6, seed=5))
    machine, state, resumed = Machine(sick, rate=0.6, seed=5), begin(FORK), []
    while not isinstance(step := next_step(state), Done):
        resumed.append(step)
        state = observe(state, step.commit, machine.boot(number(step.commit)))
        state = through_json(state)  # killed after every boot
    assert resumed == steps
    assert step.answer == straight


def test_another_version_is_the_users_error() -> None:
    kept = replace(saved(begin(FORK)), version=99)
    with pytest.raises(UserError, match="version 99, this kzram-ci reads 1"):
        restored(kept)


def test_observing_a_commit_outside_the_range_is_the_users_error() -> None:
    with pytest.raises(UserError, match="not part of this bisection"):
        observe(begin(line(3)), name(99), CRASH)
    with pytest.raises(UserError, match="not part of this bisection"):
        same_bytes(begin(line(3)), name(1), name(99))


def boot(outcome: Outcome, **more: Any) -> BootRecord:
    return replace(BootRecord(commit="c", number=1, seed=1, outcome=outcome, ready=True, proved=True), **more)


@pytest.mark.parametrize("outcome", list(Outcome))
def test_only_the_wanted_crash_and_a_pass_are_evidence(outcome: Outcome) -> None:
    what = observation_of(boot(outcome), Wanted())
    assert (what is CLEAN) == (outcome is Outcome.PASS)
    assert what is not CRASH
    assert (what is Observation.UNBUILDABLE) == (outcome in KERNEL_OUTCOMES)
    crash = Crash(signature="bug:f", title="BUG in f")
    assert observation_of(boot(outcome, crashes=(crash,)), Wanted(given=("bug:*",))) is CRASH


@pytest.mark.parametrize(
    ("outcome", "ready", "what"),
    [
        (Outcome.BOOT_FAILED, False, CRASH),
        (Outcome.OOPS, False, CRASH),  # a crash on the way to the workload
        (Outcome.OOPS, True, CLEAN),
        (Outcome.HANG, True, CLEAN),
        (Outcome.PASS, True, CLEAN),
        (Outcome.INFRA, False, Observation.INFRA),
        (Outcome.LOST, False, Observation.INFRA),
        (Outcome.FAIL, False, Observation.OTHER),  # the set-up in the guest failed
    ],
)
def test_boot_failed_as_a_signature_asks_whether_the_workload_is_reached(
    outcome: Outcome, ready: bool, what: Observation
) -> None:
    assert observation_of(boot(outcome, ready=ready, proved=False), Wanted(given=("boot-failed",))) is what


def test_one_silent_boot_may_be_the_hosts_doing() -> None:
    wanted = Wanted(given=("boot-failed",))

    def seen(*boots: BootRecord) -> list[Observation]:
        return [one.what for one in observed(boots, wanted)]

    silent, again = boot(Outcome.BOOT_FAILED, ready=False), boot(Outcome.BOOT_FAILED, ready=False, number=2)
    assert seen(silent, boot(Outcome.PASS, number=2)) == [Observation.UNBOOTABLE, CLEAN]
    assert seen(silent, again) == [CRASH, CRASH]
    assert seen(boot(Outcome.OOPS, ready=False)) == [CRASH]  # the kernel itself says so


def test_a_session_of_an_older_version_still_loads(tmp_path: Path) -> None:
    """Written by 0.1 as it was before sessions had one codec: a bisection may take days."""
    path = tmp_path / "20261128T153248Z-bisect-flaky-a2c94e"
    shutil.copytree(Path(__file__).parents[2] / "data" / "bisect_session", path)
    session = store.load(path)
    findings = session.findings
    answer = findings.facts.answer
    assert answer is not None
    assert next_step(findings.standing.state) == Done(answer=answer)
    assert findings.facts.revert is not None
    assert findings.facts.revert.heals is True
    assert findings.facts.marks == ((findings.graph.names[1], Observation.MARK_GOOD),)
    before = {name: json.loads((path / name).read_text()) for name in (store.ASKED, store.STATE)}
    session.keep(session.facts)
    store.widen(session, ())
    after = {name: json.loads((path / name).read_text()) for name in before}
    for build in before[store.STATE]["builds"]:
        build["fix"] = ""  # new since then
    assert after[store.STATE] == before[store.STATE]
    assert after[store.ASKED]["start"] == before[store.ASKED]["start"]


def test_a_damaged_session_is_not_the_users_error(tmp_path: Path) -> None:
    path = tmp_path / "x"
    shutil.copytree(Path(__file__).parents[2] / "data" / "bisect_session", path)
    (path / store.ASKED).write_text('{"asked": 3}')
    with pytest.raises(InfraError, match="is damaged"):
        store.load(path)
