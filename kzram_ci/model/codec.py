"""Values to JSON and back by their annotations: one codec for everything that is kept on disk.

Old files stay readable: a field that is new takes its default, a field that is gone is passed over.
"""

from __future__ import annotations

from typing import Any, TypeVar

T = TypeVar("T")


_adapters: dict[Any, Any] = {}


def _adapter(kind: Any) -> Any:
    from pydantic import TypeAdapter

    if kind not in _adapters:
        _adapters[kind] = TypeAdapter(kind)
    return _adapters[kind]


def to_json(value: Any) -> Any:
    """A dataclass value as JSON-ready data (tuples become lists, enums their words).

    Raises ValueError where a field holds what its annotation does not allow: `from_json` could not read it back.
    """
    return _adapter(type(value)).dump_python(value, mode="json", warnings="error")


def from_json(kind: type[T], data: Any) -> T:
    """The value that `to_json` wrote. Raises ValueError when the data has another shape."""
    result: T = _adapter(kind).validate_python(data)
    return result
