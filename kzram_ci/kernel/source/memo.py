"""Files whose digest is remembered, and how long to wait for another process that downloads the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from kzram_ci.base import files
from kzram_ci.base.digest import digest_json
from kzram_ci.kernel.context import Context

LOCK_SECONDS = 1800.0


def remembered(path: Path, what: str, ask: Callable[[], Any], context: Context) -> Any:
    """What `ask` says about a file, asked again only when (path, size, mtime) changed: 150 MB take half a second."""
    status = path.stat()
    stamp = [what, str(path), status.st_size, status.st_mtime_ns]
    memory = context.cache / "scans" / f"{digest_json(stamp)[:16]}.json"
    if memory.is_file():
        return files.read_json(memory)
    answer = ask()
    files.write_json(memory, answer)
    return answer
