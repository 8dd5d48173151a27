"""The table at the end of a run: kernels down, tests across, then what was tested, crashes, proofs and paths. Pure.

On a terminal rich draws it, as a list where the terminal is narrow; piped, the same facts come as plain lines that
grep and diff like.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import IO, Any, Protocol

from kzram_ci.base.units import say_count
from kzram_ci.model.outcome import Outcome, Verdict
from kzram_ci.results.reports import controls, points, summary_model
from kzram_ci.results.reports.sanitize import one_line
from kzram_ci.results.reports.summary_model import CellView, RunView
from kzram_ci.results.reports.tested import kernels_of, texts
from kzram_ci.results.reports.wording import LEGEND, VERDICT_WORDS
from kzram_ci.verdict.exposure import OVERRUNS

NARROW = 100  # columns; below, a grid would break words
_STYLES = {"ok": "green", "FINDING": "bold red", "INCONCLUSIVE": "yellow", "ERROR": "magenta", "skipped": "dim"}


class Screen(Protocol):
    """A terminal."""

    @property
    def width(self) -> int:
        """Columns."""

    @property
    def styled(self) -> bool:
        """Whether it takes colours."""


def show(
    view: RunView, stream: IO[str], *, screen: Screen | None = None, root: str = "", files: Sequence[str] = ()
) -> None:
    """Write the table to a stream, which is a terminal if there is a `screen`.

    `root` is put before paths of crashes; `files` are named at the end.
    """
    if screen is not None and screen.styled:
        _show_rich(view, stream, screen.width, root, files)
        return
    width = None if screen is None else screen.width
    stream.write(printable(plain(view, width=width, root=root, files=files), stream))


def printable(text: str, stream: IO[str]) -> str:
    """The text with what the stream's encoding lacks escaped, so that an ASCII locale does not raise."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def plain(view: RunView, *, width: int | None = None, root: str = "", files: Sequence[str] = ()) -> str:
    """The table as aligned plain text, followed by one line a cell. `width`: of the terminal, if it is one."""
    grid = _grid(view)
    lines = control_lines(view)
    if width is None or _fits(grid, width):
        widths = [max(len(row[i]) for row in grid) for i in range(len(grid[0]))]
        lines += ["  ".join(text.ljust(size) for text, size in zip(row, widths, strict=True)).rstrip() for row in grid]
    else:
        lines += [f"{'  ' * depth}{text}" for depth, text, _ in _as_list(view)]
    sections = (
        reason_lines(view),
        points.lines(view),
        tested_lines(view),
        crash_lines(view, root),
        proof_lines(view),
        legend_lines(),
        _tail_lines(view, files),
    )
    for section in sections:
        lines += ["", *section] if section else []
    return "\n".join(lines) + "\n"


def _grid(view: RunView) -> list[tuple[str, ...]]:
    rows = [("kernel", *view.columns)]
    rows += [(kernel, *(_word(view.at(kernel, name)) for name in view.columns)) for kernel in view.kernels]
    return [tuple(one_line(text, 60) for text in row) for row in rows]


def _fits(grid: Sequence[Sequence[str]], width: int) -> bool:
    """Whether a terminal shows a grid without breaking a word."""
    needed = sum(_longest_word(row[i] for row in grid) + 3 for i in range(len(grid[0]))) + 1
    return width >= max(NARROW, needed)


def _longest_word(texts: Iterator[str]) -> int:
    return max((len(word) for text in texts for word in text.split()), default=0)


def _as_list(view: RunView) -> Iterator[tuple[int, str, str]]:
    """(depth, text, style): each kernel, below it its cells, below those what counts."""
    for kernel in view.kernels:
        yield 0, one_line(kernel), "bold"
        for cell in view.of(kernel):
            yield 1, f"{one_line(cell.column)}: {_word(cell)}", _style(cell)
            for fact in _facts(cell):
                yield 2, fact, "dim"


def _word(cell: CellView | None) -> str:
    if cell is None:
        return "-"
    return cell.word + (" (control)" if cell.result.control else "")


def _style(cell: CellView) -> str:
    judgement = cell.result.judgement
    return "dim" if judgement.outcome is Outcome.NOT_RUN else _STYLES[VERDICT_WORDS[judgement.verdict]]


def reason_lines(view: RunView, *, good: bool = True) -> list[str]:
    """A line a cell with its reason; cells without a verdict that share a cause share a line. `good`: ok ones too."""
    alike: dict[tuple[str, str], list[CellView]] = {}
    for cell in view.cells:
        verdict = cell.result.judgement.verdict
        if verdict is Verdict.OK and not good:
            continue
        alone = cell.result.id if verdict not in (Verdict.ERROR, Verdict.SKIPPED) else ""
        alike.setdefault((alone, f"{cell.word}: {cell.result.judgement.cause or _why(cell)}"), []).append(cell)
    lines = []
    for cells in alike.values():
        word, why = cells[0].word, _why(cells[0])
        lines.append(f"{summary_model.listed(cells)}: {word}" + (f": {why}" if why != word else ""))
    return lines


