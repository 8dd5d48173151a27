"""What the cache holds, and removing the part that was not used for long. Never what is in use.

An entry is a direct child of one of PARTS: builds, object trees, sources, mirrors, logs. It is in use while
a process holds its lock (`<name>.lock` beside it or inside it), or when it was used within the last hour, as
`base.cache.mark_used` notes: what a run has found complete must stay for it.
"""

from __future__ import annotations

import os
import stat
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from kzram_ci.base import clock, files
from kzram_ci.base.cache import MANIFEST
from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import InfraError
from kzram_ci.base.values import dataclass

PARTS = (
    *("kernels", "slots", "sources", "rootfs", "roots", "snapshots", "selftests"),
    *("downloads", "git", "logs", "scans", "accel", "ccache-bin", "plans"),
)
RECENT_SECONDS = 3600.0
LEFTOVER_SECONDS = 86_400.0  # no build takes a day
_REMOVE_SECONDS = 600.0
_GONE = ".gone-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One thing in the cache. `used` is the latest use in seconds since the epoch."""

    part: str
    path: Path
    size: int  # bytes on disk; files with several links count where they are seen first
    used: float

    @property
    def name(self) -> str:
        """Part and file name."""
        return f"{self.part}/{self.path.name}"

    @property
    def leftover(self) -> bool:
        """Whether it is what a killed process left of an entry in the making."""
        return self.path.name.startswith(".")

    def age(self) -> float:
        """Seconds since it was last used."""
        return max(0.0, clock.now_utc().timestamp() - self.used)


def entries(root: Path) -> tuple[Entry, ...]:
    """Everything in the cache, least recently used first; locks are not entries."""
    seen: set[tuple[int, int]] = set()
    found = []
    for part in PARTS:
        for path in sorted((root / part).iterdir()) if (root / part).is_dir() else ():
            if path.suffix != ".lock":
                found.append(_entry(part, path, seen))
    return tuple(sorted(found, key=lambda entry: entry.used))


def _entry(part: str, path: Path, seen: set[tuple[int, int]]) -> Entry:
    size = 0
    for status in _statuses(path):
        if status.st_nlink > 1 and not stat.S_ISDIR(status.st_mode):
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
        size += status.st_blocks * 512
    return Entry(part=part, path=path, size=size, used=_used(path))


def _used(path: Path) -> float:
    """The latest sign of use: the manifest or file that `mark_used` touches, the lock that is taken, its own change.

    Access times count too: they may be a day old, but they never make what is used look older than it is.
    """
    times = [0.0]
    for item in (path, path / MANIFEST, path.with_name(f"{path.name}.lock")):
        try:
            status = item.lstat()
        except OSError:
            continue
        times.append(status.st_mtime)
        if item.is_file():  # listing a directory is not use
            times.append(status.st_atime)
    return max(times)


def _statuses(path: Path) -> Iterator[os.stat_result]:
    """Of a path and of all below it. A slot has 90,000 files: no path is put together for them."""
    waiting = []
    with suppress(OSError):
        status = path.lstat()
        yield status
        waiting = [str(path)] if stat.S_ISDIR(status.st_mode) else []
    while waiting:
        with suppress(OSError), os.scandir(waiting.pop()) as found:  # what went away meanwhile takes no room
            for item in found:
                with suppress(OSError):
                    yield item.stat(follow_symlinks=False)
                    if item.is_dir(follow_symlinks=False):
                        waiting.append(item.path)


def select(found: Sequence[Entry], *, older_than: float, max_bytes: int | None) -> tuple[Entry, ...]:
    """What to remove: unused for `older_than` seconds, then the least recently used until the rest fits.

    Nothing that was used within the last hour is chosen, whatever the limits say.
    """
    stale = [entry for entry in found if entry.age() >= RECENT_SECONDS]
    chosen = [
        entry for entry in stale if entry.age() >= (min(older_than, LEFTOVER_SECONDS) if entry.leftover else older_than)
    ]
    if max_bytes is not None:
        left = sum(entry.size for entry in found) - sum(entry.size for entry in chosen)
        for entry in stale:
            if left <= max_bytes:
                break
            if entry not in chosen:
                chosen.append(entry)
                left -= entry.size
    return tuple(chosen)


@contextmanager
def _unlocked(entry: Entry) -> Iterator[bool]:
    """Hold all locks of an entry for the block; gives False when another process holds one."""
    path = entry.path
    candidates = (
        path.with_name(f"{path.name}.lock"),
        path.with_name(f".{path.name}.lock"),
        path / "lock",
        path / ".lock",
    )
    with ExitStack() as held:
        try:
            for lock in candidates:
                if lock.is_file():
                    held.enter_context(files.lock(lock, Deadline.after(0)))
        except InfraError:
            yield False
            return
        yield True


def remove(entry: Entry) -> bool:
    """Remove one entry; False when it is locked. It leaves by rename first, so half of it is never seen.

    Raises InfraError when the disk refuses.
    """
    with _unlocked(entry) as free:
        if not free:
            return False
        gone = entry.path.with_name(f"{_GONE}{uuid.uuid4().hex[:8]}")
        try:
            entry.path.rename(gone)
            if gone.is_dir() and not gone.is_symlink():
                files.remove_tree(gone, Deadline.after(_REMOVE_SECONDS))
            else:
                gone.unlink()
        except FileNotFoundError:
            return True  # another gc was faster
        except OSError as error:
            raise InfraError(
                f"cannot remove {entry.path}: {error.strerror}", hint="check its owner and mode"
            ) from error
    return True
