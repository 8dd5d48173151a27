"""What a run tells whoever watches: the live view, plain lines, or nobody."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that happened. `subject` is a kernel name or a cell id.

    kind: build-start, build-progress (done/total objects), build-done, cell-start, cell-progress (counters),
    cell-oops, cell-retry, cell-done, note.
    """

    kind: str
    subject: str
    text: str = ""
    done: int = 0
    total: int = 0
    counters: Mapping[str, int] = field(default_factory=dict)


Listener = Callable[[Event], None]


def silent(event: Event) -> None:
    """The listener of those who do not watch."""
