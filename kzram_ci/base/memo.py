"""Answers that cost time, kept in the cache until what they depend on changes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kzram_ci.base import files
from kzram_ci.base.cache import mark_used
from kzram_ci.base.digest import digest_json


def memoized(memory: Path, stamp: Any, ask: Callable[[], Any]) -> Any:
    """The answer in the file `memory`; asked again when the stamp (a JSON value) is another or the file is damaged."""
    known = recall(memory, stamp)
    if known is None:
        known = ask()
        files.write_json(memory, {"stamp": digest_json(stamp), "answer": known})
    return known


def recall(memory: Path, stamp: Any) -> Any:
    """The answer when it is known, else None."""
    try:
        data = json.loads(memory.read_bytes())
        known = data["answer"] if data["stamp"] == digest_json(stamp) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
    mark_used(memory)
    return known


def file_stamp(path: Path) -> list[str | int]:
    """What tells one content of a file from another without reading it. Raises OSError."""
    status = path.stat()
    return [str(path), status.st_size, status.st_mtime_ns]


def memoized_of(path: Path, what: str, ask: Callable[[], Any], cache: Path) -> Any:
    """What `ask` says about a file, asked again when (path, size, mtime) changed: 150 MB take half a second."""
    memory = cache / "scans" / f"{what}-{digest_json([what, str(path)])[:16]}.json"
    return memoized(memory, file_stamp(path), ask)
