"""What a watch does next. Pure: a state and what happened give the next state."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from kzram_ci.base.digest import digest_json
from kzram_ci.model.evidence import CellResult
from kzram_ci.model.outcome import KERNEL_OUTCOMES, Outcome, Verdict
from kzram_ci.verdict.judge import principal_oops
from kzram_ci.verdict.together import folded
from kzram_ci.watch.model import Bisected, Found, Phase, Report, State

_ORDER = (Outcome.OOPS, Outcome.CORRUPTION, Outcome.HANG, Outcome.FAIL)
_SHOWN = (*_ORDER, Outcome.BOOT_FAILED)  # what a boot shows and another does not; not that a crash stayed away


def saw(state: State, tip: str) -> State:
    """A tip that was not tested yet is."""
    if state.phase is not Phase.IDLE or tip == state.tested:
        return state
    tries = state.tries if tip == state.commit else 0
    return replace(state, phase=Phase.TESTING, commit=tip, run="", tries=tries)


def tested(state: State, results: Sequence[CellResult], when: str) -> State:
    """The run of `state.commit` ended.

    New findings are bisected where a good commit is known, and told. Trouble of the host is not a finding: the commit
    is tried again. What was reported once is not again, but a commit that shows it is not good either.
    """
    found = findings(results)
    fresh = tuple({one.fingerprint: one for one in reversed(found) if one.fingerprint not in state.reported}.values())
    fresh = tuple(sorted(fresh, key=_rank))
    if fresh:
        why = why_not_bisected(state, fresh[0])
        return replace(
            state,
            phase=Phase.TELLING if why else Phase.BISECTING,
            found=fresh,
            bisection="",
            bisected=Bisected(why_not=why) if why else None,
            when=when,
            sent=(),
            trouble="",
        )
    if text := trouble(results):
        return troubled(replace(state, phase=Phase.IDLE), text)
    good = not found and all(one.judgement.verdict in (Verdict.OK, Verdict.SKIPPED) for one in results)
    good = good and any(one.judgement.verdict is Verdict.OK for one in results)
    return replace(_ended(state), last_good=state.commit if good else state.last_good)


def troubled(state: State, text: str) -> State:
    """The host failed: the same is done again in the next round."""
    return replace(state, trouble=text, tries=state.tries + 1)


def why_not_bisected(state: State, first: Found) -> str:
    """Why there is nothing to bisect; "" when there is."""
    if not first.bisectable:
        return "a control, a kernel that does not build and a crash that stayed away are not what a boot shows"
    if not state.last_good:
        return "no good commit is known before it"
    if state.last_good == state.commit:
        return "the same commit was good before: it comes and goes"
    return ""


def bisected(state: State, answer: Bisected) -> State:
    """The bisection has an answer, or no time left."""
    return replace(state, phase=Phase.TELLING, bisected=answer, trouble="")


def sent(state: State, channel: str) -> State:
    """A channel has the report."""
    return replace(state, sent=(*state.sent, channel))


def told(state: State) -> State:
    """All channels have the report: its findings are known from now on."""
    reported = tuple(dict.fromkeys((*state.reported, *(one.fingerprint for one in state.found))))
    return replace(_ended(state), reported=reported)


def _ended(state: State) -> State:
    return replace(
        state,
        phase=Phase.IDLE,
        tested=state.commit,
        found=(),
        bisection="",
        bisected=None,
        sent=(),
        trouble="",
        tries=0,
    )


def findings(results: Iterable[CellResult]) -> tuple[Found, ...]:
    """What a run found: findings, and kernels that do not patch, configure or build, each once."""
    found = [_found(one) for one in folded(results) if one.judgement.verdict is Verdict.FINDING]
    broken = {
        one.kernel: one
        for one in results
        if one.judgement.verdict is Verdict.ERROR and one.judgement.outcome in KERNEL_OUTCOMES
    }
    return (*found, *(_broken(one) for one in broken.values()))


def _found(result: CellResult) -> Found:
    oops = principal_oops(result.evidence.oopses) if result.judgement.outcome is Outcome.OOPS else None
    return Found(
        cell=result.id,
        kernel=result.kernel,
        test=result.id.removeprefix(f"{result.kernel}/"),
        outcome=str(result.judgement.outcome),
        title=oops.title if oops is not None else result.judgement.reason,
        signature=oops.signature if oops is not None else "",
        file=f"{result.directory}/{oops.file if oops is not None and oops.file else 'console.log'}",
        bisectable=not result.control and result.judgement.outcome in _SHOWN,
    )


def _broken(result: CellResult) -> Found:
    return Found(
        cell=result.kernel,
        kernel=result.kernel,
        test="",
        outcome=str(result.judgement.outcome),
        title=result.judgement.reason,
        bisectable=False,
    )


def _rank(found: Found) -> tuple[bool, int]:
    place = _ORDER.index(Outcome(found.outcome)) if found.outcome in _ORDER else len(_ORDER)
    return not found.bisectable, place


def trouble(results: Iterable[CellResult]) -> str:
    """The first cell that the host kept from a verdict; "" where it kept none."""
    for one in results:
        if one.judgement.verdict is Verdict.ERROR and one.judgement.outcome not in KERNEL_OUTCOMES:
            return f"{one.id}: {one.judgement.reason}"
    return ""


def report_of(state: State) -> Report:
    """The report on what a state holds. Its id is the same however often it is made."""
    names = [one.fingerprint for one in state.found]
    return Report(
        id=digest_json([state.repository, state.branch, state.plan, state.commit, names])[:16],
        when=state.when,
        repository=state.repository,
        branch=state.branch,
        plan=state.plan,
        commit=state.commit,
        last_good=state.last_good,
        run=state.run,
        found=state.found,
        bisected=state.bisected or Bisected(),
    )
