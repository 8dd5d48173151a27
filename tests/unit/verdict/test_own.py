"""A test that the plan brings: the exit code decides, and a pass says what it rests on."""

from typing import Any

import pytest
from builders import a_cell, a_kernel, a_workload

from kzram_ci.model.cell import Expectation
from kzram_ci.model.evidence import Evidence, OopsSummary
from kzram_ci.model.points import Point, PointStatus
from kzram_ci.model.workload import OwnTest, ZramSpec
from kzram_ci.verdict.judge import judge, judge_attempts

FLOORS = Expectation(floors=(("workload.rounds", 20),))
OOPS = OopsSummary(title="BUG: x", type="null_deref", function="f", signature="s")


def points(*statuses: PointStatus) -> tuple[Point, ...]:
    return tuple(Point(name=f"t{number}", status=status) for number, status in enumerate(statuses, start=1))


P, F, S, T = PointStatus.PASS, PointStatus.FAIL, PointStatus.SKIP, PointStatus.TIMEOUT
GOOD: dict[str, Any] = {"booted": True, "ready": True, "exit_code": 0, "test_code": 0, "stop_why": "workload"}
STOPPED: dict[str, Any] = {"test_code": 143, "test_stopped": True}


@pytest.mark.parametrize(
    ("expect", "seen", "outcome", "verdict", "words"),
    [
        (None, {}, "pass", "ok", "exit code 0 alone: no floor and no test point says that it did its work"),
        (None, {"points": points(P, S)}, "pass", "ok", "exit code 0, 2 tests: 1 pass, 1 skip"),
        (FLOORS, {"counters": {"workload.rounds": 20}}, "pass", "ok", "exit code 0, workload.rounds 20"),
        (FLOORS, {"counters": {"workload.rounds": 19}}, "inconclusive", "inconclusive", "workload.rounds 19 < 20"),
        (FLOORS, {}, "inconclusive", "inconclusive", "workload.rounds not reported, wanted 20"),
        (FLOORS, {**STOPPED, "stop_why": "exposure", "counters": {"workload.rounds": 30}}, "pass", "ok", "stopped by"),
        (FLOORS, {**STOPPED, "stop_why": "duration", "counters": {"workload.rounds": 30}}, "pass", "ok", "rounds 30"),
        (None, {**STOPPED, "stop_why": "duration"}, "fail", "finding", "the test did not end within its 60 s"),
        (None, {"exit_code": 1, "test_code": 1}, "fail", "finding", "the test exited with 1"),
        (None, {"exit_code": 1, "test_code": 2}, "fail", "finding", "the test exited with 2"),
        (None, {"exit_code": 1, "test_code": 3}, "fail", "finding", "the test exited with 3"),
        (None, {"exit_code": 1, "test_code": 1, "last_words": "no luck"}, "fail", "finding", "exited with 1: no luck"),
        (None, {"exit_code": 1, "test_code": 139}, "fail", "finding", "the test was killed by SIGSEGV"),
        (None, {"exit_code": 1, "test_code": 4}, "inconclusive", "inconclusive", "skipped itself (exit code 4)"),
        (None, {"exit_code": 1, "test_code": 1, "points": points(P, F)}, "fail", "finding", "1 of 2 tests failed: t2"),
        (None, {"points": points(P, F, T)}, "fail", "finding", "2 of 3 tests failed: t2, t3"),
        (None, {"points": points(S, S)}, "inconclusive", "inconclusive", "no test passed: 2 tests: 2 skip"),
        (None, {"point_problems": ("line 3: x",), "points": points(P)}, "fail", "finding", "line 3: x"),
        (None, {"test_code": None}, "lost", "error", "no word of how the test ended"),
        (None, {"exit_code": None, "deadline_hit": True, "test_code": None}, "hang", "finding", "deadline passed"),
        (None, {"oopses": (OOPS,)}, "oops", "finding", "BUG: x"),
        (None, {"exit_code": 4, "test_code": None, "guest_errors": ("no zram",)}, "fail", "error", "set-up in the"),
        (Expectation(outcome="oops"), {}, "pass", "finding", "the expected oops was not reproduced"),
        (Expectation(outcome="oops"), {"oopses": (OOPS,)}, "oops", "ok", "as expected: BUG: x"),
        (None, {"counters": {"overruns": 2}}, "fail", "finding", "overruns 2 > 0"),
        (None, {"lost_results": ("x did not come back",)}, "pass", "ok", "the result x did not come back"),
    ],
)  # fmt: skip
def test_the_table(expect: Expectation | None, seen: dict[str, Any], outcome: str, verdict: str, words: str) -> None:
    work = a_workload(program="script", own=OwnTest(run=("./x",)), zram=ZramSpec(present=False))
    cell = a_cell(kernel=a_kernel("stock"), workload=work, expect=expect or Expectation())
    evidence = Evidence(**{**GOOD, **seen})
    found = judge(cell, evidence)
    assert (found.outcome, found.verdict) == (outcome, verdict), found.reason
    assert words in found.reason
    assert judge_attempts(cell, (found,), (evidence,)) == found


@pytest.mark.parametrize(
    ("seen", "outcome", "words"),
    [
        ({}, "inconclusive", "no test ran: the kernel has none, or none that the plan names"),
        ({"points": points(S)}, "inconclusive", "no test passed: 1 test: 1 skip"),
        ({"points": points(P, S)}, "pass", "2 tests: 1 pass, 1 skip"),
        ({"points": points(P, F)}, "fail", "1 of 2 tests failed: t2"),
    ],
)
def test_kunit_passes_by_its_tests_alone(seen: dict[str, Any], outcome: str, words: str) -> None:
    work = a_workload(program="kunit", own=OwnTest(), zram=ZramSpec(present=False))
    found = judge(a_cell(kernel=a_kernel("stock"), workload=work), Evidence(**{**GOOD, **seen}))
    assert (found.outcome, found.reason) == (outcome, words)
