"""The cache: where it lies, and entries that appear complete or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kzram_ci.base.files import disk_errors

MANIFEST = "manifest.json"


def cache_root() -> Path:
    """Where builds and downloads live: $KZRAM_CACHE, else the user's cache directory."""
    if chosen := os.environ.get("KZRAM_CACHE"):
        return Path(chosen).expanduser().absolute()
    from platformdirs import user_cache_path

    return user_cache_path("kzram-ci").absolute()


def complete(entry: Path) -> bool:
    """Whether a cache entry was finished: entries appear by rename, so the manifest proves it."""
    return (entry / MANIFEST).is_file()


@contextmanager
def entry_in_progress(entry: Path) -> Iterator[Path]:
    """A temporary directory beside `entry`, renamed to it when the block succeeds, removed when not."""
    entry.parent.mkdir(parents=True, exist_ok=True)
    with disk_errors(f"cannot write {entry.parent}"):
        temporary = Path(tempfile.mkdtemp(dir=entry.parent, prefix=f".{entry.name[:16]}."))
    try:
        yield temporary
        with disk_errors(f"cannot finish {entry}"):
            os.chmod(temporary, 0o755)
            if complete(entry):
                return
            shutil.rmtree(entry, ignore_errors=True)
            os.replace(temporary, entry)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
