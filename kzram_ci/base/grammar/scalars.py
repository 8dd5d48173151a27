"""The scalar types that all grammars share, as pydantic annotations; imported late. Pure."""

import re
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import Field, GetCoreSchemaHandler, WithJsonSchema
from pydantic_core import CoreSchema, core_schema

from kzram_ci.base import patterns
from kzram_ci.base.grammar.yaml_source import Decimal, Whole
from kzram_ci.base.suggest import allowed

NAME = r"^[A-Za-z0-9][A-Za-z0-9._+-]*$"


class Checked:
    """As BeforeValidator and AfterValidator for functions of one argument; of those, pydantic inspects the signature of
    each function at each use.
    """

    def __init__(self, before: Callable[[Any], Any] | None = None, after: Callable[[Any], Any] | None = None) -> None:
        """`before`: makes of what was written what the type takes; `after`: looks at the value of the type."""
        self._before, self._after = before, after

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """The checks around those of the type."""
        schema = handler(source)
        if self._before is not None:
            schema = core_schema.no_info_before_validator_function(self._before, schema)
        return schema if self._after is None else core_schema.no_info_after_validator_function(self._after, schema)


def no_items() -> list[Any]:
    """`list`, for `default_factory`: what a class written in C takes pydantic reads from a text, by the tokenizer."""
    return []


def no_rows() -> dict[str, Any]:
    """`dict`, likewise."""
    return {}


def text_of(value: Any) -> Any:
    """YAML reads 842 as a number; as a name it is a word, spelled as it was written."""
    if isinstance(value, (Whole, Decimal)):
        return value.text
    return str(value) if type(value) in {int, float} else value


def any_word(value: Any) -> Any:
    """As `text_of`, where `true` and `false` are words too."""
    return ("false", "true")[value] if isinstance(value, bool) else text_of(value)


def one_or_many(value: Any) -> Any:
    """One word where a list is wanted is a list of one."""
    return [value] if isinstance(value, (str, int, float)) and not isinstance(value, bool) else value


def choice(what: str, known: tuple[str, ...]) -> Any:
    """A word out of a list; the error names the list and the nearest word."""

    def check(value: str) -> str:
        if value not in known:
            raise ValueError(f"unknown {what} {value!r}; {allowed(value, known)}")
        return value

    return Checked(after=check)


def check_word(value: str) -> str:
    """One word. Raises ValueError."""
    if not value or value.split() != [value]:
        raise ValueError(f"{value!r} must be one word without blanks")
    return value


def _check_name(value: str) -> str:
    if not re.match(NAME, value):
        raise ValueError(f"{value!r} is not a name; letters, digits, . _ + - are allowed, the first a letter or digit")
    return value


def _check_regex(value: str) -> str:
    if patterns.looks_right(value):
        return value
    try:
        re.compile(value)
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(f"{value!r} is not a regular expression: {error}") from error
    patterns.check(value)
    return value


_WORD_SCHEMA = {"type": ["string", "number"]}
MANY_SCHEMA = {"anyOf": [_WORD_SCHEMA, {"type": "array", "items": _WORD_SCHEMA}]}

Word = Annotated[str, Checked(before=text_of, after=check_word)]
Name = Annotated[str, Checked(before=text_of, after=_check_name)]
Text = Annotated[str, Checked(before=text_of), Field(min_length=1)]
Regex = Annotated[
    str, Checked(before=text_of, after=_check_regex), WithJsonSchema({"type": "string", "format": "regex"})
]
Patterns = Annotated[list[Word], Checked(before=one_or_many), WithJsonSchema(MANY_SCHEMA)]
