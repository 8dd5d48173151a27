"""The judge: a table of ends, and laws that hold for any evidence."""

import dataclasses
from typing import Any

import pytest
from builders import a_cell, a_kernel, a_workload
from hypothesis import given, settings
from hypothesis import strategies as st

from kzram_ci.kernel.mechanism.data import reported
from kzram_ci.model.cell import Cell, Expectation, OopsWanted
from kzram_ci.model.evidence import Evidence, Judgement, OopsSummary
from kzram_ci.model.outcome import Outcome, Verdict
from kzram_ci.model.vocab import HOST_LIKE_TYPES, NON_FATAL_TYPES, OOPS_TYPES
from kzram_ci.model.workload import ZramSpec
from kzram_ci.verdict import detector
from kzram_ci.verdict.exposure import counter
from kzram_ci.verdict.judge import judge, judge_attempts, matches, principal_oops

FLOORS = (("recompressions", 50_000),)
PASS = Expectation(floors=FLOORS, ceilings=(("overruns", 0),))
WANTED = OopsWanted(types=("null_deref", "bug"), function="^(obj_|zs_|zram_)")
OOPS = Expectation(outcome="oops", oops=WANTED, floors=(("overruns", 1),))

CRASH = OopsSummary(
    title="BUG: kernel NULL pointer dereference in obj_malloc",
    type="null_deref",
    function="obj_malloc",
    signature="s",
    frames=("obj_malloc", "zs_malloc", "zram_write_page"),
)
OTHER = OopsSummary(
    title="general protection fault in ext4_x", type="general_protection", function="ext4_x", signature="o"
)
WARN = OopsSummary(title="WARNING in zram_write_page", type="warning", function="zram_write_page", signature="w")
STALL = OopsSummary(title="rcu: stall", type="rcu_stall", function=None, signature="r")
PANIC = OopsSummary(title="Kernel panic: IO-APIC + timer doesn't work!", type="panic", function=None, signature="p")


def cell(expect: Expectation = PASS, *, repeats: int = 1, swap: bool = True) -> Cell:
    work = a_workload(zram=ZramSpec(swap=swap))
    return a_cell(kernel=a_kernel("stock"), workload=work, expect=expect, repeats=repeats)


GOOD: dict[str, Any] = {
    "booted": True,
    "ready": True,
    "exit_code": 0,
    "stop_why": "exposure",
    "counters": {
        "recompressions": 51_204,
        "overruns": 0,
        "selftest_failures": 0,
        "vmstat.pswpout": 7,
        "zram.writes": 9,
    },
    "console_bytes": 900,
}


def evidence(**changes: Any) -> Evidence:
    counters = {**GOOD["counters"], **changes.pop("counters", {})}
    return Evidence(**{**GOOD, "counters": {k: v for k, v in counters.items() if v is not None}, **changes})


LOST: dict[str, Any] = {"exit_code": None, "stop_why": ""}
UNREADY: dict[str, Any] = {"exit_code": None, "stop_why": "", "ready": False}

