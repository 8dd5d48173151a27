"""Values to JSON and back, strictly: a field that does not fit is an error, not a surprise later."""

from __future__ import annotations

import dataclasses
from typing import Any, TypeVar

T = TypeVar("T")


def to_json(value: Any) -> Any:
    """A dataclass value as JSON-ready data (tuples become lists, enums their words)."""
    return _plain(dataclasses.asdict(value))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


_adapters: dict[Any, Any] = {}


def _adapter(kind: Any) -> Any:
    from pydantic import TypeAdapter

    if kind not in _adapters:
        _adapters[kind] = TypeAdapter(kind)
    return _adapters[kind]


def from_json(kind: type[T], data: Any) -> T:
    """The value that `to_json` wrote. Raises ValueError when the data has another shape."""
    result: T = _adapter(kind).validate_python(data)
    return result
