"""A bisection as `kzram-ci bisect` prints it, for people and for programs, and its exit code. Pure."""

from __future__ import annotations

from typing import Any

from kzram_ci.bisect.belief.decide import Kind
from kzram_ci.bisect.reports.answer import answer_lines
from kzram_ci.bisect.reports.git_log import git_bisect_log
from kzram_ci.bisect.reports.model import FILES
from kzram_ci.bisect.reports.view import view_of
from kzram_ci.bisect.session.findings import Findings
from kzram_ci.model import codec
from kzram_ci.results.reports.sanitize import one_line

FOUND, NONE, OPEN, UNBUILT = 0, 1, 3, 4
_CODES = {
    Kind.CULPRIT: FOUND,
    Kind.SUSPECTS: OPEN,
    Kind.NONE: NONE,
    Kind.NOT_REPRODUCED: NONE,
    Kind.UNTESTABLE_END: OPEN,
}


def exit_code(findings: Findings) -> int:
    """The exit code of a bisection; OPEN while it has no answer."""
    answer = findings.facts.answer
    if answer is None:
        return OPEN
    if answer.kind is Kind.UNTESTABLE_END:
        build = findings.builds.get(answer.commits[0] if answer.commits else findings.bad)
        return UNBUILT if build is not None and build.failed else OPEN
    return _CODES[answer.kind]


def answer_text(findings: Findings, *, directory: str) -> list[str]:
    """The answer, and where the reports are."""
    files = " · ".join(f"{directory}/{name}" for name in FILES)
    return [one_line(line, 500) for line in (*answer_lines(findings), "", f"report: {files}")]


def log_text(findings: Findings) -> str:
    """What `git bisect replay` takes."""
    subjects = {name: commit.subject for name, commit in findings.commits.items()}
    return git_bisect_log(findings.standing, subjects, findings.facts.answer)


def status_text(findings: Findings, *, directory: str) -> list[str]:
    """How far a bisection is: the answer so far, and each commit that was looked at."""
    view = view_of(findings, name=directory)
    lines = [directory, *view.lines, *view.notes]
    for commit in view.visited():
        roles = f" [{', '.join(commit.roles)}]" if commit.roles else ""
        head = f"{commit.name[:12]} {commit.side or 'open':4} {commit.probability:6.1%}"
        lines.append(f"  {head} {one_line(commit.subject, 60)}{roles}: {commit.told}")
    return lines


def as_json(findings: Findings, *, directory: str) -> dict[str, Any]:
    """For programs."""
    view = view_of(findings, name=directory)
    answer, revert = findings.facts.answer, findings.facts.revert
    return {
        "directory": directory,
        "done": view.done,
        "answer": codec.to_json(answer) if answer is not None else None,
        "revert": codec.to_json(revert) if revert is not None else None,
        "wanted": view.wanted,
        "no_culprit": view.none,
        "lines": list(view.lines),
        "notes": list(view.notes),
        "commits": [
            {
                "commit": commit.name,
                "subject": commit.subject,
                "probability": commit.probability,
                "side": commit.side,
                "roles": list(commit.roles),
                "boots": {what: commit.count(what) for what in dict.fromkeys(boot.what for boot in commit.boots)},
                "build": commit.build,
            }
            for commit in view.visited()
        ],
    }