TABLE = [
    # expectation, what happened, outcome, verdict, words of the reason
    (PASS, {}, "pass", "ok", "recompressions 51,204, overruns 0, vmstat.pswpout 7"),
    (PASS, {"counters": {"recompressions": 31_204}}, "inconclusive", "inconclusive", "recompressions 31,204 < 50,000"),
    (PASS, {"counters": {"recompressions": None}}, "inconclusive", "inconclusive", "not reported, wanted 50,000"),
    (PASS, {"counters": {"vmstat.pswpout": 0}}, "inconclusive", "inconclusive", "nothing was written to zram"),
    (PASS, {"counters": {"vmstat.pswpout": None}}, "inconclusive", "inconclusive", "nothing was written to zram"),
    (PASS, {"counters": {"overruns": 2}}, "fail", "finding", "overruns 2 > 0; no crash"),
    (PASS, {"overrun_lines": 1}, "fail", "finding", "overruns 1 > 0"),
    (Expectation(), {"overrun_lines": 1}, "fail", "finding", "overruns 1 > 0"),
    (PASS, {"overrun_lines": 1, "oopses": (WARN,)}, "fail", "finding", "WARNING in zram_write_page"),
    (PASS, {"oopses": (WARN,)}, "oops", "finding", "WARNING in zram_write_page"),
    (PASS, {"oopses": (WARN,), "deadline_hit": True, **LOST}, "oops", "finding", "then it hung"),
    (PASS, {"oopses": (CRASH,)}, "oops", "finding", "obj_malloc"),
    (PASS, {"oopses": (CRASH,), **LOST}, "oops", "finding", "obj_malloc"),
    (PASS, {"oopses": (CRASH,), "host_error": "disk full", **LOST}, "oops", "finding", "obj_malloc"),
    (PASS, {"oopses": (WARN, CRASH), "overrun_lines": 2, **LOST}, "oops", "finding", "obj_malloc; 2 overruns seen"),
    (PASS, {"corruptions": ("page 5", "page 6")}, "corruption", "finding", "2 corruptions, first: page 5"),
    (PASS, {"exit_code": 3}, "corruption", "finding", "read back what it did not write"),
    (PASS, {"corruptions": ("page 5",), "oopses": (CRASH,)}, "oops", "finding", "obj_malloc"),
    (
        Expectation(ceilings=(("overruns", 0),)),
        {"counters": {"overruns": None}},
        "inconclusive",
        "inconclusive",
        "overruns not reported, wanted at most 0",
    ),
    (
        dataclasses.replace(PASS, ceilings=(("grew", 1),)),
        {},
        "inconclusive",
        "inconclusive",
        "grew not reported, wanted at most 1",
    ),
    (Expectation(), {"counters": {"overruns": None}}, "pass", "ok", "vmstat.pswpout 7"),  # the plan does not ask
    (PASS, {"counters": {"overruns": None}, "overrun_lines": 1}, "fail", "finding", "overruns 1 > 0"),
    (
        dataclasses.replace(OOPS, ceilings=(("grew", 1),)),
        {"oopses": (CRASH,), "overrun_lines": 1},
        "oops",
        "inconclusive",
        "as expected: BUG: kernel NULL pointer dereference in obj_malloc; grew not reported",
    ),
    (
        PASS,
        {"missing": ("recompressions",), **LOST},
        "inconclusive",
        "inconclusive",
        "recompressions not reported by this kernel, wanted 50,000; ended at once",
    ),
    (PASS, {"missing": ("recompressions",), "oopses": (CRASH,), **LOST}, "oops", "finding", "obj_malloc"),
    (PASS, {"exit_code": 1}, "fail", "finding", "the workload exited with 1"),
    (PASS, {"exit_code": 137, "counters": {"vmstat.oom_kill": 1}}, "fail", "finding", "SIGKILL (1 OOM kills)"),
    (PASS, {"exit_code": 250}, "fail", "finding", "killed by signal 122"),
    (PASS, {"exit_code": 4, "guest_errors": ("swapon failed",)}, "fail", "error", "swapon failed"),
    (PASS, {"guest_errors": ("odd",)}, "fail", "error", "odd"),
    (PASS, {"exit_code": 2}, "fail", "error", "exit token 2"),
    (PASS, {"deadline_hit": True, "last_line": "x\n", **LOST}, "hang", "finding", 'guest alive; last console line "x"'),
    (PASS, {"qemu_exit": -11, **LOST}, "lost", "error", "QEMU ended with -11"),
    (PASS, {"host_error": "disk full", **LOST}, "infra", "error", "disk full"),
    (PASS, {"panicked": True, **LOST}, "oops", "finding", "panicked and left no report"),
    (PASS, {"panicked": True}, "oops", "finding", "panicked"),
    (PASS, {"flooded": True, "console_bytes": 67_108_864, **LOST}, "fail", "finding", "flooded: 67,108,864 bytes"),
    (PASS, UNREADY, "boot-failed", "error", "init ran, the workload did not start"),
    (PASS, {**UNREADY, "booted": False}, "boot-failed", "error", "the kernel did not reach init"),
    (
        PASS,
        {**UNREADY, "booted": False, "console_bytes": 0, "deadline_hit": True},
        "boot-failed",
        "error",
        "printed nothing; deadline",
    ),
    (PASS, {**UNREADY, "oopses": (PANIC,), "panicked": True}, "boot-failed", "error", "IO-APIC"),
    (PASS, {**UNREADY, "oopses": (STALL,)}, "boot-failed", "error", "rcu: stall"),
    (PASS, {**UNREADY, "oopses": (OTHER,)}, "oops", "finding", "before the workload started"),
    (PASS, {**UNREADY, "host_error": "no space"}, "infra", "error", "no space"),
    (PASS, {**UNREADY, "guest_errors": ("zram is missing",)}, "fail", "error", "zram is missing"),
    (OOPS, {"oopses": (WARN, CRASH), "overrun_lines": 1, **LOST}, "oops", "ok", "as expected: BUG: kernel NULL"),
    (OOPS, {"oopses": (CRASH,), "counters": {"overruns": 3}, **LOST}, "oops", "ok", "3 overruns seen"),
    (OOPS, {"oopses": (CRASH,), **LOST}, "oops", "finding", "cause is not proved: overruns 0 < 1"),
    (OOPS, {"oopses": (OTHER,), "overrun_lines": 1, **LOST}, "oops", "finding", "not the expected oops: general"),
    (OOPS, {"oopses": (CRASH,), "overrun_lines": 1, **UNREADY}, "oops", "finding", "before the workload"),
    (OOPS, {"oopses": (WARN,), "overrun_lines": 4}, "fail", "finding", "4 overruns, no crash"),
    (OOPS, {"counters": {"overruns": 4}}, "fail", "finding", "not reproduced"),
    (OOPS, {}, "pass", "finding", "the expected oops was not reproduced; overruns 0; stopped by exposure"),
    (OOPS, {"counters": {"vmstat.pswpout": 0}}, "inconclusive", "inconclusive", "nothing was written"),
    (OOPS, {"corruptions": ("page 5",)}, "corruption", "finding", "not reproduced"),
    (OOPS, {"deadline_hit": True, **LOST}, "hang", "finding", "not reproduced"),
    (OOPS, {"qemu_exit": 1, **LOST}, "lost", "error", "QEMU ended with 1"),
    (
        dataclasses.replace(OOPS, ceilings=(("grew", 1),)),
        {"oopses": (CRASH,), "overrun_lines": 1, "counters": {"grew": 2}},
        "oops",
        "finding",
        "grew 2 > 1",
    ),
]


