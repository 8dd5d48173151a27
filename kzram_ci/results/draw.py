"""The reports of a run directory, drawn from what is recorded: every few seconds while it runs, and at its end."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from kzram_ci.base import clock, files
from kzram_ci.base.errors import KzramError
from kzram_ci.base.spans import span
from kzram_ci.model.again import base_id
from kzram_ci.model.layout import CellFile, RunFile
from kzram_ci.results.cell_files import shown, tail
from kzram_ci.results.history import History
from kzram_ci.results.last_good import LastGood, last_good
from kzram_ci.results.past import changes_of
from kzram_ci.results.reports import html, junit, kcidb, ktap, summary
from kzram_ci.results.reports.sanitize import decode
from kzram_ci.results.reports.summary_model import CellView, RunView, make_view
from kzram_ci.results.rundir import RunDir

DRAW_SECONDS = 3.0  # between two drawings, at least
SHARE = 20  # and this many times what the last one took: drawing costs a twentieth of a processor at most
END_SECONDS = 60.0
TAIL_BYTES = 8 << 10


@dataclass(slots=True, kw_only=True)
class Reports:
    """Draws the reports of one run; what lies on disk of a finished cell is read once.

    With a history the page shows what changed since the last good run of the plan.
    """

    run: RunDir
    history: History | None = None
    _seen: dict[str, CellView] = field(default_factory=dict)
    _drawn: int = -1
    _good: tuple[LastGood | None, ...] = ()  # asked once

    def view(self) -> RunView:
        """What reports show of the run now. Cells that still run show no files: those are not evidence yet."""
        finished = self.run.finished()
        view = make_view(
            self.run.plan,
            self.run.results(),
            name=self.run.path.name,
            started=_started(self.run.path.name),
            environment=self.run.environment,
            blames=self.run.blames(),
        )
        cells = tuple(self._with_files(cell) if cell.result.id in finished else cell for cell in view.cells)
        return replace(view, cells=cells)

    def _with_files(self, cell: CellView) -> CellView:
        if (known := self._seen.get(cell.result.id)) is None:
            place = self.run.layout.at(cell.result.directory)
            names = sorted(path.name for path in place.path.iterdir() if path.is_file()) if place.path.is_dir() else []
            known = replace(
                cell,
                files=tuple(f"{cell.result.directory}/{name}" for name in names),
                console_tail=decode(tail(place.file(CellFile.CONSOLE), TAIL_BYTES)),
                shown=shown(place),
            )
            self._seen[cell.result.id] = known
        return known

    def seen_with_past(self) -> RunView:
        """The view, with what changed since the last good run, where there is one."""
        return self._with_past(self.view())

    def draw(self) -> None:
        """Write all REPORTS again, each in one step. Raises InfraError."""
        revision, file = self.run.revision, self.run.layout.file
        with span("draw the reports", "report"):
            view = self.seen_with_past()
            with span("junit.xml", "report"):
                files.write_atomic(file(RunFile.JUNIT), junit.render(view))
            with span("summary.md", "report"):
                files.write_atomic(file(RunFile.SUMMARY), summary.render(view))
            with span("kcidb.json", "report"):
                files.write_json(file(RunFile.KCIDB), kcidb.render(view))
            with span("results.ktap", "report"):
                files.write_atomic(file(RunFile.KTAP), ktap.render(view))
            with span("report.html", "report"):
                page = html.render(view) if self.run.finished() else html.newborn(view)
                files.write_atomic(file(RunFile.HTML), page)
        self._drawn = revision

    def _with_past(self, view: RunView) -> RunView:
        if self.history is None:
            return view
        if not self._good:
            cells = {base_id(cell.id) for cell in self.run.plan.cells}
            self._good = (last_good(self.history, self.run.plan.name, self.run.path.name, len(cells)),)
        (good,) = self._good
        finished = self.run.finished()
        now = [result for result in self.run.results() if result.id in finished]
        if good is None or not now:
            return view
        try:
            changes = changes_of(good.of(now), now, self.history, names=(good.record.run, self.run.path.name))
        except KzramError:  # a history that cannot be read: reports do not depend on it
            return view
        return replace(view, since=good.since(now, changes))

    @property
    def stale(self) -> bool:
        """Whether something is recorded that the reports do not show."""
        return self._drawn != self.run.revision

    @contextmanager
    def kept_up(self) -> Iterator[None]:
        """Draw now, every few seconds, and at the end, however it ends. Raises InfraError (disk)."""
        self.draw()
        over = threading.Event()
        artist = threading.Thread(target=self._draw_until, args=(over,), name="draw", daemon=True)
        artist.start()
        try:
            yield
        finally:
            over.set()
            artist.join(END_SECONDS)
            self.draw()

    def _draw_until(self, over: threading.Event) -> None:
        pause = DRAW_SECONDS
        while not over.wait(pause):
            if not self.stale:
                continue
            began = clock.monotonic()
            try:
                self.draw()
            except KzramError:
                continue  # a full disk is reported when results are recorded, and by the last drawing
            finally:
                pause = max(DRAW_SECONDS, SHARE * (clock.monotonic() - began))


def _started(name: str) -> str:
    """ISO 8601 from the directory's name; empty when it was renamed."""
    match = re.match(r"(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z-", name)
    return "{}-{}-{}T{}:{}:{}+00:00".format(*match.groups()) if match else ""
