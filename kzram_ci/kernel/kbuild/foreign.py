"""The slot of a kernel with patches of others: never used for another kernel, yet not built from nothing.

What runs in a sandbox may leave programs and objects in its slot, so no other kernel may use them. The way there is
free: a slot starts as a copy of one of its family in which only the tree's own makefiles, or trusted ones, have run.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from kzram_ci.base import files, proc
from kzram_ci.base.clock import Deadline
from kzram_ci.kernel.kbuild.inputs import Inputs
from kzram_ci.kernel.kbuild.slot import OBJECTS, Slot
from kzram_ci.kernel.series import SeriesKind


def is_foreign(inputs: Inputs) -> bool:
    """Whether a kernel has patches that came with the command line, from wherever its user had them."""
    return any(choice.series.kind is SeriesKind.ONE_OFF for choice in inputs.series)


def start(path: Path, key: str, family: Sequence[Path], deadline: Deadline) -> None:
    """Have nothing in a slot but what the kernel of this key, or the first of `family` that is whole, made.

    The caller holds the slot's lock. Raises InfraError.
    """
    slot = Slot(path)
    if slot.state.foreign == key:
        return
    files.remove_tree(path, deadline)
    for donor in family:
        if not donor.is_dir():
            continue
        with files.lock(donor.with_name(f"{donor.name}.lock"), deadline):
            if _copied(Slot(donor), path, key, deadline):
                return
    with files.disk_errors(f"cannot write {path}"):
        path.mkdir(parents=True, exist_ok=True)
    Slot(path).remember(foreign=key)


def _copied(donor: Slot, path: Path, key: str, deadline: Deadline) -> bool:
    """Copy a slot; sources share their inodes, which are replaced and never written. False when it has no kernel."""
    if not donor.whole:
        return False
    with files.disk_errors(f"cannot write {path}"):
        path.mkdir(parents=True, exist_ok=True)
    slot, temporary = Slot(path), path / "src.new"
    proc.run(("cp", "-al", "--", str(donor.src), str(temporary)), deadline=deadline)
    files.remove_tree(temporary / OBJECTS, deadline)  # make writes into these
    proc.run(("cp", "-a", "--reflink=auto", "--", str(donor.out), str(temporary / OBJECTS)), deadline=deadline)
    slot.state = donor.state
    slot.remember(foreign=key)  # first: without its sources the slot is made anew
    files.settle(path)
    temporary.rename(slot.src)
    return True
