"""SHA-256 of bytes, JSON values and files: the addresses of what is cached."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

from kzram_ci.base.errors import InfraError


def digest_bytes(*parts: bytes) -> str:
    """SHA-256 over length-prefixed parts, so that no two lists of parts can collide."""
    state = hashlib.sha256()
    for part in parts:
        state.update(len(part).to_bytes(8, "big"))
        state.update(part)
    return state.hexdigest()


def sha256(data: bytes) -> str:
    """SHA-256 of the bytes alone, as sha256sum has it."""
    return hashlib.sha256(data).hexdigest()


def digest_json(value: Any) -> str:
    """SHA-256 of a JSON value in canonical form."""
    return digest_bytes(json.dumps(value, sort_keys=True, separators=(",", ":")).encode())


def digest_file(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def digest_files(paths: Iterable[Path]) -> str:
    """SHA-256 over the content of files; "" when one of them cannot be read. Raises InfraError where it may not be.

    Each is read once in a process, unless it changes: what was whole then is what a later guest gets.
    """
    try:
        return digest_json([_remembered(path, path.stat().st_size, path.stat().st_mtime_ns) for path in paths])
    except PermissionError as error:
        hint = "check the owner and the permissions, or choose another cache: KZRAM_CACHE=DIR"
        raise InfraError(f"cannot read {error.filename}: {error.strerror}", hint=hint) from error
    except OSError:
        return ""


@lru_cache(maxsize=4096)
def _remembered(path: Path, size: int, changed: int) -> str:
    return digest_file(path)
