"""What a boot that failed means beside the other kernels of its run. Pure.

One kernel that never reaches the workload may be the host's doing. Where another kernel of the same run boots on the
same machine, the host can boot: then the kernel is to blame, and that is a finding.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from kzram_ci.model.cell import Cell
from kzram_ci.model.evidence import CellResult, Judgement
from kzram_ci.model.outcome import Outcome, Verdict

LEAST_TRIES = 2  # one boot alone fails now and then on a starved host

Place = tuple[object, ...]


def undecided(result: CellResult) -> bool:
    """Whether what this result means depends on the rest of the run: no boot of it reached the workload."""
    failed = (result.judgement.outcome, result.judgement.verdict) == (Outcome.BOOT_FAILED, Verdict.ERROR)
    return failed and not result.evidence.ready and result.attempts <= 1  # an earlier attempt did boot


def reconsider(cells: Iterable[Cell], results: Sequence[CellResult]) -> tuple[CellResult, ...]:
    """The results of a run, in the same order, with boots that failed judged by their siblings.

    A sibling is another kernel that reached its workload in this run, on a machine of the same architecture, size,
    QEMU options and accelerator; the kernel's command line is its own matter. A kernel that reached the workload
    anywhere in this run is not to blame.
    """
    known = {cell.id: cell for cell in cells}
    booted: dict[Place, list[str]] = {}
    for result in results:
        if result.evidence.ready and result.id in known:
            booted.setdefault(_place(known[result.id], result), []).append(result.kernel)
    able = {name for names in booted.values() for name in names}

    def judged(result: CellResult) -> CellResult:
        if not undecided(result) or result.kernel in able or result.id not in known:
            return result
        siblings = tuple(dict.fromkeys(booted.get(_place(known[result.id], result), ())))
        tries = result.boot_failures + 1
        if not siblings or tries < LEAST_TRIES:
            return result
        return replace(result, judgement=_blamed(result.judgement, tries, siblings))

    return tuple(judged(result) for result in results)


def _place(cell: Cell, result: CellResult) -> Place:
    machine = cell.machine
    size = (machine.cpus, machine.memory_mib, machine.disk_mib)
    return (machine.arch, *size, machine.qemu_args, result.accel)


def _blamed(word: Judgement, tries: int, siblings: Sequence[str]) -> Judgement:
    others = ", ".join(siblings[:3]) + (f" and {len(siblings) - 3} more" if len(siblings) > 3 else "")
    reason = f"{word.reason}; on each of {tries} tries, while {others} booted on the same machine"
    return Judgement(outcome=word.outcome, verdict=Verdict.FINDING, reason=reason)
