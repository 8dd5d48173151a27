"""The notes among the events of a run, a build or a download."""

from __future__ import annotations

from collections.abc import Iterable

from kzram_ci.model.events import Event, Note


def notes(events: Iterable[Event]) -> list[str]:
    """Their texts, in order."""
    return [event.text for event in events if isinstance(event, Note)]