@pytest.mark.parametrize(("expect", "changes", "outcome", "verdict", "words"), TABLE)
def test_the_table(expect: Expectation, changes: dict[str, Any], outcome: str, verdict: str, words: str) -> None:
    word = judge(cell(expect), evidence(**changes))
    assert (word.outcome, word.verdict) == (outcome, verdict), word
    assert words in word.reason
    assert "\n" not in word.reason


@pytest.mark.parametrize("guest, host, outcome", [(303.2, 43.1, "boot-failed"), (300.4, 299.0, "inconclusive")])
def test_a_guest_whose_clock_ran_ahead_had_no_time(guest: float, host: float, outcome: str) -> None:
    few = dict(evidence().counters) | {"recompressions": 1}
    seen = evidence(counters=few, stop_why="duration", guest_work_seconds=guest, work_seconds=host)
    assert judge(cell(), seen).outcome == outcome
    assert judge(cell(), dataclasses.replace(seen, counters=evidence().counters)).verdict is Verdict.OK


def test_mkswap_writes_are_no_proof() -> None:
    only_header = {"vmstat.pswpout": 0, "zram.writes": 1}
    assert judge(cell(), evidence(counters=only_header)).verdict is Verdict.INCONCLUSIVE
    raw = evidence(counters={"vmstat.pswpout": 0, "zram.writes": 800})
    assert judge(cell(swap=False), raw).verdict is Verdict.OK


def test_overruns_are_the_larger_of_sample_and_console() -> None:
    assert counter(evidence(overrun_lines=3, counters={"overruns": 1}), "overruns") == 3
    assert counter(evidence(overrun_lines=1, counters={"overruns": 9}), "overruns") == 9
    assert counter(evidence(counters={"overruns": None}), "overruns") is None


