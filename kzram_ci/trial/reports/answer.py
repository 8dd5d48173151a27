"""The answer for programs: an exit code, JSON, and the array of checks that b4 reads. Pure."""

from __future__ import annotations

from typing import Any

from kzram_ci.model import codec
from kzram_ci.trial.costs import costs_of
from kzram_ci.trial.decide import Answer
from kzram_ci.trial.findings import Findings, Tested, fixing_patch
from kzram_ci.trial.reports.text import headline, report, side_text
from kzram_ci.trial.seen import Seen

EXIT = {Answer.FIXED: 0, Answer.NOT_FIXED: 1, Answer.CANNOT_SAY: 3, Answer.NOTHING_NEW: 3}
TOOL = "kzram-ci"
_B4 = {Answer.FIXED: "pass", Answer.NOT_FIXED: "fail", Answer.CANNOT_SAY: "warn", Answer.NOTHING_NEW: "warn"}


def exit_code(found: Findings) -> int:
    """0 fixed, 1 not fixed or something new, 3 cannot say."""
    return 3 if found.answer is None else EXIT[found.answer]


def as_json(found: Findings, *, directory: str) -> dict[str, Any]:
    """Everything, for programs."""
    asked = found.asked
    return {
        "answer": str(found.answer) if found.answer is not None else None,
        "why": found.why,
        "exit_code": exit_code(found),
        "directory": directory,
        "series": {
            "title": asked.posted.title,
            "version": asked.posted.version,
            "message_id": asked.posted.parent.message_id,
            "link": asked.posted.link,
            "base_commit": asked.posted.base_commit,
            "patches": [patch.name for patch in asked.posted.patches],
        },
        "luck": asked.settings.luck,
        "notes": list(asked.notes),
        "kernels": [codec.to_json(build) for build in sorted(found.facts.builds, key=lambda build: build.patches)],
        "tests": [_test(found, test) for test in found.tests],
        "new": [_other(other) for other in found.new],
        "not_counted": [_other(other) for other in found.others if not other.new],
        "prefixes": [codec.to_json(prefix) for prefix in found.prefixes],
        "steps": [{"patches": patches, "signature": signature} for patches, signature in found.steps],
        "costs": [codec.to_json(cost) for cost in costs_of(found)],
        "oops": found.facts.oops,
        "tested_by": asked.tester if found.answer is Answer.FIXED else "",
    }


def _test(found: Findings, test: Tested) -> dict[str, Any]:
    stands = test.standing
    return {
        "test": test.test.id,
        "answer": str(stands.answer) if stands.answer is not None else None,
        "why": stands.why,
        "guard": test.test.guard,
        "unit": stands.unit,
        "chance": stands.chance,
        **({"fixed_by_patch": fixing_patch(found, test) or None} if found.prefixes else {}),
        "before": {**_side(test.sides.before), "signatures": dict(test.wanted)},
        "after": {**_side(test.sides.after), "signatures": dict(test.again)},
    }


def _side(side: Seen) -> dict[str, Any]:
    counted = side.tally
    return {
        "boots": side.started - side.running,
        "crashed": side.crash,
        "clean": side.clean,
        "races": None if counted is None else counted.races,
        "lost": None if counted is None else counted.lost,
    }


def _other(other: Any) -> dict[str, Any]:
    return {
        "signature": other.signature, "title": other.title, "before": other.before, "after": other.after,
    }  # fmt: skip


def as_b4(found: Findings) -> list[dict[str, str]]:
    """The array that b4 review shows: a row for the series, with the report behind it."""
    status = "warn" if found.answer is None else _B4[found.answer]
    tests = "; ".join(
        f"{test.test.id} {side_text(test.sides.after)}" for test in found.tests if test.sides.after.started
    )
    row = {"tool": TOOL, "status": status, "summary": " | ".join(part for part in (headline(found), tests) if part)}
    return [{**row, "details": "\n".join(report(found))}]


def b4_failure(words: str) -> list[dict[str, str]]:
    """The same for a series that does not apply or build."""
    return [{"tool": TOOL, "status": "fail", "summary": words, "details": words}]
