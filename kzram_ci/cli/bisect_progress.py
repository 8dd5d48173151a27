"""Progress of a bisection as plain lines: what is asked next and why, every build, every boot."""

from __future__ import annotations

import sys

from kzram_ci.base import clock
from kzram_ci.bisect.session.store import Session
from kzram_ci.cli.progress import say_seconds
from kzram_ci.model.events import Event
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
        self.tell("", f"{size} commit{'' if size == 1 else 's'} in {directory}")
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
        if event.kind == "build-start":
            self._built = clock.monotonic()
        if event.kind == "note":
            self.tell("", f"{event.subject}: {event.text}")
        if event.kind == "build-progress" and clock.monotonic() - self._built > _BUILD_QUIET_SECONDS:
            self._built = clock.monotonic()
            of = f" of about {event.total:,}" if event.total else ""
            self.tell("", f"building: {event.done:,}{of} objects")