@pytest.mark.parametrize(
    ("wanted", "oops", "result"),
    [
        (OopsWanted(), CRASH, True),
        (OopsWanted(), WARN, False),  # a complaint is no crash …
        (OopsWanted(types=("warning",)), WARN, True),  # … unless the plan asks for it
        (OopsWanted(function="zs_malloc"), CRASH, True),  # a frame
        (OopsWanted(function="^malloc"), CRASH, False),
        (OopsWanted(title="NULL pointer"), CRASH, True),
        (OopsWanted(title="^NULL"), CRASH, False),
        (WANTED, OTHER, False),
        (OopsWanted(function="x"), STALL, False),
    ],
)
def test_matching(wanted: OopsWanted, oops: OopsSummary, result: bool) -> None:
    assert matches(oops, wanted) is result


def test_the_crash_is_shown_before_the_complaints_around_it() -> None:
    assert principal_oops((WARN, CRASH, OTHER)) == CRASH
    assert principal_oops((WARN, WARN)) == WARN
    assert principal_oops(()) is None


def test_the_sets_are_words_of_the_vocabulary() -> None:
    assert len(set(OOPS_TYPES)) == len(OOPS_TYPES)
    assert set(OOPS_TYPES) >= NON_FATAL_TYPES | HOST_LIKE_TYPES


counts = st.dictionaries(
    st.sampled_from(["recompressions", "overruns", "vmstat.pswpout", "zram.writes", "grew"]),
    st.sampled_from([0, 1, 49_999, 50_000, 90_000]),
)
oopses = st.builds(
    OopsSummary,
    title=st.just("t"),
    type=st.sampled_from(OOPS_TYPES),
    function=st.sampled_from([None, "obj_malloc", "f"]),
    signature=st.just("s"),
    frames=st.sampled_from([(), ("zs_malloc",)]),
)
anything = st.builds(
    Evidence,
    booted=st.booleans(),
    ready=st.booleans(),
    exit_code=st.sampled_from([None, 0, 0, 0, 1, 3, 4, 137]),
    deadline_hit=st.booleans(),
    panicked=st.booleans(),
    qemu_exit=st.sampled_from([None, 0, 1, -9]),
    guest_errors=st.sampled_from([(), ("e",)]),
    corruptions=st.sampled_from([(), ("c",)]),
    oopses=st.lists(oopses, max_size=2).map(tuple),
    overrun_lines=st.sampled_from([0, 0, 1]),
    counters=counts,
    flooded=st.booleans(),
    host_error=st.sampled_from(["", "h"]),
    missing=st.sampled_from([(), (), ("recompressions",)]),
)
expectations = st.sampled_from([PASS, Expectation(), OOPS])


@settings(max_examples=500)
@given(anything, expectations, st.booleans())
def test_no_pass_without_token_and_proof(seen: Evidence, expect: Expectation, swap: bool) -> None:
    word = judge(cell(expect, swap=swap), seen)
    assert word.outcome is not Outcome.NOT_RUN
    assert word.reason
    if word.verdict is not Verdict.OK:
        return
    assert seen.ready
    if expect.outcome == "oops":
        assert word.outcome is Outcome.OOPS
        assert any(matches(oops, expect.oops) for oops in seen.oopses)
        assert (counter(seen, "overruns") or 0) >= 1
        return
    assert word.outcome is Outcome.PASS
    assert seen.exit_code == 0
    assert not (seen.oopses or seen.corruptions or seen.panicked or seen.flooded or seen.host_error)
    assert seen.counters["vmstat.pswpout" if swap else "zram.writes"] > 0
    assert all(seen.counters[name] >= bound for name, bound in expect.floors)
    assert all((counter(seen, name) or 0) <= bound for name, bound in expect.ceilings)
    assert all(counter(seen, name) is not None for name, _ in expect.ceilings)
    assert not counter(seen, "overruns")


@settings(max_examples=300)
@given(anything, oopses, st.sampled_from([PASS, Expectation()]))
def test_an_oops_more_never_helps_a_pass(seen: Evidence, more: OopsSummary, expect: Expectation) -> None:
    word = judge(cell(expect), dataclasses.replace(seen, oopses=(*seen.oopses, more)))
    assert word.verdict is not Verdict.OK


