"""Where, until when and how a kernel is fetched and built: one value for all stages of the room."""

from __future__ import annotations

from dataclasses import field
from pathlib import Path

from kzram_ci.base import budget
from kzram_ci.base.clock import Deadline
from kzram_ci.base.library import Library
from kzram_ci.base.values import dataclass
from kzram_ci.model.events import Listener, Note, silent
from kzram_ci.store.shared import Shelf

LOCK_SECONDS = 1800.0  # how long to wait for another process that downloads the same


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """`refresh`: ask the origin for something newer than what was downloaded; `offline`: never ask it, and start
    nothing that a kernel's definition names.
    """

    cache: Path
    deadline: Deadline
    listener: Listener = silent
    jobs: int = field(default_factory=budget.cpus)  # of make
    refresh: bool = False
    offline: bool = False
    sandbox: bool = False  # code of the tree is run under bubblewrap
    library: Library = field(default_factory=Library)
    shelf: Shelf = field(default_factory=Shelf, compare=False)  # stores; an offline context asks none
    told: set[str] = field(default_factory=set, compare=False)  # notes so far: kernels of one plan share a source

    def note(self, subject: str, text: str) -> None:
        """Tell the listener something worth knowing, once, whichever kernel it comes up with."""
        if text not in self.told:
            self.told.add(text)
            self.listener(Note(subject=subject, text=text))
