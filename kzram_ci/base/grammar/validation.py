"""Data through a pydantic model; what pydantic finds wrong becomes a line for people. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from kzram_ci.base.grammar.problems import Document, Key, Problems, Where
from kzram_ci.base.suggest import allowed

if TYPE_CHECKING:
    from pydantic import BaseModel

    M = TypeVar("M", bound=BaseModel)

_KINDS = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "bool_type": "true or false",
    "string_type": "a word",
    "float_type": "a number",
    "list_type": "a list ([a, b], or a line `- a` each)",
    "dict_type": "a mapping (key: value)",
    "model_type": "a mapping (key: value)",
    "model_attributes_type": "a mapping (key: value)",
}
_BOUNDS = {
    "greater_than_equal": ("ge", "at least"),
    "less_than_equal": ("le", "at most"),
    "greater_than": ("gt", "more than"),
    "less_than": ("lt", "less than"),
    "too_short": ("min_length", "a length of at least"),
    "string_too_short": ("min_length", "a length of at least"),
}


def checked(
    model: type[M],
    data: Any,
    document: Document,
    problems: Problems,
    *,
    where: Where = (),
    context: Mapping[str, Any] | None = None,
) -> M | None:
    """The model of `data`, or None with all that is wrong recorded. `where` is the data's place in the document."""
    from pydantic import ValidationError

    try:
        return model.model_validate(data, context={**(context or {}), "problems": problems})
    except ValidationError as error:
        for item in error.errors(include_url=False):
            place, is_key = _place(document, where, item["loc"], missing=item["type"] == "missing")
            problems.add(document.file, place, _words(dict(item), place), key=is_key)
    return None


def _place(document: Document, where: Where, loc: tuple[Key, ...], *, missing: bool) -> tuple[Where, bool]:
    """The path in the file; names of union members, which are in pydantic's location, are not in the file."""
    is_key = "[key]" in loc
    for part in loc:
        if document.has((*where, part)):
            where = (*where, part)
    return ((*where, loc[-1]) if missing else where), is_key


def _words(item: dict[str, Any], place: Where) -> str:
    kind, got, context = item["type"], item.get("input"), item.get("ctx", {})
    if kind == "missing":
        return f"{place[-1]} is required"
    if kind == "value_error":
        return str(context["error"])
    if kind == "literal_error":
        known = re.findall(r"'([^']*)'", str(context.get("expected", "")))
        return f"unknown value {_show(got)}; {allowed(got, known)}"
    return _expected(kind, got, context) or f"{str(item['msg'])[:1].lower()}{str(item['msg'])[1:]}, got {_show(got)}"


def _expected(kind: str, got: Any, context: Mapping[str, Any]) -> str:
    if kind in _KINDS:
        hint = "; write it in quotes" if kind == "string_type" and isinstance(got, (int, float, bool)) else ""
        return f"expected {_KINDS[kind]}, got {_show(got)}{hint}"
    if kind in _BOUNDS:
        name, says = _BOUNDS[kind]
        bound = str(context.get(name)).removesuffix(".0")
        return f"expected {says} {bound}, got {_show(got)}"
    if kind == "string_pattern_mismatch":
        return f"{_show(got)} does not have the form {context.get('pattern')}"
    return ""


def _show(value: Any) -> str:
    """A value in an error: as YAML spells it, never long."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "a mapping" if value else "an empty mapping"
    if isinstance(value, list):
        return "a list" if value else "an empty list"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
