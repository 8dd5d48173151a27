"""The job summary in Markdown (GitHub shows it on a run's page); also `summary.md`. Pure."""

from __future__ import annotations

import re
from urllib.parse import quote

from kzram_ci.model.layout import CellFile
from kzram_ci.model.outcome import Verdict
from kzram_ci.results.reports import controls, memory, points, summary_model
from kzram_ci.results.reports.sanitize import cut, one_line, visible
from kzram_ci.results.reports.summary_model import CellView, RunView
from kzram_ci.results.reports.tested import SHORT, kernels_of, series_text, source_text, tools_text
from kzram_ci.results.reports.wording import LEGEND, VERDICT_WORDS

OOPS_LIMIT = 6 << 10  # GitHub takes 1 MiB a summary; a plan has tens of cells
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>()#|!~&])")
_MARKS = {"ok": "✅", "FINDING": "❌", "INCONCLUSIVE": "❔", "ERROR": "⚠️"}


def escape(text: str, limit: int = 300) -> str:
    """One line that Markdown shows literally."""
    return _SPECIAL.sub(r"\\\1", one_line(text, limit))


def fence(text: str) -> str:
    """A code block that no run of backticks in the text can end."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    ticks = "`" * max(3, longest + 1)
    return f"{ticks}text\n{visible(text)}\n{ticks}"


def render(view: RunView) -> str:
    """The whole summary."""
    blocks = (
        _head(view),
        _controls(view),
        _since(view),
        _grid(view),
        _tested(view),
        _details(view),
        _points(view),
        _proofs(view),
        _crashes(view),
        _memory(view),
        _legend(),
    )
    return "\n\n".join(block for block in blocks if block) + "\n"


def _head(view: RunView) -> str:
    words = ", ".join(f"{count} {word}" for word, count in summary_model.totals(view).items())
    lines = [f"## {escape(view.plan)}: {words or 'no cells'}"]
    if view.description:
        lines.append(escape(view.description, 1000))
    facts = [f"{key}: {value}" for key, value in summary_model.facts(view).items()]
    lines.append(escape(" · ".join((f"run: {view.name}", *facts)), 2000))
    return "\n\n".join(lines)


def _controls(view: RunView) -> str:
    lines = []
    if failed := controls.failed(view):
        lines.append(f"> **{controls.FAILED}.**")
        lines += [f"> **{escape(line)}**" for line in failed]
    if unable := controls.unable(view):
        lines.append("> **Controls that could not run:**")
        lines += [f"> {escape(line)}" for line in unable]
    if missing := controls.missing(view):
        lines.append(f"> **Controls not run:** {escape(', '.join(missing), 1000)}")
    return "  \n".join(lines)


def _since(view: RunView) -> str:
    """What changed; one line where nothing did."""
    if view.since is None:
        return ""
    when = f"{view.since.run} ({view.since.recorded[:16].replace('T', ' ')})"
    if view.since.nothing:
        return escape(f"{view.since.lines[0]} since {when}")
    return "\n".join((f"### Since {escape(when)}", "", *(f"* {escape(line, 600)}" for line in view.since.lines)))


def _link(view_cell: CellView, name: str) -> str:
    path = f"{view_cell.result.directory}/{name}"
    return f"[{escape(name)}](<{quote(path, errors='backslashreplace')}>)" if path in view_cell.files else ""


def _cell(cell: CellView | None) -> str:
    if cell is None:
        return ""
    mark = _MARKS.get(VERDICT_WORDS[cell.result.judgement.verdict], "")
    parts = [f"{mark} **{escape(cell.word)}**".strip()]
    oops = cell.oops
    if oops is not None:
        parts.append(f"{escape(oops.title, 120)}")
    return "<br>".join(parts)


def _grid(view: RunView) -> str:
    if not view.cells:
        return ""
    columns = view.columns
    rows = [f"| kernel | {' | '.join(escape(name) for name in columns)} |", "|---" * (len(columns) + 1) + "|"]
    for kernel in view.kernels:
        rows.append(f"| **{escape(kernel)}** | {' | '.join(_cell(view.at(kernel, name)) for name in columns)} |")
    return "\n".join(rows)


def _tested(view: RunView) -> str:
    rows = ["| kernel | source | series | config | built by | key |", "|---|---|---|---|---|---|"]
    for item in kernels_of(view):
        columns = (
            escape(source_text(item)),
            escape(series_text(item), 600),
            escape(", ".join(item.config)),
            escape(tools_text(item)),
            escape(item.key[:SHORT] or "not built"),
        )
        rows.append(f"| **{escape(item.kernel)}** | {' | '.join(columns)} |")
    return "\n".join(("### What was tested", "", *rows)) if view.cells else ""


def _details(view: RunView) -> str:
    rows = ["| cell | verdict | why | exposure | files |", "|---|---|---|---|---|"]
    told: dict[str, str] = {}  # a cause that many cells share stands there once
    for cell in view.cells:
        word = cell.result.judgement
        first = told.setdefault(word.cause or word.reason, cell.result.id) if word.verdict is Verdict.ERROR else ""
        why = f"as {first}" if first not in ("", cell.result.id) else word.reason
        names = (CellFile.CONSOLE, CellFile.QEMU_ARGV, *(oops.file for oops in cell.result.evidence.oopses))
        links = (_link(cell, name) for name in names)
        control = " (control)" if cell.result.control else ""
        exposure, reached = escape(summary_model.exposure_text(cell)), " ".join(dict.fromkeys(filter(None, links)))
        rows.append(
            f"| {escape(cell.result.id)}{control} | {escape(cell.word)} | {escape(why)} | {exposure} | {reached} |"
        )
    return "\n".join(("### Cells", "", *rows)) if view.cells else ""


def _points(view: RunView) -> str:
    rows = [f"* {escape(cell.result.id)}: {escape(text)}" for cell in view.cells if (text := points.told(cell))]
    rows += [f"  * {escape(line, 600)}" for line in points.lines(view)]
    return "\n".join(("### Tests in the cells", "", *rows)) if rows else ""


def _proofs(view: RunView) -> str:
    lines = [
        f"* {escape(cell.result.id)}: {escape(proof)}"
        for cell in view.cells
        if (proof := summary_model.proof(view, cell))
    ]
    return "\n".join(("### What the passes prove", "", *lines)) if lines else ""


def _crashes(view: RunView) -> str:
    blocks = []
    for group in view.crash_groups:
        title = escape(group.oops.title)
        text = fence(cut(summary_model.crash_text(group.oops), OOPS_LIMIT))
        blocks.append(
            f"<details><summary>{len(group.cells)} x {title} ({escape(group.listed, 1000)})</summary>\n\n"
            f"signature {escape(group.signature)}\n\n{text}\n\n</details>"
        )
    return "\n\n".join(("### Crashes", *blocks)) if blocks else ""


def _memory(view: RunView) -> str:
    blocks = []
    for cell in view.cells:
        if lines := memory.text(cell.result):
            commands = (fence("\n".join(line.strip() for line in lines[1:])),) if lines[1:] else ()
            blocks.append("\n\n".join((f"* {escape(cell.result.id)}: {escape(lines[0])}", *commands)))
    return "\n".join(("### Memory", "", *blocks)) if blocks else ""


def _legend() -> str:
    return "\n".join(f"* **{word}**: {escape(meaning)}" for word, meaning in LEGEND)
