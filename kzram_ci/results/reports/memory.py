"""The memory of a guest that crashed, and the commands that open it. Pure."""

from __future__ import annotations

import shlex

from kzram_ci.base.units import say_size
from kzram_ci.model.evidence import CellResult


def commands(result: CellResult) -> tuple[str, ...]:
    """For a shell in the run directory: drgn's line, then crash's; none without a dump."""
    dump = result.evidence.dump
    if dump is None:
        return ()
    file = f"{result.directory}/{dump.file}"
    symbols = ("-s", dump.vmlinux) if dump.vmlinux else ()
    drgn = shlex.join(("drgn", "-c", file, *symbols))
    return (drgn, shlex.join(("crash", dump.vmlinux, file))) if dump.vmlinux else (drgn,)


def text(result: CellResult) -> tuple[str, ...]:
    """What a report says of a cell's memory, a line each: the commands, or why there is no dump."""
    if result.evidence.dump_missing:
        return (f"memory: not kept: {result.evidence.dump_missing}",)
    if result.evidence.dump is None:
        return ()
    size = say_size(result.evidence.dump.bytes)
    return (f"memory: {size}; in the run directory, either of:", *(f"  {line}" for line in commands(result)))
