"""Whether a difference of two runs is more than chance, by all that is known of the cell. Pure.

The same kernel in the same set-up that did both is flaky: nothing got worse. Another kernel may be as flaky as the one
before, too; then the counts of both are held against each other. A finding is new when this cell never showed it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kzram_ci.model.evidence import CellResult
from kzram_ci.model.outcome import Verdict
from kzram_ci.verdict.judge import principal_oops
from kzram_ci.verdict.power import boots_of
from kzram_ci.verdict.significance import chance, differs
from kzram_ci.verdict.stats import Rate

LEAST_BOOTS = 3  # of each side, for their rates of crashes to be held against each other


def comes_and_goes(old: CellResult, new: CellResult, known: Sequence[CellResult]) -> bool:
    """Whether a verdict changed where nothing else did, or where what was before had changed its verdict as often."""
    verdicts = {old.judgement.verdict, new.judgement.verdict}
    if verdicts != {Verdict.OK, Verdict.FINDING}:
        return False
    if _same(old, new):
        return True
    before, after = _findings(old, known), _findings(new, (*known, new))
    return 0 < before.events < before.trials and not differs(before, after)


def other_rate(old: CellResult, new: CellResult) -> bool:
    """Whether boots crash more or less often than chance explains, though the verdict is the same."""
    before, after = _crashes(old), _crashes(new)
    return min(before.trials, after.trials) >= LEAST_BOOTS and differs(before, after)


def is_new(result: CellResult, known: Sequence[CellResult]) -> bool:
    """Whether this is a finding that the cell did not show before."""
    if result.judgement.verdict is not Verdict.FINDING:
        return False
    return all(_what(one) != _what(result) for one in known if one.judgement.verdict is Verdict.FINDING)


def words(kind: str, old: CellResult, new: CellResult, known: Sequence[CellResult]) -> Iterator[str]:
    """What chance has to do with a change, where the counts say something."""
    if kind == "flaky":
        before = _findings(old, known)
        same = "the same kernel and set-up did both" if _same(old, new) else "the kernel before did both, too"
        yield f"{same}: {before.events} of {before.trials} were findings before"
    if kind == "rate":
        before, after = _crashes(old), _crashes(new)
        counts = f"{before.events} of {before.trials} boots crashed -> {after.events} of {after.trials}"
        yield f"{counts}, by chance with p = {chance(before, after):.2g}"
    if kind == "regressed":
        before, after = _findings(old, known), _findings(new, (*known, new))
        if before.trials > 1:
            counts = f"{before.events} of {before.trials} were findings before -> {after.events} of {after.trials}"
            yield f"{counts}, by chance with p = {chance(before, after):.2g}"


def _same(one: CellResult, other: CellResult) -> bool:
    known = all((one.kernel_key, other.kernel_key, one.setup_key, other.setup_key))
    return known and (one.kernel_key, one.setup_key) == (other.kernel_key, other.setup_key)


def _findings(like: CellResult, known: Sequence[CellResult]) -> Rate:
    """How many of the results on the same kernel and set-up were findings, of those with a verdict on it."""
    told = [one for one in known if one is like or _same(one, like)]
    verdicts = [one.judgement.verdict for one in told if one.judgement.verdict in (Verdict.OK, Verdict.FINDING)]
    return Rate(events=verdicts.count(Verdict.FINDING), trials=len(verdicts))


def _crashes(result: CellResult) -> Rate:
    boots = boots_of(result)
    return Rate(events=sum(boot.crashed for boot in boots), trials=len(boots))


def _what(result: CellResult) -> tuple[str, str]:
    oops = principal_oops(result.evidence.oopses)
    return str(result.judgement.outcome), oops.signature if oops is not None else ""
