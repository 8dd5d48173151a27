"""What a worker tells of a cell while it runs, as JSON values that a scheduler passes on. Pure."""

from __future__ import annotations

from typing import Any

from kzram_ci.base.values import dataclass
from kzram_ci.model import codec
from kzram_ci.model.events import BuildProgress, BuildStarted, CellOops, CellProgress, CellRetried, Event, Note

_KINDS = {kind.__name__: kind for kind in (BuildStarted, BuildProgress, CellProgress, CellOops, CellRetried, Note)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Began:
    """A cell begins on a worker; a second time after a worker was lost, or after `why`."""

    cell: str
    worker: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """A cell ends on a worker for reasons of its host, and may begin again."""

    cell: str
    worker: str
    why: str


Message = Began | Failed | BuildStarted | BuildProgress | CellProgress | CellOops | CellRetried | Note
_ALL: dict[str, Any] = {**_KINDS, "Began": Began, "Failed": Failed}


def event_of(value: Event | Message) -> Message | None:
    """What is passed on of what a cell tells its listener; the rest is the run's own to tell."""
    return value if isinstance(value, tuple(_KINDS.values())) else None  # type: ignore[return-value]  # by the table


def render(message: Message) -> dict[str, Any]:
    """As JSON."""
    return {"kind": type(message).__name__, "value": codec.to_json(message)}


def parse(data: Any) -> Message | None:
    """What a worker sent; None for what no worker of ours sends."""
    if not isinstance(data, dict) or (kind := _ALL.get(str(data.get("kind")))) is None:
        return None
    try:
        found: Message = codec.from_json(kind, data.get("value"))
    except (ValueError, RecursionError):
        return None
    return found
