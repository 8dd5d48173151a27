"""A listener that can be pickled, for jobs that an executor may run in another process."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager

from kzram_ci.base.values import dataclass
from kzram_ci.model.events import Event, Listener

_listeners: dict[int, Listener] = {}
_numbers = itertools.count()


@dataclass(frozen=True, slots=True, kw_only=True)
class Relay:
    """Hands events to a listener of the process that made it; in another process they are dropped."""

    process: int
    number: int

    def __call__(self, event: Event) -> None:
        """Be a listener."""
        if os.getpid() == self.process and (listener := _listeners.get(self.number)) is not None:
            listener(event)


@contextmanager
def relayed(listener: Listener) -> Iterator[Relay]:
    """A relay to a listener, as long as the block lasts."""
    relay = Relay(process=os.getpid(), number=next(_numbers))
    _listeners[relay.number] = listener
    try:
        yield relay
    finally:
        del _listeners[relay.number]
