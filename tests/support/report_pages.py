"""A run as large, as long and as hostile as a page has to stand."""

import json
from dataclasses import replace

import report_samples as samples

from kzram_ci.model.cell import Plan
from kzram_ci.model.evidence import BootCounts, CellResult, Evidence
from kzram_ci.model.outcome import Outcome, Verdict
from kzram_ci.model.points import Point, PointStatus
from kzram_ci.results.reports.shown import Shown, Since
from kzram_ci.results.reports.summary_model import RunView, make_view
from kzram_ci.results.reports.timeline import timeline

HOSTILE = "</pre></details><script>window.hurt = 1</script><img src=x onerror='window.hurt = 1'>\"&<b>\u202e\x1b[2J"
FIRST = "[    3.500000] BUG: kernel NULL pointer dereference, address: 0000000000000028"
CONSOLE = (
    "Linux version 6.12\n"
    + "".join(f"[    1.{n:06d}] line {n} of a guest {HOSTILE if n == 7 else ''}\n" for n in range(200))
    + f"{FIRST}\nRIP: 0010:obj_malloc+0x4b/0xf0\n[    3.600000] Kernel panic - not syncing\n"
)
OOPS = replace(samples.OOPS, text=f"{FIRST}\nRIP: 0010:obj_malloc+0x4b/0xf0\n")


def control_log(samples_: int = 40) -> list[bytes]:
    lines = [{"ev": "boot", "t": 1000}, {"ev": "ready", "t": 1500}]
    lines += [
        {
            "ev": "sample",
            "t": 1600 + 250 * n,
            "counters": {
                "recompressions": 1237 * n,
                "grew_class": 31 * n,
                "overruns": n // 30,
                "vmstat.pswpout": 1300 * n,
                "zram.mem_used_total": (n % 17) << 20,
                "psi.memory.some_us": 70_001 * n,
            },
        }
        for n in range(samples_)
    ]
    return [json.dumps(line).encode() for line in lines]


def shown(console: str = CONSOLE, *, counted: int = 40) -> Shown:
    return Shown(console=console, timeline=timeline(control_log(counted)), command="qemu-system-x86_64 -append 'a b'")


def view() -> RunView:
    """The usual small run, with all that lies on disk, repeats, and a crash in two cells."""
    results = list(samples.results())
    boots = [
        BootCounts(counters={"recompressions": 900 * n, "grew_class": n}, overrun_lines=1, crashed=True)
        for n in (1, 1, 3)
    ]
    results[2] = replace(
        results[2],
        evidence=replace(results[2].evidence, oopses=(samples.WARNING, OOPS)),
        attempts=3,
        totals={"recompressions": 4500, "grew_class": 5, "overruns": 3},
        each=tuple(boots),
    )
    calm = [BootCounts(counters={"recompressions": 50_000, "grew_class": 400 + n}) for n in range(3)]
    results[0] = replace(
        results[0],
        attempts=3,
        totals={"recompressions": 150_000, "grew_class": 1203, "overruns": 0},
        each=tuple(calm),
    )
    results[4] = replace(
        results[4],
        evidence=replace(
            results[4].evidence,
            oopses=(OOPS,),
            points=(Point(name="zram: fill", status=PointStatus.FAIL, reason=HOSTILE, output=HOSTILE),),
        ),
    )
    made = make_view(
        samples.PLAN,
        results,
        name="20260102T030405Z-overrun-abcdef",
        started="2026-01-02T03:04:05+00:00",
        environment={"host": {"system": "Linux", "cpus": 2}, "accel": "tcg: no KVM"},
    )
    cells = tuple(
        replace(
            cell,
            files=(f"{cell.result.directory}/console.log", f"{cell.result.directory}/oops-1.txt"),
            console_tail=CONSOLE[-200:],
            shown=shown(),
        )
        for cell in made.cells
    )
    changed = results[4].id
    since = Since(
        run="20260101T030405Z-overrun-123456",
        recorded="2026-01-01T03:04:05+00:00",
        lines=(f"regressed {changed}: passed -> FINDING: crashed",),
        cells=frozenset({changed}),
    )
    return replace(made, cells=cells, since=since)


def huge(cells: int = 200) -> RunView:
    """Every cell a finding with a console of hostile text, two long oopses, a day of samples and a hundred tests."""
    long = HOSTILE * 200
    results = [_huge_result(n, long) for n in range(cells)]
    plan = Plan(name="huge", cells=tuple(samples.cell(result.kernel, result.test) for result in results))
    made = make_view(plan, results, name="20260102T030405Z-huge-abcdef")
    seen = shown(f"{long}\n{CONSOLE}\n{long}", counted=600)
    files = tuple(f"file-{n}.txt" for n in range(14))
    return replace(
        made,
        cells=tuple(
            replace(cell, shown=seen, files=tuple(f"{cell.result.directory}/{name}" for name in files))
            for cell in made.cells
        ),
    )


def _huge_result(number: int, long: str) -> CellResult:
    oops = replace(
        samples.OOPS, title=HOSTILE, signature=f"null_deref:f{number}", text=long, decoded=f"at obj_malloc+0x1\n{long}"
    )
    counters = {"recompressions": 60_000, "grew_class": 1500, "overruns": 1, **{f"c{n}": n for n in range(30)}}
    return samples.result(
        samples.cell(f"kernel-{number % 20}", f"test-{number // 20}"),
        Outcome.OOPS,
        Verdict.FINDING,
        reason=HOSTILE * 4,
        oopses=(oops, oops),
        evidence=Evidence(
            booted=True,
            ready=True,
            oopses=(oops, oops),
            counters=counters,
            points=tuple(
                Point(name=f"{HOSTILE}{n}", status=PointStatus.FAIL, reason=HOSTILE, output=long) for n in range(100)
            ),
        ),
    )
