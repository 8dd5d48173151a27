"""The words of reports for what happened and what it means. Pure."""

from __future__ import annotations

from kzram_ci.model.evidence import Judgement
from kzram_ci.model.outcome import Outcome, Verdict

VERDICT_WORDS = {
    Verdict.OK: "ok",
    Verdict.FINDING: "FINDING",
    Verdict.INCONCLUSIVE: "INCONCLUSIVE",
    Verdict.ERROR: "ERROR",
    Verdict.SKIPPED: "skipped",
}
LEGEND = (
    ("ok", "what the plan expects of this kernel: it passed, with proof, or it crashed, as expected"),
    ("FINDING", "anything else the kernel did, also an expected oops that did not come"),
    ("INCONCLUSIVE", "ended well, but without the proof of exposure the plan asks for"),
    ("ERROR", "no verdict on the kernel: it was not built, did not reach the workload, or the host failed"),
)
HAPPENED = {
    Outcome.NOT_RUN: "not run",
    Outcome.PASS: "did not crash",
    Outcome.FAIL: "failed",
    Outcome.CORRUPTION: "read back wrong data",
    Outcome.OOPS: "crashed",
    Outcome.HANG: "hung",
    Outcome.INCONCLUSIVE: "not proved",
    Outcome.BOOT_FAILED: "did not boot",
    Outcome.LOST: "guest lost",
    Outcome.INFRA: "host failed",
    Outcome.PATCH_FAILED: "does not patch",
    Outcome.CONFIG_UNMET: "config not met",
    Outcome.BUILD_FAILED: "not built",
    Outcome.SKIPPED: "skipped",
}


def word(judgement: Judgement) -> str:
    """A judgement in a word or two: `passed`, `crashed, as expected`, `FINDING: hung`, `ERROR: not built`."""
    outcome, verdict = judgement.outcome, judgement.verdict
    if outcome is Outcome.NOT_RUN or verdict is Verdict.SKIPPED:
        return HAPPENED[outcome if outcome is Outcome.NOT_RUN else Outcome.SKIPPED]
    if verdict is Verdict.OK and outcome is Outcome.PASS:
        return "passed"
    if verdict is Verdict.OK and outcome is Outcome.OOPS:
        return "crashed, as expected"
    if verdict is Verdict.INCONCLUSIVE and outcome is Outcome.INCONCLUSIVE:
        return VERDICT_WORDS[verdict]
    return f"{VERDICT_WORDS[verdict]}: {HAPPENED[outcome]}"
