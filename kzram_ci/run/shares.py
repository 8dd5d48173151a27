"""Directories of the host for a guest, as a command line names them: DIR, DIR:ro or DIR:rw."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from kzram_ci.base.errors import UserError
from kzram_ci.model.machine import Share

MOUNTS = "/mnt"  # in the guest
FRAGMENT = "share"  # what a kernel must be configured with


def shares_of(words: Sequence[str]) -> tuple[Share, ...]:
    """The shares, each at a place of its own in the guest. Raises UserError."""
    found: list[Share] = []
    for word in words:
        share = _share(word, {share.mount for share in found})
        if any(share.directory == other.directory for other in found):
            raise UserError(f"--share {word}: {share.directory} is shared twice", hint="once is enough")
        found.append(share)
    return tuple(found)


def _share(word: str, taken: set[str]) -> Share:
    name, mode = (word[:-3], word[-2:]) if word.endswith((":ro", ":rw")) and not Path(word).is_dir() else (word, "ro")
    path = Path(name).expanduser().absolute()
    if not path.is_dir():
        what = "is not a directory" if path.exists() else "does not exist"
        raise UserError(f"--share {word}: {path} {what}", hint="--share DIR, DIR:ro or DIR:rw")
    if not os.access(path, os.R_OK | os.X_OK | (os.W_OK if mode == "rw" else 0)):
        raise UserError(f"--share {word}: you may not {'write to' if mode == 'rw' else 'read'} {path}", hint="chmod")
    slug = re.sub(r"[^A-Za-z0-9._-]+", "-", path.name).strip("-.") or "host"
    numbered = (slug, *(f"{slug}-{number}" for number in range(2, len(taken) + 3)))
    mount = next(place for each in numbered if (place := f"{MOUNTS}/{each}") not in taken)
    return Share(directory=str(path), mount=mount, writable=mode == "rw")


def words(share: Share) -> str:
    """For a person: where a directory is in the guest."""
    return f"{share.directory} is {share.mount} in the guest, {'writable' if share.writable else 'read-only'}"
