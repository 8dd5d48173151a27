"""The files a bisection leaves for people and programs, brought up to date together."""

from __future__ import annotations

from kzram_ci.base import files
from kzram_ci.bisect.reports import html, junit
from kzram_ci.bisect.reports.model import JUNIT, LOG, PAGE
from kzram_ci.bisect.reports.status import log_text
from kzram_ci.bisect.reports.view import view_of
from kzram_ci.bisect.session.store import Session


def write(session: Session) -> None:
    """Write report.html, junit.xml and git-bisect.log again, each in one step. Raises InfraError (disk)."""
    findings = session.findings
    view = view_of(findings, name=session.path.name)
    files.write_atomic(session.path / LOG, log_text(findings))
    files.write_atomic(session.path / JUNIT, junit.render(view))
    files.write_atomic(session.path / PAGE, html.render(view))