@settings(max_examples=300)
@given(anything, expectations)
def test_a_crash_under_the_workload_outranks_the_host(seen: Evidence, expect: Expectation) -> None:
    crashed = dataclasses.replace(seen, ready=True, oopses=(*seen.oopses, CRASH))
    assert judge(cell(expect), crashed).outcome is Outcome.OOPS


@settings(max_examples=300)
@given(anything, expectations)
def test_a_boot_without_workload_is_never_ok(seen: Evidence, expect: Expectation) -> None:
    word = judge(cell(expect), dataclasses.replace(seen, ready=False))
    assert word.outcome in {Outcome.BOOT_FAILED, Outcome.INFRA, Outcome.FAIL, Outcome.OOPS}
    assert word.verdict in {Verdict.ERROR, Verdict.FINDING}


def said(outcome: Outcome, verdict: Verdict, reason: str = "r") -> Judgement:
    return Judgement(outcome=outcome, verdict=verdict, reason=reason)


OK_PASS = said(Outcome.PASS, Verdict.OK)
OK_OOPS = said(Outcome.OOPS, Verdict.OK)
MISSED = said(Outcome.PASS, Verdict.FINDING, "not reproduced")
ODD_OOPS = said(Outcome.OOPS, Verdict.FINDING, "another oops")
NO_PROOF = said(Outcome.INCONCLUSIVE, Verdict.INCONCLUSIVE)
NO_BOOT = said(Outcome.BOOT_FAILED, Verdict.ERROR)

FOLDS = [
    (PASS, 1, (OK_PASS,), "pass", "ok"),
    (PASS, 3, (OK_PASS, OK_PASS, OK_PASS), "pass", "ok"),
    (PASS, 3, (OK_PASS, OK_PASS), "inconclusive", "inconclusive"),
    (PASS, 3, (OK_PASS, ODD_OOPS), "oops", "finding"),
    (PASS, 2, (OK_PASS, NO_PROOF), "inconclusive", "inconclusive"),
    (PASS, 2, (OK_PASS, NO_BOOT), "boot-failed", "error"),
    (PASS, 3, (NO_PROOF, NO_BOOT, ODD_OOPS), "oops", "finding"),
    (OOPS, 3, (MISSED, OK_OOPS), "oops", "ok"),
    (OOPS, 3, (ODD_OOPS, OK_OOPS), "oops", "ok"),
    (OOPS, 3, (MISSED, MISSED, MISSED), "pass", "finding"),
    (OOPS, 3, (MISSED, NO_BOOT), "boot-failed", "error"),
    (OOPS, 3, (ODD_OOPS, NO_BOOT), "oops", "finding"),
    (OOPS, 1, (NO_PROOF,), "inconclusive", "inconclusive"),
    (OOPS, 1, (), "not-run", "error"),
]


@pytest.mark.parametrize(("expect", "repeats", "words", "outcome", "verdict"), FOLDS)
def test_folding(expect: Expectation, repeats: int, words: tuple[Judgement, ...], outcome: str, verdict: str) -> None:
    final = judge_attempts(cell(expect, repeats=repeats), words, (evidence(),) * len(words))
    assert (final.outcome, final.verdict) == (outcome, verdict), final


def test_a_fold_says_which_attempt() -> None:
    seen = (evidence(),) * 3
    assert "(attempt 2 of 2)" in judge_attempts(cell(OOPS, repeats=3), (MISSED, OK_OOPS), seen[:2]).reason
    wrong = judge_attempts(cell(OOPS, repeats=3), (MISSED, ODD_OOPS, MISSED), seen)
    assert "attempt 2 of 3, 3 planned" in wrong.reason or "attempt 1 of 3, 3 planned" in wrong.reason


def test_repeats_are_counted_together() -> None:
    attempts = tuple(evidence(counters={"recompressions": count}) for count in (50_000, 51_000, 52_880))
    final = judge_attempts(cell(repeats=3), (OK_PASS,) * 3, attempts)
    told = "recompressions 153,880, overruns 0, vmstat.pswpout 21 (3 of 3 passed, all counted together)"
    assert (final.verdict, final.reason) == (Verdict.OK, told)
    missed = judge_attempts(cell(OOPS, repeats=3), (MISSED,) * 3, attempts)
    assert missed.verdict is Verdict.FINDING
    assert "not reproduced; overruns 0" in missed.reason
    assert "(3 of 3 tries, all counted together)" in missed.reason


