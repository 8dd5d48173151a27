"""Asking the bare repositories in the cache, which borrow the objects of the user's or hold what was fetched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kzram_ci.base import files, git, proc
from kzram_ci.base.cache import MANIFEST
from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import CommandFailed, InfraError


def ask(repository: Path, *words: str, deadline: Deadline, **options: Any) -> proc.Completed:
    """A git command that must not fail. Raises InfraError: the disk is full, or objects are missing."""
    try:
        return git.run(*words, directory=repository, deadline=deadline, **options)
    except CommandFailed as error:
        full = "No space left" in error.tail
        hint = "free disk space: kzram-ci cache gc" if full else _incomplete(repository)
        raise InfraError(error.message, hint=hint) from error


def _incomplete(repository: Path) -> str:
    """What helps when objects are missing."""
    try:
        origin = files.read_json(repository / MANIFEST)["origin"]
    except (InfraError, KeyError, TypeError):
        origin = ""
    if not Path(origin).is_dir():
        return f"git -C {repository} fsck; what is removed is fetched again"
    return f"git -C {origin} fsck; a partial clone is completed by: git -C {origin} fetch --refetch --no-filter"
