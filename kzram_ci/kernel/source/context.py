"""What fetching needs beside the reference, and files whose digest is remembered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kzram_ci.base import files
from kzram_ci.base.clock import Deadline
from kzram_ci.base.digest import digest_json
from kzram_ci.model.events import Event, Listener, silent

LOCK_SECONDS = 1800.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """`refresh`: ask the origin for something newer than what was downloaded; `offline`: never ask it."""

    cache: Path
    deadline: Deadline
    listener: Listener = silent
    refresh: bool = False
    offline: bool = False

    def note(self, subject: str, text: str) -> None:
        """Tell whoever watches."""
        self.listener(Event(kind="note", subject=subject, text=text))


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
