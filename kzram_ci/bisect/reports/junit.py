"""JUnit XML of a bisection: a case a commit visited. Pure.

A bad commit is a failure, one that cannot be tested is skipped, one whose side is open an error.
"""

from __future__ import annotations

from typing import Any

from kzram_ci.bisect.reports.model import BisectView, CommitView
from kzram_ci.results.reports.junit import as_text
from kzram_ci.results.reports.sanitize import one_line, visible

MESSAGE_LIMIT = 500


def render(view: BisectView) -> str:
    """The whole file as text, with declaration."""
    from junit_xml import TestSuite

    properties = {one_line(name): one_line(value, MESSAGE_LIMIT) for name, value in view.facts}
    cases = [_case(view, commit) for commit in view.visited()]
    suite = TestSuite(one_line(f"bisect {view.plan}"), cases, properties=properties)
    return as_text([suite], name=one_line(view.name))


def _case(view: BisectView, commit: CommitView) -> Any:
    from junit_xml import TestCase

    case = TestCase(
        one_line(f"{commit.name[:12]} {commit.subject}", 160) or "unnamed",
        classname=one_line(f"bisect.{view.plan}"),
        elapsed_sec=sum(boot.seconds for boot in commit.boots),
        stdout=_stdout(commit),
    )
    message = one_line(f"{', '.join(commit.roles) or commit.side}: {commit.told}", MESSAGE_LIMIT)
    if commit.side == "bad":
        crash = next((boot for boot in commit.boots if boot.what == "crash"), None)
        kind = one_line(crash.text) if crash is not None else "bad"
        case.add_failure_info(message=message, output=_stdout(commit), failure_type=kind)
    elif commit.side == "skip":
        case.add_skipped_info(message=message)
    elif commit.side != "good":
        case.add_error_info(message=f"its side is open: {commit.told}", output=_stdout(commit), error_type="open")
    return case


def _stdout(commit: CommitView) -> str:
    lines = [f"probability of being the culprit: {commit.probability:.4f}"]
    lines += [f"kernel: {commit.build}"] if commit.build else []
    lines += [f"the same bytes as {commit.twin}"] if commit.twin else []
    lines += [
        f"boot {boot.number}: {boot.what}: {one_line(boot.text)} ({boot.seconds:.1f} s) {boot.directory}"
        for boot in commit.boots
    ]
    return visible("\n".join(lines))
