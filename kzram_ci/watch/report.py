"""A report as text, and as a mail (RFC 5322). Pure."""

from __future__ import annotations

from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from kzram_ci.base.units import say_count
from kzram_ci.results.reports.sanitize import one_line, visible
from kzram_ci.watch.model import Report

SHORT = 12


def subject(report: Report) -> str:
    """One line: where, what, who."""
    first = report.found[0]
    more = len(report.found) - 1
    where = f"[{report.plan}] {report.branch} {report.commit[:SHORT]}"
    return one_line(f"{where}: {first.title} in {first.cell}" + (f" and {more} more" if more else ""), 200)


def text(report: Report) -> str:
    """The whole report for people."""
    lines = [
        f"{say_count(len(report.found), 'new finding')} of the plan {report.plan}",
        "",
        f"branch:     {report.branch} of {report.repository}",
        f"commit:     {report.commit}",
        f"last good:  {report.last_good or 'none is known'}",
        f"run:        {report.run}",
        "",
    ]
    for one in report.found:
        lines += [f"* {one.cell}: {one.outcome}: {one.title}"]
        lines += [f"  signature: {one.signature}"] if one.signature else []
        lines += [f"  open:      {report.run}/{one.file}"] if one.file else []
    lines += ["", *_bisection(report)]
    return "".join(f"{one_line(line, 1000)}\n" for line in lines)


def _bisection(report: Report) -> list[str]:
    answer = report.bisected
    if answer.why_not:
        return [f"not bisected: {answer.why_not}"]
    head = f"bisected between {report.last_good[:SHORT]} and {report.commit[:SHORT]}: {answer.directory}"
    found = [f"  culprit: {answer.commit} ({answer.subject})"] if answer.commit else []
    return [head, *found, *(f"  {line}" for line in answer.lines if line)]


def mail(report: Report, *, sender: str, to: str) -> bytes:
    """The report as a message: whatever sends mail takes it from its file."""
    made = EmailMessage(policy=SMTP)
    made["From"], made["To"] = sender, to
    made["Subject"] = visible(subject(report))
    made["Date"] = format_datetime(datetime.fromisoformat(report.when))
    made["Message-ID"] = f"<{report.id}@kzram-ci.invalid>"
    made["Auto-Submitted"] = "auto-generated"  # RFC 3834: no automatic answer comes
    made.set_content(text(report))
    return made.as_bytes()
