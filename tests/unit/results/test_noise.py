"""What compare calls worse: not what comes and goes on the same kernel, and not what chance explains."""

from dataclasses import replace

import report_samples as samples

from kzram_ci.model.evidence import BootCounts, CellResult
from kzram_ci.model.outcome import Outcome, Verdict
from kzram_ci.results.reports.compare import Change, as_lines, compare

OLD, NEW = "0" * 64, "1" * 64


def result(bad: bool, key: str, *, signature: str = "null_deref:f", boots: tuple[bool, ...] = ()) -> CellResult:
    made = samples.result(
        samples.PLAN.cells[0],
        Outcome.OOPS if bad else Outcome.PASS,
        Verdict.FINDING if bad else Verdict.OK,
        oopses=(replace(samples.OOPS, signature=signature),) if bad else (),
        key=key,
        setup_key="s",
    )
    each = tuple(BootCounts(counters={"grew_class": 1}, crashed=crashed) for crashed in boots)
    return replace(made, each=each, attempts=max(1, len(boots)))


def one(old: CellResult, new: CellResult, past: tuple[CellResult, ...] = ()) -> Change:
    [change] = compare([old], [new], {old.id: past})
    return change


def test_the_same_kernel_that_did_both_is_flaky_and_its_first_finding_is_new() -> None:
    change = one(result(False, OLD), result(True, OLD))
    assert (change.kind, change.worse, change.new) == ("flaky", False, True)
    assert "the same kernel and set-up did both" in change.why
    again = one(result(False, OLD), result(True, OLD), (result(True, OLD),))
    assert (again.kind, again.new) == ("flaky", False)
    assert "1 of 2 were findings before" in again.why
    other = one(result(False, OLD), result(True, OLD, signature="gpf:g"), (result(True, OLD),))
    assert other.new


def test_another_kernel_that_finds_what_the_one_before_never_did_regressed() -> None:
    change = one(result(False, OLD), result(True, NEW), tuple(result(False, OLD) for _ in range(5)))
    assert (change.kind, change.new) == ("regressed", True)
    assert "0 of 6 were findings before -> 1 of 1, by chance with p = 0.14" in change.why
    assert as_lines([change], (), total=1)[0].endswith("; a new finding")


def test_another_kernel_that_is_as_flaky_as_the_one_before_is_noise() -> None:
    past = tuple(result(bad, OLD) for bad in (True, False, False, True, False))
    change = one(result(False, OLD), result(True, NEW), past)
    assert (change.kind, change.worse, change.new) == ("flaky", False, False)
    worse = one(result(False, OLD), result(True, NEW), (*past, *(result(True, NEW) for _ in range(12))))
    assert worse.kind == "regressed"
    assert not worse.new
    better = one(result(True, OLD), result(False, NEW), past)
    assert better.kind == "flaky"


def test_unknown_set_ups_are_never_the_same() -> None:
    old, new = (replace(result(bad, OLD), setup_key="") for bad in (False, True))
    assert one(old, new).kind == "regressed"


def test_a_rate_of_crashes_that_chance_does_not_explain_is_told() -> None:
    few = result(True, OLD, boots=(True, *[False] * 11))
    many = result(True, NEW, boots=tuple([True] * 10 + [False] * 2))
    change = one(few, many)
    assert change.kind == "rate"
    assert "1 of 12 boots crashed -> 10 of 12, by chance with p = 0.00" in change.why
    near = result(True, NEW, boots=(True, True, *[False] * 10))
    assert one(few, near).kind == "kernel"


def test_an_added_cell_with_a_finding_is_new_and_a_known_one_is_not() -> None:
    found = result(True, NEW)
    [change] = compare([], [found])
    assert (change.kind, change.new) == ("added", True)
    [known] = compare([], [found], {found.id: (result(True, OLD),)})
    assert not known.new