BROKEN = {"selftest_failures": 3}
TOLD = "the detector's self-test failed for 3 sizes of objects"


class TestDetectorThatCannotBeTrusted:
    """Its self-test failed: an error, neither a pass nor a finding; and what does not rest on it stands."""

    @pytest.mark.parametrize(
        ("expect", "happened"),
        [
            (PASS, {}),
            (Expectation(), {}),
            (PASS, {"counters": {"recompressions": 3}}),
            (PASS, {"counters": {"overruns": 2}}),
            (PASS, {"overrun_lines": 1, "oopses": (WARN,)}),
            (OOPS, {"oopses": (CRASH,), "overrun_lines": 1, **LOST}),
            (OOPS, {"oopses": (CRASH,), **LOST}),
            (OOPS, {"counters": {"overruns": 4}}),
            (OOPS, {}),
        ],
    )
    def test_what_rests_on_it_is_an_error(self, expect: Expectation, happened: dict[str, Any]) -> None:
        changes = {**happened, "counters": {**happened.get("counters", {}), **BROKEN}}
        word = judge(cell(expect), evidence(**changes))
        crashed = any(oops is CRASH for oops in happened.get("oopses", ()))
        outcome = Outcome.OOPS if crashed else Outcome.FAIL
        assert (word.outcome, word.verdict) == (outcome, Verdict.ERROR)
        assert TOLD in word.reason

    @pytest.mark.parametrize(
        ("happened", "outcome", "verdict"),
        [
            ({"oopses": (CRASH,), "overrun_lines": 1, **LOST}, Outcome.OOPS, Verdict.FINDING),
            ({"panicked": True, **LOST}, Outcome.OOPS, Verdict.FINDING),
            ({"corruptions": ("page 5",)}, Outcome.CORRUPTION, Verdict.FINDING),
            ({"deadline_hit": True, **LOST}, Outcome.HANG, Verdict.FINDING),
            ({"host_error": "disk full", **LOST}, Outcome.INFRA, Verdict.ERROR),
            (UNREADY, Outcome.BOOT_FAILED, Verdict.ERROR),
        ],
    )
    def test_what_the_kernel_did_stands(self, happened: dict[str, Any], outcome: Outcome, verdict: Verdict) -> None:
        word = judge(cell(), evidence(**happened, counters=dict(BROKEN)))
        assert (word.outcome, word.verdict) == (outcome, verdict)
        assert TOLD not in word.reason

    def test_a_detector_that_was_not_tested_proves_nothing(self) -> None:
        untested: dict[str, Any] = {"counters": {"selftest_failures": None}}
        word = judge(cell(), evidence(**untested))
        assert (word.outcome, word.verdict) == (Outcome.INCONCLUSIVE, Verdict.INCONCLUSIVE)
        assert "selftest_failures not reported: recompressions is the detector's" in word.reason
        lost: dict[str, Any] = {"oopses": (CRASH,), **LOST}
        word = judge(cell(OOPS), evidence(counters={"selftest_failures": None, "overruns": 1}, **lost))
        assert (word.outcome, word.verdict) == (Outcome.OOPS, Verdict.INCONCLUSIVE)
        assert "selftest_failures not reported: overruns is the detector's" in word.reason
        asks_nothing = dataclasses.replace(PASS, floors=(("vmstat.pswpout", 1),), ceilings=())
        assert judge(cell(asks_nothing), evidence(**untested)).verdict is Verdict.OK
        early = evidence(oopses=(CRASH,), overrun_lines=1, **LOST)  # it crashed before any sample
        early = dataclasses.replace(early, counters={"recompressions": 18})
        assert judge(cell(OOPS), early).verdict is Verdict.OK

    def test_the_judge_knows_the_counters_of_the_detector(self) -> None:
        assert detector.COUNTERS | {detector.SELFTEST} == frozenset(reported(["overrun-detector"]))
