"""The history as text: cells over their runs, each result of a cell, the runs. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kzram_ci.model.evidence import Judgement
from kzram_ci.model.outcome import Outcome, Verdict
from kzram_ci.results.history import RunRecord
from kzram_ci.results.reports.sanitize import one_line
from kzram_ci.results.reports.tested import SHORT
from kzram_ci.results.reports.wording import VERDICT_WORDS, word
from kzram_ci.results.trails import Share, Step, Trail

TRAIL = 60  # letters of a trail, the newest


def cell_lines(found: Sequence[Trail]) -> list[str]:
    """A line a cell."""
    rows = [("plan", "cell", "runs", "ok", "crashed", "flaky", "trend", "outcomes", "trail")]
    for trail in found:
        flaky = "-" if trail.flake_rate is None else f"{trail.flake_rate:.0%}"
        counts = _counts(trail.outcomes)
        rows.append(
            (
                one_line(trail.plan),
                one_line(trail.cell),
                str(trail.runs),
                share_text(trail.passed),
                share_text(trail.crashed),
                flaky,
                trail.trend or "-",
                counts,
                trail.trail[-TRAIL:],
            )
        )
    return _aligned(rows)


def share_text(share: Share | None) -> str:
    """`3/4 (19-99%)`: the count, and the rates that it does not rule out."""
    return "-" if share is None else f"{share.events}/{share.trials} ({100 * share.low:.0f}-{100 * share.high:.0f}%)"


def result_lines(trail: Trail) -> list[str]:
    """A line a result of a cell, newest first."""
    rows = [("date", "run", "result", "kernel", "source")]
    rows += [
        (_date(step.recorded), one_line(step.run), _word(step), _kernel(step), one_line(_source(step)))
        for step in reversed(trail.results)
    ]
    return [f"{one_line(trail.cell)} of {one_line(trail.plan)}:", *(f"  {line}" for line in _aligned(rows))]


def run_lines(runs: Sequence[RunRecord]) -> list[str]:
    """A line a run, newest first."""
    rows = [("date", "run", "plan", "results", "directory")]
    for run in reversed(runs):
        named = {VERDICT_WORDS[Verdict(verdict)]: count for verdict, count in run.verdicts.items()}
        counts = ", ".join(f"{named[name]} {name}" for name in VERDICT_WORDS.values() if name in named)
        rows.append((_date(run.recorded), one_line(run.run), one_line(run.plan), counts or "none", run.directory))
    return _aligned(rows)


def _counts(numbers: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(numbers.items(), key=lambda item: -item[1]))


def _date(recorded: str) -> str:
    """`2026-11-28 17:05` of an ISO time stamp (UTC)."""
    return recorded[:16].replace("T", " ")


def _word(step: Step) -> str:
    return word(Judgement(outcome=Outcome(step.outcome), verdict=Verdict(step.verdict)))


def _kernel(step: Step) -> str:
    return " ".join(part for part in (one_line(step.kernel_release), step.kernel_key[:SHORT]) if part) or "none"


def _source(step: Step) -> str:
    commit = f" {step.commit[:SHORT]}" if step.commit else ""
    return f"{step.source or 'not recorded'}{commit}{' (dirty)' if step.dirty else ''}"


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows]