def _why(cell: CellView) -> str:
    retried = cell.result.boot_failures
    note = f" ({say_count(retried, 'boot')} failed before)" if retried else ""
    return one_line(cell.result.judgement.reason.removeprefix("as expected: "), 300) + note


def control_lines(view: RunView) -> list[str]:
    """What comes before anything else: controls that failed, could not run, or did not run."""
    lines = []
    if failed := controls.failed(view):
        lines += [controls.FAILED, *(f"  {line}" for line in failed), ""]
    if unable := controls.unable(view):
        lines += ["controls that could not run:", *(f"  {line}" for line in unable), ""]
    if missing := controls.missing(view):
        lines += [f"controls not run: {one_line(', '.join(missing), 300)}", ""]
    return lines


def tested_lines(view: RunView) -> list[str]:
    """What each kernel was made of."""
    return [f"tested {one_line(kernel)}: {text}" for kernel, text in texts(kernels_of(view))]


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
    return [f"{word}: {meaning}" for word, meaning in LEGEND]


def since_lines(view: RunView, files: Sequence[str]) -> list[str]:
    """What changed since the last good run, and what to open; one line where nothing did."""
    if (since := view.since) is None:
        return []
    when = f"{since.run} ({since.recorded[:16].replace('T', ' ')})"
    left = summary_model.totals(view).get("not run", 0)
    not_run = f"; {say_count(left, 'cell')} not run" if left else ""
    if since.nothing:
        return [f"{since.lines[0]} since {when}{not_run}"]
    return [f"since {when}{not_run}:", *(f"  {line}" for line in since.lines), *files]


def _tail_lines(view: RunView, files: Sequence[str]) -> list[str]:
    words = ", ".join(f"{count} {word}" for word, count in summary_model.totals(view).items())
    groups = view.crash_groups
    crashed, ways = sum(len(group.cells) for group in groups), say_count(len(groups), "way")
    crashes = f"; {crashed} crashed in {ways}" if crashed > 1 else ""
    return [f"{say_count(len(view.cells), 'cell')}: {words or 'none'}{crashes}", *files]


def _show_rich(view: RunView, stream: IO[str], width: int, root: str, files: Sequence[str]) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(file=stream, highlight=False, soft_wrap=False, width=width, force_terminal=True)
    for line in control_lines(view):
        console.print(Text(line, style="bold red"), soft_wrap=True)
    if _fits(_grid(view), width):
        console.print(_rich_table(view))
    else:
        console.print(Text(one_line(view.plan), style="italic"))
        for depth, text, style in _as_list(view):
            console.print(Text(f"{'  ' * depth}{text}", style=style), soft_wrap=True)
    sections = (
        (reason_lines(view, good=False), "yellow"),
        (points.lines(view), "yellow"),
        (tested_lines(view), ""),
        (crash_lines(view, root), "red"),
        (proof_lines(view), ""),
        (legend_lines(), "dim"),
        (_tail_lines(view, files), "bold"),
    )
    for lines, style in sections:
        for line in lines:
            console.print(Text(line, style=style), soft_wrap=True)  # whole paths stay clickable and copyable


def _rich_table(view: RunView) -> Any:
    from rich.table import Table
    from rich.text import Text

    grid = _grid(view)
    table = Table(title=Text(one_line(view.plan)), title_justify="left", show_lines=True)
    for i, name in enumerate(grid[0]):
        least = _longest_word(row[i] for row in grid)
        table.add_column(Text(name), style="bold" if i == 0 else "", overflow="fold", min_width=least)
    for kernel in view.kernels:
        table.add_row(Text(one_line(kernel, 60)), *(_rich_cell(view.at(kernel, name)) for name in view.columns))
    return table


def _rich_cell(cell: CellView | None) -> Any:
    from rich.text import Text

    if cell is None:
        return Text("-", style="dim")
    text = Text(_word(cell), style=_style(cell))
    for line in _facts(cell):
        text.append(f"\n{line}", style="dim")
    return text


def _facts(cell: CellView) -> list[str]:
    """What stands under the word: where it crashed, and the counters that count. Reasons stand below the table."""
    oops = cell.oops
    lines = [one_line(oops.function or oops.title, 60)] if oops is not None else []
    wanted = {summary_model.RECOMPRESSIONS, OVERRUNS, "grew", *(name for name, _ in cell.floors)}
    shown = [(name, value) for name, value, _ in summary_model.counters(cell) if name in wanted and value is not None]
    return lines + [f"{value:,} {name}" for name, value in shown]
