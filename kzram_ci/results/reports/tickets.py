"""One issue for each finding of a run, by what makes findings the same: the signature of the crash. Pure.

An issue carries a mark that does not show, with the digest of that; so does each comment, with the name of its run. So
a finding never gets a second issue, and a run never a second comment, however often it is reported.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import field

from kzram_ci.base.digest import digest_bytes
from kzram_ci.base.units import say_count
from kzram_ci.base.values import dataclass
from kzram_ci.model.evidence import OopsSummary
from kzram_ci.model.outcome import Outcome, Verdict
from kzram_ci.results.reports import remarks
from kzram_ci.results.reports.sanitize import cut, one_line
from kzram_ci.results.reports.summary import escape, fence
from kzram_ci.results.reports.summary_model import CellView, RunView, crash_text
from kzram_ci.results.reports.tested import kernels_of, texts

TITLE_LIMIT = 200
TRACE_LIMIT = 20 << 10  # of 64 KiB that an issue may have
MOST_CELLS = 40
_MARK = re.compile(r"<!-- kzram-ci finding ([0-9a-f]{16}) -->")
_RUN = re.compile(r"<!-- kzram-ci run (\S+) -->")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """A finding: `key` is what makes it the same in another run; `body` opens an issue, `comment` adds to one."""

    key: str
    title: str
    body: str
    comment: str
    run: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """An issue that is there. `comments`: their texts, where they were asked for."""

    number: int
    open: bool
    body: str
    comments: tuple[str, ...] = field(default=())


def marks(text: str) -> frozenset[str]:
    """The finding that an issue's text is about: the last mark, since a guest may print one into what comes before."""
    return frozenset(_MARK.findall(text)[-1:])


def runs(texts: Sequence[str]) -> frozenset[str]:
    """The runs that texts tell of."""
    return frozenset(name for text in texts for name in _RUN.findall(text)[-1:])


def issue_of(ticket: Ticket, issues: Sequence[Issue]) -> Issue | None:
    """The issue of a finding: an open one, else the newest that was closed."""
    own = [issue for issue in issues if ticket.key in marks(issue.body)]
    return max(own, key=lambda issue: (issue.open, issue.number), default=None)


def tickets(view: RunView, link: str = "") -> tuple[Ticket, ...]:
    """The findings of a run, each crash once. `link`: where the run can be seen."""
    return tuple(_ticket(view, name, cells, link) for name, cells in _findings(view))


def _findings(view: RunView) -> Iterator[tuple[str, tuple[CellView, ...]]]:
    for group in view.crash_groups:
        found = tuple(cell for cell in group.cells if _is_finding(cell) and _crashed(cell))
        if found:
            yield group.signature, found
    for cell in view.cells:
        if _is_finding(cell) and not _crashed(cell):
            yield f"{cell.result.id}: {cell.result.judgement.outcome}", (cell,)


def _is_finding(cell: CellView) -> bool:
    return cell.result.judgement.verdict is Verdict.FINDING


def _crashed(cell: CellView) -> bool:
    return cell.result.judgement.outcome is Outcome.OOPS and cell.oops is not None


def _ticket(view: RunView, name: str, cells: Sequence[CellView], link: str) -> Ticket:
    first, key = cells[0], digest_bytes(name.encode("utf-8", "surrogatepass"))[:16]
    oops = first.oops if _crashed(first) else None
    what = oops.title if oops is not None else f"{first.result.id}: {first.result.judgement.reason}"
    told = "\n\n".join(part for part in _told(view, cells, link) if part)
    details = "\n\n".join(part for part in _details(view, name, first, oops) if part)
    run = f"<!-- kzram-ci run {re.sub(r'[^A-Za-z0-9._+-]', '-', view.name)} -->"
    return Ticket(
        key=key,
        title=one_line(what, TITLE_LIMIT),
        body=f"{told}\n\n{details}\n\n<!-- kzram-ci finding {key} -->\n{run}\n",
        comment=f"Seen again.\n\n{told}\n\n{run}\n",
        run=re.sub(r"[^A-Za-z0-9._+-]", "-", view.name),
    )


def _line(text: str, limit: int = 300) -> str:
    """One line that is shown literally, and mentions no account."""
    return escape(text, limit).replace("@", "@\u2060")


def _told(view: RunView, cells: Sequence[CellView], link: str) -> Iterator[str]:
    where = f"[{_line(view.name)}](<{link}>)" if link else _line(view.name)
    yield f"Plan {_line(view.plan)}, run {where}, {say_count(len(cells), 'cell')}:"
    lines = [f"* {_line(cell.result.id)}: {_line(cell.result.judgement.reason)}" for cell in cells[:MOST_CELLS]]
    more = len(cells) - MOST_CELLS
    yield "\n".join((*lines, *((f"* and {more:,} more",) if more > 0 else ())))
    kernels = {cell.result.kernel for cell in cells}
    tested = [(kernel, text) for kernel, text in texts(kernels_of(view)) if kernel in kernels]
    yield "\n".join(f"* {_line(kernel)}: {_line(text, 600)}" for kernel, text in tested)


def _details(view: RunView, name: str, cell: CellView, oops: OopsSummary | None) -> Iterator[str]:
    yield f"What makes it the same: {_line(name, 600)}"
    yield f"Again: `kzram-ci run {escape(view.plan)} --cell {cell.result.id}`" if "`" not in cell.result.id else ""
    if oops is None:
        return
    file, line = remarks.place(view, oops)
    yield f"At {_line(file)}:{line}" if file else ""
    if (blame := view.blame(oops)) is not None:
        yield fence("\n".join(blame.lines()))
    yield fence(cut(crash_text(oops), TRACE_LIMIT))
