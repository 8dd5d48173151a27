"""The cache: where it lies, entries that appear complete or not at all, and when they were used last."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path

from kzram_ci.base.clock import Deadline
from kzram_ci.base.files import disk_errors, keep_names, lock, settle

MANIFEST = "manifest.json"


def cache_root() -> Path:
    """Where builds and downloads live: $KZRAM_CACHE, else the user's cache directory."""
    if chosen := os.environ.get("KZRAM_CACHE"):
        return Path(chosen).expanduser().absolute()
    from platformdirs import user_cache_path

    return user_cache_path("kzram-ci").absolute()


def complete(entry: Path) -> bool:
    """Whether a cache entry was finished: entries appear by rename, so the manifest proves it.

    Raises InfraError for one that this user may not read.
    """
    with disk_errors(f"cannot read {entry}"), suppress(FileNotFoundError, NotADirectoryError):
        return stat.S_ISREG((entry / MANIFEST).stat().st_mode)
    return False


def mark_used(path: Path) -> None:
    """Note that something in the cache is used now. `cache gc` goes by it: access times lag by a day (relatime)."""
    with suppress(OSError):  # a cache that may only be read
        os.utime(path / MANIFEST if complete(path) else path, follow_symlinks=False)


def mark_used_by_path(cache: Path, path: Path) -> None:
    """Note the use of the entry that a file lies in; a file elsewhere, such as an installed kernel, is left alone."""
    if path.is_relative_to(cache) and len(within := path.relative_to(cache).parts) > 1:
        mark_used(cache / within[0] / within[1])


def once(
    entry: Path, make: Callable[[], None], deadline: Deadline, *, stale: Callable[[], bool] = lambda: False
) -> Path:
    """Have an entry that is complete, and not `stale`: made if need be, by one process at a time, and used from now on.

    What processes that were killed left of it is removed: of a saved guest it is as large as the guest's memory.

    Raises what `make` raises; InfraError when another process is at it past the deadline.
    """
    if not complete(entry) or stale():
        with lock(entry.with_name(f"{entry.name}.lock"), deadline):
            if not complete(entry) or stale():
                _sweep(entry)
                make()
    mark_used(entry)
    return entry


def _sweep(entry: Path) -> None:
    """Remove what was begun of an entry, whose lock is ours, and never finished."""
    for path in entry.parent.glob(f".{escape(entry.name)}.????????"):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)


@contextmanager
def entry_in_progress(entry: Path) -> Iterator[Path]:
    """A temporary directory beside `entry`, renamed to it when the block succeeds, removed when not."""
    with disk_errors(f"cannot write {entry.parent}"):
        entry.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=entry.parent, prefix=f".{entry.name}."))
    try:
        yield temporary
        with disk_errors(f"cannot finish {entry}"):
            os.chmod(temporary, 0o755)
            if complete(entry):
                return
            shutil.rmtree(entry, ignore_errors=True)
            settle(temporary)
            os.replace(temporary, entry)
            keep_names(entry.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
