"""The files a bisection leaves for people and programs, brought up to date together."""

from __future__ import annotations

from kzram_ci.base import files
from kzram_ci.bisect.reports import html, junit
from kzram_ci.bisect.reports.git_log import git_bisect_log
from kzram_ci.bisect.reports.view import view_of
from kzram_ci.bisect.session.store import Session

LOG, JUNIT, PAGE = "git-bisect.log", "junit.xml", "report.html"
FILES = (PAGE, JUNIT, LOG)


def log_text(session: Session) -> str:
    """What `git bisect replay` takes."""
    subjects = {commit.name: commit.subject for commit in session.asked.commits}
    return git_bisect_log(session.state(), subjects, session.facts.answer)


def write(session: Session) -> None:
    """Write report.html, junit.xml and git-bisect.log anew, each in one step. Raises InfraError (disk)."""
    view = view_of(session)
    files.write_atomic(session.path / LOG, log_text(session))
    files.write_atomic(session.path / JUNIT, junit.render(view))
    files.write_atomic(session.path / PAGE, html.render(view))
