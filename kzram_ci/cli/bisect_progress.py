"""Progress of a bisection as plain lines: what is asked next and why, every build, every boot."""

from __future__ import annotations

import sys

from kzram_ci.base import clock
from kzram_ci.base.units import say_count
from kzram_ci.bisect.session.store import Session
from kzram_ci.cli.progress_state import say_seconds
from kzram_ci.model.events import BuildProgress, BuildStarted, Event, Note
from kzram_ci.results.reports.sanitize import one_line
from kzram_ci.results.reports.table import printable

_BUILD_QUIET_SECONDS = 10.0


class Lines:
    """Writes to standard error; nothing when `quiet`."""

    def __init__(self, session: Session, *, quiet: bool) -> None:
        self._session, self._quiet = session, quiet
        self._began, self._built = clock.monotonic(), 0.0

    def begin(self, directory: str) -> None:
        """What is searched, where, and for what."""
        size = self._session.start.graph.candidates
        self.tell("", f"{say_count(size, 'commit')} in {directory}")
        if self._session.asked.note:
            self.tell("", self._session.asked.note)

    def tell(self, subject: str, text: str) -> None:
        """A line about a commit, or about all."""
        if self._quiet:
            return
        commit = self._session.findings.commit(subject)
        name = f"{subject[:12]} {one_line(commit.subject, 50)}".strip()
        line = one_line(f"{name}: {text}" if subject else text, 300)
        passed = clock.monotonic() - self._began
        sys.stderr.write(printable(f"[{say_seconds(passed):>7}] {line}\n", sys.stderr))
        sys.stderr.flush()

    def listen(self, event: Event) -> None:
        """Notes and progress of builds; boots have lines of their own."""
        match event:
            case BuildStarted():
                self._built = clock.monotonic()
            case BuildProgress(done=done, total=total) if clock.monotonic() - self._built > _BUILD_QUIET_SECONDS:
                self._built = clock.monotonic()
                self.tell("", f"building: {done:,}{f' of about {total:,}' if total else ''} objects")
            case Note(subject=subject, text=text):
                self.tell("", f"{subject}: {text}")
