"""A cell that a run boots again because there was time: a cell of its own, beside the one of the plan.

Its id is that of the plan's cell and `/again=N`; N is the number of the boot, from 2 on. Whatever looks at a cell over
several runs, or compares runs, takes both as one.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace

from kzram_ci.model.cell import Cell

AXIS = "again"
_SUFFIX = re.compile(rf"/{AXIS}=\d+\Z")


def base_id(cell: str) -> str:
    """The id of the plan's cell that this is a repeat of, or is itself."""
    return _SUFFIX.sub("", cell)


def again(cell: Cell, number: int, salt: str) -> Cell:
    """The plan's cell once more, with a seed of its own in each run (`salt`).

    An expected pass is one boot more; an expected oops has the tries that the plan gives it.
    """
    identity = f"{cell.id}/{AXIS}={number}"
    digest = hashlib.sha256(f"{cell.seed}\0{salt}\0{identity}".encode()).digest()
    return replace(
        cell,
        id=identity,
        axes=(*cell.axes, (AXIS, str(number))),
        seed=int.from_bytes(digest[:4], "big") % 2_000_000_000 + 1,
        repeats=1 if cell.expect.outcome == "pass" else cell.repeats,
        cases=tuple(replace(case, repeats=1 if case.expect.outcome == "pass" else case.repeats) for case in cell.cases),
    )


def without_repeat(axes: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """The axes without the number of the repeat: what is tested."""
    return tuple((name, value) for name, value in axes if name != AXIS)
