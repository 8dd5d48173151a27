"""A boot that failed, beside the other kernels of its run."""

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from kzram_ci.model.cell import Cell
from kzram_ci.model.evidence import CellResult, Evidence, Judgement
from kzram_ci.model.kernel import KernelSpec
from kzram_ci.model.machine import MachineSpec
from kzram_ci.model.outcome import Outcome, Verdict
from kzram_ci.model.source import DirectorySource
from kzram_ci.model.workload import WorkloadSpec
from kzram_ci.verdict.siblings import reconsider

NO_INIT = Judgement(outcome=Outcome.BOOT_FAILED, verdict=Verdict.ERROR, reason="the kernel did not reach init")
PASS = Judgement(outcome=Outcome.PASS, verdict=Verdict.OK, reason="proved")


def cell(kernel: str, test: str = "t", **machine: Any) -> Cell:
    spec = KernelSpec(name=kernel, source=DirectorySource(path="/linux"))
    work = WorkloadSpec(program="pressure")
    return Cell(id=f"{kernel}/{test}", kernel=spec, test=test, workload=work, machine=MachineSpec(**machine))


def result(of: Cell, word: Judgement = PASS, **changes: Any) -> CellResult:
    ready = changes.pop("ready", word is not NO_INIT)
    base = CellResult(id=of.id, kernel=of.kernel.name, test=of.test, judgement=word, evidence=Evidence(ready=ready))
    failures = 2 if word is NO_INIT else 0
    return replace(base, **{"attempts": 1, "boot_failures": failures, "accel": "tcg", **changes})


STOCK, BROKEN = cell("stock"), cell("broken", cmdline=("rdinit=/nope",))


def verdicts(*given_results: tuple[Cell, CellResult]) -> list[Verdict]:
    cells = [of for of, _ in given_results]
    return [each.judgement.verdict for each in reconsider(cells, [found for _, found in given_results])]


def test_a_kernel_that_never_boots_while_its_sibling_does_is_a_finding() -> None:
    _, broken = reconsider((STOCK, BROKEN), (result(STOCK), result(BROKEN, NO_INIT)))
    assert (broken.judgement.outcome, broken.judgement.verdict) == (Outcome.BOOT_FAILED, Verdict.FINDING)
    told = "the kernel did not reach init; on each of 3 tries, while stock booted on the same machine"
    assert broken.judgement.reason == told


def test_a_sibling_that_crashed_under_the_workload_booted() -> None:
    crash = Judgement(outcome=Outcome.OOPS, verdict=Verdict.FINDING, reason="crash")
    assert verdicts((STOCK, result(STOCK, crash)), (BROKEN, result(BROKEN, NO_INIT)))[1] is Verdict.FINDING


def test_where_nothing_else_booted_the_host_is_suspected() -> None:
    other = cell("other")
    alone = ((BROKEN, result(BROKEN, NO_INIT)),)
    assert verdicts(*alone) == [Verdict.ERROR]
    assert verdicts(*alone, (other, result(other, NO_INIT))) == [Verdict.ERROR] * 2


def test_a_kernel_that_booted_once_in_this_run_is_not_to_blame() -> None:
    again = cell("broken", "another test")
    found = verdicts((STOCK, result(STOCK)), (BROKEN, result(BROKEN, NO_INIT)), (again, result(again)))
    assert found[1] is Verdict.ERROR
    # it is the second attempt of the cell that did not boot
    assert verdicts((STOCK, result(STOCK)), (BROKEN, result(BROKEN, NO_INIT, attempts=2)))[1] is Verdict.ERROR


def test_a_sibling_elsewhere_says_nothing() -> None:
    for other in (cell("stock", memory_mib=4096), cell("stock", cpus=8), cell("stock", arch="arm64")):
        assert verdicts((other, result(other)), (BROKEN, result(BROKEN, NO_INIT)))[1] is Verdict.ERROR
    assert verdicts((STOCK, result(STOCK, accel="kvm")), (BROKEN, result(BROKEN, NO_INIT)))[1] is Verdict.ERROR


def test_one_try_is_not_every_try() -> None:
    once = result(BROKEN, NO_INIT, boot_failures=0)
    assert verdicts((STOCK, result(STOCK)), (BROKEN, once))[1] is Verdict.ERROR


def test_only_what_never_reached_the_workload_is_reconsidered() -> None:
    clock = replace(NO_INIT, reason="the guest's clock ran 7 times too fast")
    words = [
        replace(NO_INIT, outcome=Outcome.LOST),
        replace(NO_INIT, outcome=Outcome.INFRA),
        replace(NO_INIT, outcome=Outcome.BUILD_FAILED),
        replace(NO_INIT, outcome=Outcome.NOT_RUN),
    ]
    for word in words:
        assert verdicts((STOCK, result(STOCK)), (BROKEN, result(BROKEN, word, ready=False)))[1] is Verdict.ERROR
    assert verdicts((STOCK, result(STOCK)), (BROKEN, result(BROKEN, clock, ready=True)))[1] is Verdict.ERROR


words = st.builds(Judgement, outcome=st.sampled_from(Outcome), verdict=st.sampled_from(Verdict), reason=st.just("r"))


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xy"), words, st.booleans()), max_size=6))
def test_nothing_is_lost_and_nothing_becomes_better(rows: list[tuple[str, str, Judgement, bool]]) -> None:
    cells = [cell(kernel, test) for kernel, test, _, _ in rows]
    before = [result(of, word, ready=ready) for of, (_, _, word, ready) in zip(cells, rows, strict=True)]
    after = reconsider(cells, before)
    for old, new in zip(before, after, strict=True):
        assert replace(new, judgement=old.judgement) == old
        if new != old:
            assert (old.judgement.outcome, old.judgement.verdict) == (Outcome.BOOT_FAILED, Verdict.ERROR)
            assert new.judgement.verdict is Verdict.FINDING
    assert reconsider(cells, after) == after
