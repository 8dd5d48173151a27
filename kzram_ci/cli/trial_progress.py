"""Progress of a trial as plain lines: what it is on, every build, every boot."""

from __future__ import annotations

import sys

from kzram_ci.base import clock
from kzram_ci.cli.progress_state import say_seconds
from kzram_ci.model.events import BuildProgress, BuildStarted, Event, Note
from kzram_ci.results.reports.sanitize import one_line
from kzram_ci.results.reports.table import printable

_QUIET_SECONDS = 10.0


class Lines:
    """Writes to standard error; nothing when `quiet`."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet, self._began, self._told = quiet, clock.monotonic(), 0.0

    def tell(self, words: str) -> None:
        """One line."""
        if not self._quiet:
            passed = say_seconds(clock.monotonic() - self._began)
            sys.stderr.write(printable(f"[{passed:>7}] {one_line(words, 300)}\n", sys.stderr))
            sys.stderr.flush()

    def listen(self, event: Event) -> None:
        """Notes, and progress of builds that take long."""
        match event:
            case BuildStarted():
                self._told = clock.monotonic()
            case BuildProgress(done=done, total=total) if clock.monotonic() - self._told > _QUIET_SECONDS:
                self._told = clock.monotonic()
                self.tell(f"building: {done:,}{f' of about {total:,}' if total else ''} objects")
            case Note(subject=subject, text=words):
                self.tell(f"{subject}: {words}")
