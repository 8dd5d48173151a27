"""A small plan and results of every kind, shared by the tests of reports, run directory and history."""

from dataclasses import replace

from kzram_ci.model.cell import Cell, Expectation, OopsWanted, Plan
from kzram_ci.model.evidence import CellResult, Evidence, Judgement, OopsSummary
from kzram_ci.model.kernel import KernelSpec
from kzram_ci.model.outcome import Outcome, Verdict
from kzram_ci.model.source import DebianSource
from kzram_ci.model.workload import WorkloadSpec

SOURCE = DebianSource(package="linux-source-6.12")
TITLE = "BUG: kernel NULL pointer dereference, address: 0000000000000028"
OOPS = OopsSummary(
    title=TITLE,
    type="null_deref",
    function="obj_malloc",
    signature="null_deref:obj_malloc<zs_malloc<zram_write_page",
    frames=("obj_malloc", "zs_malloc", "zram_write_page"),
    decoded="at obj_malloc+0x4b/0xf0 mm/zsmalloc.c:1234\n  zs_malloc+0x9c/0x2e0 mm/zsmalloc.c:1345\n",
    text=f"{TITLE}\n#PF: supervisor write access in kernel mode\nRIP: 0010:obj_malloc+0x4b/0xf0\n",
    file="oops-1.txt",
)
WARNING = OopsSummary(
    title="WARNING: at zram_write_page", type="warning", function="zram_write_page", signature="warning:zram_write_page"
)


def cell(kernel: str, test: str, *, axes: tuple[tuple[str, str], ...] = (), oops: bool = False, **more: object) -> Cell:
    expect = Expectation(floors=(("recompressions", 50_000),))
    if oops:
        expect = Expectation(outcome="oops", oops=OopsWanted(function="obj_malloc"))
    name = "/".join((kernel, test, *(f"{axis}={value}" for axis, value in axes)))
    base = Cell(
        id=name,
        kernel=KernelSpec(name=kernel, source=SOURCE),
        test=test,
        axes=axes,
        workload=WorkloadSpec(program=test, stop=(("recompressions", 50_000), ("grew", 200))),
        expect=expect,
        seed=7,
    )
    return replace(base, **more)  # type: ignore[arg-type]


PLAN = Plan(
    name="overrun",
    description="zram overrun",
    path="testplans/overrun.yaml",
    text="name: overrun\n",
    cells=(
        cell("stock", "anonmutate"),
        cell("stock", "pressure", control=True),
        cell("unstable", "anonmutate", oops=True, control=True),
        cell("unstable", "directmutate", axes=(("algorithm", "lz4"),), oops=True),
        cell("saved-clen", "anonmutate"),
        cell("saved-clen", "directmutate", axes=(("algorithm", "lz4"),)),
        cell("emergency-class", "anonmutate", skip="not on this version"),
    ),
)


def result(
    of: Cell,
    outcome: Outcome = Outcome.PASS,
    verdict: Verdict = Verdict.OK,
    *,
    reason: str = "fine",
    oopses: tuple[OopsSummary, ...] = (),
    counters: dict[str, int] | None = None,
    key: str = "f00dfeed" * 8,
    **more: object,
) -> CellResult:
    base = CellResult(
        id=of.id,
        kernel=of.kernel.name,
        test=of.test,
        axes=of.axes,
        seed=of.seed,
        control=of.control,
        expected=of.expect.outcome,
        judgement=Judgement(outcome=outcome, verdict=verdict, reason=reason),
        evidence=Evidence(booted=True, ready=True, oopses=oopses, counters=counters or {}),
        attempts=1,
        kernel_key=key,
        kernel_release="6.12.117",
        accel="tcg",
        seconds=3.25,
        started="2026-01-02T03:04:05+00:00",
        directory=f"cells/{of.id.replace('/', '.')}",
    )
    return replace(base, **more)  # type: ignore[arg-type]


CLEAN = {"recompressions": 51_234, "grew": 812, "overruns": 0, "vmstat.pswpout": 60_000}


def results() -> tuple[CellResult, ...]:
    cells = PLAN.cells
    return (
        result(cells[0], counters=CLEAN, reason="recompressions 51,234, overruns 0"),
        result(cells[1], counters={"vmstat.pswpout": 9_000}),
        result(
            cells[2],
            Outcome.OOPS,
            reason=f"as expected: {TITLE}",
            oopses=(WARNING, OOPS),
            counters={"recompressions": 2_000, "overruns": 4},
        ),
        result(cells[3], Outcome.PASS, Verdict.FINDING, reason="the expected oops was not reproduced", counters=CLEAN),
        result(cells[4], Outcome.OOPS, Verdict.FINDING, reason=TITLE, oopses=(OOPS,), counters=CLEAN, boot_failures=1),
        result(cells[5], Outcome.INCONCLUSIVE, Verdict.INCONCLUSIVE, reason="recompressions 3 < 50,000"),
        result(cells[6], Outcome.SKIPPED, Verdict.SKIPPED, reason="not on this version", attempts=0, started=""),
    )
