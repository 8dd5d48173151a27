"""What a test of the plan's own proves: its exit code, the tests that it told of, the plan's floors. Pure.

The exit code decides; 4 means skipped, as in kselftest. A test that was stopped by the plan's counters has done its
work; one that was stopped by its duration has not, unless floors say what it did until then.
"""

from __future__ import annotations

import signal
from collections.abc import Sequence

from kzram_ci.model.cell import Cell
from kzram_ci.model.evidence import Evidence, Judgement
from kzram_ci.model.outcome import Outcome, Verdict
from kzram_ci.model.points import BAD, Point, PointStatus, summary
from kzram_ci.model.workload import OF_THE_KERNEL
from kzram_ci.verdict.exposure import counter

EXIT_SKIP = 4  # KSFT_SKIP of tools/testing/selftests/kselftest.h
NAMED = 3  # tests that a reason names


def ended_badly(cell: Cell, evidence: Evidence) -> Judgement | None:
    """A test that failed, skipped itself or did not end; None when it ended well."""
    code, bad = evidence.test_code, [point for point in evidence.points if point.status in BAD]
    if code is None:
        return Judgement(outcome=Outcome.LOST, verdict=Verdict.ERROR, reason="no word of how the test ended")
    failing = _failing(bad, evidence.points)
    if code == EXIT_SKIP and not evidence.test_stopped and not bad:
        text = _told(f"the test skipped itself (exit code {code})", evidence)
        return Judgement(outcome=Outcome.INCONCLUSIVE, verdict=Verdict.INCONCLUSIVE, reason=text)
    if code and not evidence.test_stopped:
        return _failed(_told("; ".join(part for part in (_exit_words(code), failing) if part), evidence))
    if bad or evidence.point_problems:
        return _failed("; ".join(part for part in (failing, *evidence.point_problems[:1]) if part))
    if evidence.test_stopped and evidence.stop_why == "duration" and not cell.expect.floors:
        seconds = cell.workload.duration_s
        return _failed(f"the test did not end within its {seconds} s; one that runs until it is stopped needs floors")
    return None


def proof(cell: Cell, evidence: Evidence) -> Judgement:
    """The pass of a test that ended well, its floors reached: what it rests on."""
    rests = [f"{name} {counter(evidence, name):,}" for name, _ in cell.expect.floors]
    points = evidence.points
    if not points and cell.workload.program in OF_THE_KERNEL:
        text = "no test ran: the kernel has none, or none that the plan names"
        return Judgement(outcome=Outcome.INCONCLUSIVE, verdict=Verdict.INCONCLUSIVE, reason=text)
    good = (PointStatus.PASS, PointStatus.XFAIL)
    if points and not rests and not any(point.status in good for point in points):
        text = f"no test passed: {summary(points)}"
        return Judgement(outcome=Outcome.INCONCLUSIVE, verdict=Verdict.INCONCLUSIVE, reason=text)
    rests += [summary(points)] if points else []
    if cell.workload.program in OF_THE_KERNEL:
        return Judgement(outcome=Outcome.PASS, verdict=Verdict.OK, reason=", ".join(rests))
    how = "stopped by its counters" if evidence.test_stopped and evidence.stop_why == "exposure" else "exit code 0"
    alone = "" if rests else " alone: no floor and no test point says that it did its work"
    lost = [f"the result {text}" for text in evidence.lost_results]
    reason = "; ".join((", ".join((f"{how}{alone}", *rests)), *lost))
    return Judgement(outcome=Outcome.PASS, verdict=Verdict.OK, reason=reason)


def _failed(reason: str) -> Judgement:
    return Judgement(outcome=Outcome.FAIL, verdict=Verdict.FINDING, reason=reason)


def _failing(bad: Sequence[Point], points: Sequence[Point]) -> str:
    if not bad:
        return ""
    names = ", ".join(point.name for point in bad[:NAMED]) + (" …" if len(bad) > NAMED else "")
    return f"{len(bad):,} of {len(points):,} tests failed: {names}"


def _exit_words(code: int) -> str:
    if code > 128:
        try:
            return f"the test was killed by {signal.Signals(code - 128).name}"
        except ValueError:
            pass
    return f"the test exited with {code}"


def _told(text: str, evidence: Evidence) -> str:
    return f"{text}: {evidence.last_words}" if evidence.last_words else text
