"""Results to the exit code of `run`. Pure.

0 all ok · 1 findings · 3 inconclusive · 4 a kernel did not patch, configure or build · 69 infrastructure.
Mixed: the first of 1, 4, 69, 3. For `git bisect run`: 0 good · 1 bad · 125 skip this commit · 128 abort.
"""

from __future__ import annotations

from collections.abc import Sequence

from kzram_ci.model.evidence import CellResult
from kzram_ci.model.outcome import KERNEL_OUTCOMES, Outcome, Verdict

OK, FINDINGS, INCONCLUSIVE, KERNEL, INFRA = 0, 1, 3, 4, 69
GOOD, BAD, SKIP, ABORT = 0, 1, 125, 128
_RANK = (FINDINGS, KERNEL, INFRA, INCONCLUSIVE)
_CODES = {
    Verdict.OK: OK,
    Verdict.FINDING: FINDINGS,
    Verdict.INCONCLUSIVE: INCONCLUSIVE,
    Verdict.ERROR: INFRA,
    Verdict.SKIPPED: None,
}
UNBOOTABLE = Outcome.BOOT_FAILED
_ABORTING = frozenset({Outcome.INFRA, Outcome.NOT_RUN})  # the next commit would meet the same host


def cell_code(result: CellResult) -> int | None:
    """The code one cell asks for; None when it was skipped on purpose."""
    word = result.judgement
    return KERNEL if word.verdict is Verdict.ERROR and word.outcome in KERNEL_OUTCOMES else _CODES[word.verdict]


def exit_code(results: Sequence[CellResult], bisect: bool = False) -> int:
    """The exit code of a run. Nothing run at all is inconclusive: it proves nothing."""
    if bisect:
        return _bisect_code(results)
    codes = {code for code in map(cell_code, results) if code is not None}
    return next((code for code in _RANK if code in codes), OK if codes else INCONCLUSIVE)


def _bisect_code(results: Sequence[CellResult]) -> int:
    """A control that failed makes the commit untestable, not bad; an unbootable kernel is not information.

    Not even where its siblings boot: what does not boot hides whether the wanted bug is there.
    """
    asked = [(result, cell_code(result)) for result in results]
    found = [result for result, code in asked if code == FINDINGS and result.judgement.outcome is not UNBOOTABLE]
    if any(not result.control for result in found):
        # A control must still hold, or "bad" means that this plan cannot separate good from bad here.
        return SKIP if any(result.control for result in found) else BAD
    if any(result.judgement.outcome in _ABORTING for result, code in asked if code == INFRA):
        return ABORT
    codes = {code for _, code in asked if code is not None}
    tests = [code for result, code in asked if not result.control]
    # Where all tests were skipped, a control that passed shows that the plan works, not that the commit is good.
    return GOOD if codes == {OK} and (OK in tests or not tests) else SKIP
