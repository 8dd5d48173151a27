"""Writing and removing single files of a slot, which shares the inodes of its files with the unpacked archive."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from kzram_ci.base import files


def content_of(path: Path) -> bytes | None:
    """A file's content, None when there is none."""
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None


def write_if_changed(target: Path, content: bytes, *, executable: bool = False) -> bool:
    """Give a file this content; False when it has it. What is linked to the old inode keeps the old content."""
    try:
        before = target.read_bytes()
        mode = target.stat().st_mode & 0o777
    except (FileNotFoundError, NotADirectoryError):
        before, mode = None, 0o755 if executable else 0o644
    if before == content:
        return False
    with files.disk_errors(f"cannot write {target}"):
        target.parent.mkdir(parents=True, exist_ok=True)
        fresh = target.with_name(f".{target.name}.kzram")
        fresh.write_bytes(content)
        fresh.chmod(mode)
        os.replace(fresh, target)
    return True


def remove(root: Path, path: str) -> bool:
    """Remove a file below `root`, and each directory above it that is empty then; False when there is no such file."""
    above = [parent for parent in (root / path).parents if parent.is_relative_to(root) and parent != root]
    if any(parent.is_symlink() for parent in above):
        return False  # the name leads to another file now
    with files.disk_errors(f"cannot remove {root / path}"):
        try:
            (root / path).unlink()
            removed = True
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            removed = False
    for parent in above:
        with suppress(OSError):  # it is gone already, or holds something
            parent.rmdir()
    return removed


def remove_empty(directory: Path) -> None:
    """Remove a directory if there is no file anywhere in it."""
    for where, _, _ in os.walk(directory, topdown=False):
        with suppress(OSError):
            Path(where).rmdir()
