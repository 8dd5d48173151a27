"""`kzram-ci history`: outcomes of cells over all recorded runs, and how flaky they are."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kzram_ci.model import codec
from kzram_ci.model.outcome import Verdict
from kzram_ci.results.history import History, Record, default_history
from kzram_ci.results.reports.sanitize import one_line
from kzram_ci.results.reports.table import printable

EXAMPLE = """\
example: kzram-ci history
         kzram-ci history 'unstable/*' --last 20
         kzram-ci history --plan overrun --json

The trail shows one letter a run, oldest first: . ok, F finding, i inconclusive, e error, s skipped.
flaky: how often ok and finding differ from their majority on the very same kernel (same key); errors and
inconclusive runs are no verdict and do not count.
"""
_LETTERS = {
    Verdict.OK: ".",
    Verdict.FINDING: "F",
    Verdict.INCONCLUSIVE: "i",
    Verdict.ERROR: "e",
    Verdict.SKIPPED: "s",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One cell of one plan over its runs. `flake_rate` is None without two verdicts on one kernel."""

    plan: str
    cell: str
    runs: int
    trail: str
    verdicts: dict[str, int]
    outcomes: dict[str, int]
    flake_rate: float | None
    last_run: str


def add_parser(subparsers: Any) -> None:
    """Add the command to the parser."""
    parser = subparsers.add_parser(
        "history",
        help="outcomes of cells over all recorded runs",
        description="Show for each cell what it did over all recorded runs, and how flaky it is.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("cell", nargs="?", default="", metavar="CELL", help="cell id or pattern (default: all)")
    parser.add_argument("--plan", default="", metavar="NAME", help="only runs of this plan")
    parser.add_argument("--last", type=int, default=0, metavar="N", help="only the newest N results of each cell")
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument("--database", type=Path, metavar="FILE", help="history file (default: in the cache)")
    parser.set_defaults(func=main)


def main(args: argparse.Namespace) -> int:
    """Read the history and print it."""
    history = History(path=args.database) if args.database else default_history()
    found = collect(history.records(plan=args.plan, cell=args.cell), last=args.last)
    if args.json:
        print(json.dumps([codec.to_json(line) for line in found], indent=2))
    elif found:
        sys.stdout.write(printable("\n".join(as_text(found)) + "\n", sys.stdout))
    else:
        print(f"nothing recorded in {history.path}")
    return 0


def collect(records: Sequence[Record], *, last: int = 0) -> tuple[Line, ...]:
    """Records, oldest first, to one line a cell; `last` > 0 keeps only that many of each."""
    cells: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        cells.setdefault((record.plan, record.result.id), []).append(record)
    return tuple(
        _line(plan, cell, group[-last:] if last > 0 else group) for (plan, cell), group in sorted(cells.items())
    )


def _line(plan: str, cell: str, group: Sequence[Record]) -> Line:
    judgements = [record.result.judgement for record in group]
    return Line(
        plan=plan,
        cell=cell,
        runs=len(group),
        trail="".join(_LETTERS[judgement.verdict] for judgement in judgements),
        verdicts=dict(Counter(str(judgement.verdict) for judgement in judgements)),
        outcomes=dict(Counter(str(judgement.outcome) for judgement in judgements)),
        flake_rate=flake_rate(group),
        last_run=group[-1].run,
    )


def flake_rate(group: Sequence[Record]) -> float | None:
    """Verdicts off the majority of their kernel key, over all verdicts on keys that have at least two."""
    keys: dict[str, Counter[Verdict]] = {}
    for record in group:
        if record.result.judgement.verdict in (Verdict.OK, Verdict.FINDING):
            keys.setdefault(record.result.kernel_key, Counter())[record.result.judgement.verdict] += 1
    repeated = [counts for counts in keys.values() if counts.total() > 1]
    total = sum(counts.total() for counts in repeated)
    return sum(counts.total() - max(counts.values()) for counts in repeated) / total if total else None


def as_text(found: Sequence[Line]) -> list[str]:
    """Aligned lines for people."""
    rows = [("plan", "cell", "runs", "flaky", "outcomes", "trail")]
    for line in found:
        outcomes = ", ".join(
            f"{count} {word}" for word, count in sorted(line.outcomes.items(), key=lambda item: -item[1])
        )
        flaky = "-" if line.flake_rate is None else f"{line.flake_rate:.0%}"
        rows.append((one_line(line.plan), one_line(line.cell), str(line.runs), flaky, outcomes, line.trail[-60:]))
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows]
