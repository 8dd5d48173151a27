"""The run in KCIDB's words (I/O schema 5.0): checkouts, builds, tests, issues, incidents. Pure.

Nothing is sent anywhere: who wants to submit puts their own origin and file URLs in. Files of the run
directory have no URL, so they stand under `misc` rather than under `output_files`.
"""

from __future__ import annotations

import re
from typing import Any

from kzram_ci.model.outcome import KERNEL_OUTCOMES, Outcome, Verdict
from kzram_ci.results.reports import points, summary_model
from kzram_ci.results.reports.sanitize import cut, one_line
from kzram_ci.results.reports.summary_model import CellView, CrashGroup, RunView
from kzram_ci.results.reports.tested import Tested, kernel_of, properties, tools_text
from kzram_ci.verdict.exposure import all_counters, counted

ORIGIN = "kzram_ci"
VERSION = {"major": 5, "minor": 0}
EXCERPT_LIMIT = 16_000  # the schema allows 16,384 characters
_STATUS = {
    Verdict.OK: "PASS",
    Verdict.FINDING: "FAIL",
    Verdict.INCONCLUSIVE: "ERROR",  # the test ran without a result
    Verdict.ERROR: "MISS",  # the harness could not run it
    Verdict.SKIPPED: "SKIP",
}


def render(view: RunView) -> dict[str, Any]:
    """A KCIDB report as JSON-ready data."""
    tests = [test for cell in view.cells if _built(cell) for test in (_test(view, cell), *_points(view, cell))]
    groups = view.crash_groups
    return {
        "version": VERSION,
        "checkouts": [_checkout(view, kernel) for kernel in view.kernels],
        "builds": [_build(view, kernel) for kernel in view.kernels],
        "tests": tests,
        "issues": [_issue(group) for group in groups],
        "incidents": [_incident(view, group, cell) for group in groups for cell in group.cells],
    }


def _identifier(*parts: str) -> str:
    return f"{ORIGIN}:{':'.join(one_line(part) for part in parts)}"


def _path(*parts: str) -> str:
    """Dot-separated words of the few characters that the schema allows."""
    words = (re.sub(r"[^A-Za-z0-9_-]+", "_", part).strip("_") for part in parts)
    return ".".join(word for word in words if word)


def _filled(**fields: Any) -> dict[str, Any]:
    """The schema has no nulls and takes an absent field for "unknown"."""
    return {name: value for name, value in fields.items() if value not in (None, "", {}, [])}


def _built(cell: CellView) -> bool:
    return cell.result.judgement.outcome not in KERNEL_OUTCOMES


def _checkout(view: RunView, kernel: str) -> dict[str, Any]:
    outcomes = {cell.result.judgement.outcome for cell in view.of(kernel)}
    release = next((c.result.kernel_release for c in view.of(kernel) if c.result.kernel_release), "")
    known = Outcome.PATCH_FAILED in outcomes or release
    made = kernel_of(view, kernel)
    return _filled(
        id=_identifier(view.name, kernel),
        origin=ORIGIN,
        comment=one_line(f"{kernel} {release}".strip()),
        start_time=_time(view.started),
        valid=(Outcome.PATCH_FAILED not in outcomes) if known else None,
        git_repository_url=_public(made.source),
        git_commit_hash=made.commit if re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", made.commit) else None,
        misc=_filled(kernel=one_line(kernel), release=one_line(release), run=one_line(view.name), **_made_of(made)),
    )


def _public(source: str) -> str | None:
    """The URL of a git repository that others can reach; paths of this host say nothing to them."""
    match = re.fullmatch(r"git:(https?://[^@\s]+|git://[^@\s]+)(@\S*)?", source)
    return match[1] if match else None


def _made_of(made: Tested) -> dict[str, str]:
    return {name.removeprefix("kernel."): one_line(value, 1000) for name, value in properties(made).items()}


def _build(view: RunView, kernel: str) -> dict[str, Any]:
    cells = view.of(kernel)
    broken = next((c.result for c in cells if c.result.judgement.outcome in KERNEL_OUTCOMES), None)
    key = next((c.result.kernel_key for c in cells if c.result.kernel_key), "")
    status = "FAIL" if broken is not None else "PASS" if key else None
    return _filled(
        id=_identifier(view.name, kernel),
        checkout_id=_identifier(view.name, kernel),
        origin=ORIGIN,
        comment=one_line(broken.judgement.reason if broken is not None else kernel),
        compiler=one_line(tools_text(kernel_of(view, kernel)) or summary_model.facts(view).get("tools.gcc", "")),
        architecture=kernel_of(view, kernel).arch or None,
        config_name=one_line(kernel),
        start_time=_time(view.started),
        status=status,
        misc=_filled(kernel_key=key),
    )


def _test(view: RunView, cell: CellView) -> dict[str, Any]:
    result = cell.result
    trials = counted(result, summary_model.RECOMPRESSIONS)
    environment = _filled(comment=one_line(f"QEMU {result.accel}".strip()), misc={"accel": result.accel})
    excerpt = cell.oops.text if cell.oops is not None else cell.console_tail
    return _filled(
        id=_identifier(view.name, result.id),
        build_id=_identifier(view.name, result.kernel),
        origin=ORIGIN,
        environment=environment,
        path=_path("kzram", result.test, *(f"{name}-{value}" for name, value in result.axes)),
        comment=one_line(result.judgement.reason),
        log_excerpt=cut(excerpt, EXCERPT_LIMIT, tail=cell.oops is None),
        status=_STATUS[result.judgement.verdict],
        start_time=_time(result.started),
        duration=result.seconds or None,
        number=None if trials is None else {"value": trials, "unit": summary_model.RECOMPRESSIONS},
        misc=_filled(
            outcome=str(result.judgement.outcome),
            control=result.control,
            expected=result.expected,
            seed=result.seed,
            counters=all_counters(result),
            files=list(cell.files),
        ),
    )


def _points(view: RunView, cell: CellView) -> list[dict[str, Any]]:
    """The tests that a cell told of, below it."""
    result = cell.result
    axes = (f"{name}-{value}" for name, value in result.axes)
    above = _path("kzram", result.test, *axes)
    return [
        _filled(
            id=_identifier(view.name, result.id, str(number)),
            build_id=_identifier(view.name, result.kernel),
            origin=ORIGIN,
            path=f"{above}.{_path(*point.name.split(' / ')) or number}",
            comment=one_line(f"{point.name}: {point.reason}" if point.reason else point.name),
            log_excerpt=cut(point.output, EXCERPT_LIMIT, tail=True),
            status=points.kcidb_status(point),
            start_time=_time(result.started),
            misc={"ending": str(point.status)},
        )
        for number, point in enumerate(result.evidence.points, start=1)
    ]


def _issue(group: CrashGroup) -> dict[str, Any]:
    return _filled(
        id=_identifier(group.signature),
        version=1,
        origin=ORIGIN,
        report_subject=one_line(group.oops.title),
        culprit={"code": True},
        comment=one_line(group.oops.title),
        misc=_filled(type=group.oops.type, function=group.oops.function, frames=list(group.oops.frames)),
    )


def _incident(view: RunView, group: CrashGroup, cell: CellView) -> dict[str, Any]:
    return _filled(
        id=_identifier(view.name, cell.result.id, group.signature),
        origin=ORIGIN,
        issue_id=_identifier(group.signature),
        issue_version=1,
        test_id=_identifier(view.name, cell.result.id),
        present=True,
    )


def _time(stamp: str) -> str | None:
    """RFC 3339 as the schema wants it; our own stamps already are."""
    return stamp if re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", stamp) else None
