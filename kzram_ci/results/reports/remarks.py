"""What went wrong as workflow commands of GitHub: a line becomes a remark beside the code it names. Pure.

A crash is one remark, however many cells have it, at the line of the frame that it is named for where that is known.
Guest text is escaped, so that it cannot give commands of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from kzram_ci.base.units import say_count
from kzram_ci.model.evidence import OopsSummary
from kzram_ci.model.outcome import Outcome, Verdict
from kzram_ci.results.reports import controls
from kzram_ci.results.reports.sanitize import one_line
from kzram_ci.results.reports.summary_model import CellView, RunView

MOST = 10  # of each kind: GitHub shows no more of one step
_PLACE = re.compile(r"(?<![\w/.])([\w./-]+\.[chS]):(\d+)")


def lines(view: RunView) -> list[str]:
    """The commands: errors for findings, warnings for what has no verdict; more than GitHub shows are counted."""
    errors, warnings = list(_errors(view)), list(_warnings(view))
    return [*_shown("error", errors), *_shown("warning", warnings)]


def _errors(view: RunView) -> Iterator[str]:
    failed = controls.failed(view)
    if failed:
        yield command("error", f"{controls.FAILED}: {'; '.join(failed)}", title="controls failed")
    for group in view.crash_groups:
        found = [cell for cell in group.cells if _found(cell) and cell.result.judgement.outcome is Outcome.OOPS]
        if found:
            file, line = place(view, group.oops)
            names = ", ".join(cell.result.id for cell in found)
            title = f"{group.oops.title} ({say_count(len(found), 'cell')})"
            yield command("error", f"{group.oops.title} in {names}", title=title, file=file, line=line)
    for cell in view.cells:
        if _found(cell) and cell.result.judgement.outcome is not Outcome.OOPS:
            yield command("error", f"{cell.result.id}: {cell.result.judgement.reason}", title=_title(cell))


def _warnings(view: RunView) -> Iterator[str]:
    causes: dict[str, list[CellView]] = {}
    for cell in view.cells:
        if cell.result.judgement.verdict in (Verdict.ERROR, Verdict.INCONCLUSIVE):
            causes.setdefault(cell.result.judgement.cause or cell.result.judgement.reason, []).append(cell)
    for cause, cells in causes.items():
        names = ", ".join(cell.result.id for cell in cells)
        yield command("warning", f"{cause} ({names})", title=_title(cells[0]))


def _found(cell: CellView) -> bool:
    return cell.result.judgement.verdict is Verdict.FINDING


def _title(cell: CellView) -> str:
    return f"{cell.result.id}: {cell.word}"


def _shown(kind: str, found: list[str]) -> list[str]:
    if len(found) <= MOST:
        return found
    left = len(found) - MOST + 1
    return [*found[: MOST - 1], command(kind, f"and {left:,} more: see report.html", title=f"{left:,} more")]


def place(view: RunView, oops: OopsSummary) -> tuple[str, str]:
    """File and line of the frame that a crash is named for, as a tree says or as it was decoded; empty if neither."""
    blame = view.blame(oops)
    if blame is not None and blame.file:
        return blame.file, str(blame.line)
    for text in oops.decoded.splitlines():
        if oops.function and oops.function in text and (match := _PLACE.search(text)):
            return match[1], match[2]
    return "", ""


def command(kind: str, message: str, **properties: str) -> str:
    """`::error file=mm/zsmalloc.c,line=12,title=…::message`; properties that are empty are left out."""
    named = ((name, _property(value)) for name, value in properties.items())
    given = ",".join(f"{name}={value}" for name, value in named if value)
    return f"::{kind}{' ' + given if given else ''}::{_data(message)}"


def _data(text: str) -> str:
    return one_line(text, 900).replace("%", "%25")


def _property(text: str) -> str:
    return one_line(text, 200).replace("%", "%25").replace(":", "%3A").replace(",", "%2C")
