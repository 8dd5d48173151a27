"""The table at the end of a run: kernels down, tests across, then crashes, proofs and paths. Pure.

On a terminal rich draws it; piped, the same facts come as plain lines that grep and diff like.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import IO, Any

from kzram_ci.base.units import say_count
from kzram_ci.results.reports import summary_model
from kzram_ci.results.reports.sanitize import one_line
from kzram_ci.results.reports.summary_model import CellView, RunView
from kzram_ci.verdict.exposure import OVERRUNS

_STYLES = {"ok": "green", "FINDING": "bold red", "INCONCLUSIVE": "yellow", "ERROR": "magenta", "skipped": "dim"}
CONTROLS_FAILED = "CONTROLS FAILED: this run cannot separate a good kernel from a bad one"


def show(view: RunView, stream: IO[str], *, root: str = "", files: Sequence[str] = ()) -> None:
    """Write the table to a stream. `root` is put before paths of crashes; `files` are named at the end."""
    if stream.isatty():
        _show_rich(view, stream, root, files)
    else:
        stream.write(printable(plain(view, root=root, files=files), stream))


def printable(text: str, stream: IO[str]) -> str:
    """The text with what the stream's encoding lacks escaped, so that an ASCII locale does not raise."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def plain(view: RunView, *, root: str = "", files: Sequence[str] = ()) -> str:
    """The table as aligned plain text, followed by one line a cell."""
    lines = [*control_lines(view)]
    rows = [("kernel", *view.columns)]
    rows += [(kernel, *(_word(view.at(kernel, name)) for name in view.columns)) for kernel in view.kernels]
    rows = [tuple(one_line(text, 60) for text in row) for row in rows]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines += ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    lines.append("")
    lines += [f"{cell.result.id}: {cell.word}: {_why(cell)}" for cell in view.cells]
    sections = (crash_lines(view, root), proof_lines(view), legend_lines(), _tail_lines(view, files))
    for section in sections:
        lines += ["", *section] if section else []
    return "\n".join(lines) + "\n"


def _word(cell: CellView | None) -> str:
    if cell is None:
        return "-"
    return cell.word + (" (control)" if cell.result.control else "")


def _why(cell: CellView) -> str:
    retried = cell.result.boot_failures
    note = f" ({retried} boot{'s' if retried > 1 else ''} failed before)" if retried else ""
    return one_line(cell.result.judgement.reason, 300) + note


def control_lines(view: RunView) -> list[str]:
    """What comes before anything else: controls that failed, or never ran."""
    lines = []
    if failed := summary_model.failed_controls(view):
        lines += [CONTROLS_FAILED, *(f"  {line}" for line in failed), ""]
    if missing := summary_model.missing_controls(view):
        lines += [f"controls not run: {one_line(', '.join(missing), 300)}", ""]
    return lines


def crash_lines(view: RunView, root: str = "") -> list[str]:
    """One line a crash: cell, title, function, where the text is; equal signatures follow each other."""
    lines = []
    for group in view.crash_groups:
        for cell in group.cells:
            oops = cell.oops or group.oops
            where = summary_model.oops_path(cell, oops)
            function = f" in {oops.function}" if oops.function and oops.function not in oops.title else ""
            text = one_line(f"{oops.title}{function}", 200)
            lines.append(f"crash {cell.result.id}: {text}: {f'{root}/{where}' if root else where}")
        if len(group.cells) > 1:
            lines.append(f"  same crash in {len(group.cells)} cells: {one_line(group.signature)}")
    return lines


def proof_lines(view: RunView) -> list[str]:
    """What each proved pass proves."""
    return [f"proof {cell.result.id}: {proof}" for cell in view.cells if (proof := summary_model.proof(view, cell))]


def legend_lines() -> list[str]:
    """The meaning of the words."""
    return [f"{word}: {meaning}" for word, meaning in summary_model.LEGEND]


def _tail_lines(view: RunView, files: Sequence[str]) -> list[str]:
    words = ", ".join(f"{count} {word}" for word, count in summary_model.totals(view).items())
    groups = view.crash_groups
    crashed, ways = sum(len(group.cells) for group in groups), say_count(len(groups), "way")
    crashes = f"; {crashed} crashed in {ways}" if crashed > 1 else ""
    return [f"{say_count(len(view.cells), 'cell')}: {words or 'none'}{crashes}", *files]


def _show_rich(view: RunView, stream: IO[str], root: str, files: Sequence[str]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(file=stream, highlight=False, soft_wrap=False)
    for line in control_lines(view):
        console.print(Text(line, style="bold red"), soft_wrap=True)
    table = Table(title=Text(one_line(view.plan)), title_justify="left", show_lines=True)
    table.add_column("kernel", style="bold", overflow="fold")
    for name in view.columns:
        table.add_column(Text(one_line(name)), overflow="fold")
    for kernel in view.kernels:
        table.add_row(Text(one_line(kernel)), *(_rich_cell(view.at(kernel, name)) for name in view.columns))
    console.print(table)
    sections = (crash_lines(view, root), proof_lines(view), legend_lines(), _tail_lines(view, files))
    for lines, style in zip(sections, ("red", "", "dim", "bold"), strict=True):
        for line in lines:
            console.print(Text(line, style=style), soft_wrap=True)  # whole paths stay clickable and copyable


def _rich_cell(cell: CellView | None) -> Any:
    from rich.text import Text

    if cell is None:
        return Text("-", style="dim")
    style = _STYLES[summary_model.VERDICT_WORDS[cell.result.judgement.verdict]] if cell.word != "not run" else "dim"
    text = Text(_word(cell), style=style)
    for line in _facts(cell):
        text.append(f"\n{line}", style="dim")
    return text


def _facts(cell: CellView) -> list[str]:
    """What stands under the word: the crash, or the reason when it is not ok, and the counters that count."""
    oops = cell.oops
    lines = [one_line(oops.function or oops.title, 60)] if oops is not None else []
    if oops is None and not cell.word.startswith(("ok", "not run")):
        lines.append(one_line(cell.result.judgement.reason, 120))
    wanted = {summary_model.RECOMPRESSIONS, OVERRUNS, "grew", *(name for name, _ in cell.floors)}
    shown = [(name, value) for name, value, _ in summary_model.counters(cell) if name in wanted and value is not None]
    return lines + [f"{value:,} {name}" for name, value in shown]
