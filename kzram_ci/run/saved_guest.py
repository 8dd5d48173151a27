"""A saved guest on disk: its files, whether they are as they were saved, throwing it away, and how much there may be.

It is a cache entry: the guest's memory, QEMU's state without it, and what its console said.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from kzram_ci.base import cache, clock, files
from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import InfraError
from kzram_ci.base.values import dataclass
from kzram_ci.model.layout import CellFile

PART = "snapshots"  # of the cache
MEMORY, STATE = "memory", "state"
COMPLAINT = "complaint"  # in the manifest: what its kernel complained of while it booted; then there is no guest
LIMIT_BYTES = 4 << 30  # of all saved guests together; a bisection makes one for each commit
LEFTOVER_SECONDS = 3600.0  # no guest takes as long to be saved
_BLOCK = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """A saved guest."""

    entry: Path

    @property
    def memory(self) -> Path:
        """The guest's memory, mapped privately by those that start from it."""
        return self.entry / MEMORY

    @property
    def state(self) -> Path:
        """QEMU's state of all else."""
        return self.entry / STATE

    @property
    def console(self) -> Path:
        """What its kernel said until then."""
        return self.entry / CellFile.CONSOLE


def describe(directory: Path, complaint: str, about: dict[str, str]) -> None:
    """Write the manifest of what was saved: from now on it is complete. A complaint leaves no files."""
    if complaint:
        for name in (MEMORY, STATE):
            (directory / name).unlink(missing_ok=True)
    sums = {} if complaint else {name: digest(directory / name) for name in (MEMORY, STATE)}
    files.write_json(directory / cache.MANIFEST, {**about, COMPLAINT: complaint, **sums})


def whole(saved: Saved) -> bool:
    """Whether the files are as they were saved: what a wrong bit does would be taken for the kernel's fault."""
    try:
        about = files.read_json(saved.entry / cache.MANIFEST)
        if about[COMPLAINT]:
            return True
        stamp = tuple((name, about[name], (saved.entry / name).stat().st_mtime_ns) for name in (MEMORY, STATE))
        return _checked(saved.entry, stamp)
    except (InfraError, OSError, KeyError, TypeError):
        return False


@lru_cache(maxsize=1024)
def _checked(entry: Path, stamp: tuple[tuple[str, str, int], ...]) -> bool:
    """Once in a process: what was read then is what a later guest maps."""
    return all(digest(entry / name) == wanted for name, wanted, _ in stamp)


def digest(path: Path) -> str:
    """Of a file's blocks that are not zero, and its size; holes are not read."""
    state, position = hashlib.sha256(str(path.stat().st_size).encode()), 0
    with path.open("rb") as handle:
        while True:
            try:
                position = os.lseek(handle.fileno(), position, os.SEEK_DATA) // _BLOCK * _BLOCK
            except OSError:  # no data behind it
                return state.hexdigest()
            block = os.pread(handle.fileno(), _BLOCK, position)
            if block.count(0) < len(block):
                state.update(position.to_bytes(8, "little") + block)
            position += _BLOCK


def discard(saved: Saved, deadline: Deadline) -> None:
    """Throw a saved guest away. A guest that runs from it keeps what it has mapped."""
    with files.lock(saved.entry.with_name(f"{saved.entry.name}.lock"), deadline):
        shutil.rmtree(saved.entry, ignore_errors=True)


def trim(part: Path, keep: Path, limit: int = LIMIT_BYTES) -> None:
    """Throw away the saved guests that were not used for longest until the rest fits; `keep` stays.

    One that another process is about to start from may go as well: its cell boots then. `cache gc` does without that,
    but nobody runs it in the middle of a bisection. What a process left that was killed while it saved goes too.
    """
    now = clock.now_utc().timestamp()
    for left_over in part.glob(".*"):
        with suppress(OSError):
            if left_over.is_dir() and now - left_over.stat().st_mtime > LEFTOVER_SECONDS:
                shutil.rmtree(left_over, ignore_errors=True)
    found = sorted(_sizes(part))
    left = sum(size for _, size, _ in found)
    for _, size, entry in found:
        if left <= limit:
            return
        if entry != keep:
            with suppress(InfraError):  # another process makes it just now
                discard(Saved(entry=entry), Deadline.after(0))
                left -= size


def _sizes(part: Path) -> Iterator[tuple[float, int, Path]]:
    """When each was used last, its bytes on disk, and where it is."""
    for entry in part.iterdir():
        with suppress(OSError):
            used = (entry / cache.MANIFEST).stat().st_mtime  # `mark_used` touches it
            yield used, sum(path.stat().st_blocks for path in entry.iterdir()) * 512, entry
