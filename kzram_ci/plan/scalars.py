"""The scalar types of the plan grammar, as pydantic annotations; imported late, by `schema` only."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, WithJsonSchema

from kzram_ci.model.vocab import OOPS_TYPES
from kzram_ci.plan import vocabulary
from kzram_ci.plan.marks import allowed
from kzram_ci.plan.units import parse_duration, parse_size

NAME = r"^[A-Za-z0-9][A-Za-z0-9._+-]*$"


def text_of(value: Any) -> Any:
    """YAML reads 842 as a number; as a name it is a word."""
    return str(value) if type(value) in {int, float} else value


def one_or_many(value: Any) -> Any:
    """One word where a list is wanted is a list of one."""
    return [value] if isinstance(value, (str, int, float)) and not isinstance(value, bool) else value


def _choice(what: str, known: tuple[str, ...]) -> Any:
    """A word out of a list; the error names the list and the nearest word."""

    def check(value: str) -> str:
        if value not in known:
            raise ValueError(f"unknown {what} {value!r}; {allowed(value, known)}")
        return value

    return AfterValidator(check)


def _check_name(value: str) -> str:
    if not re.match(NAME, value):
        raise ValueError(f"{value!r} is not a name; letters, digits, . _ + - are allowed, the first a letter or digit")
    return value


def _check_regex(value: str) -> str:
    try:
        re.compile(value)
    except re.error as error:
        raise ValueError(f"{value!r} is not a regular expression: {error}") from error
    return value


def _check_counter(value: str) -> str:
    if complaint := vocabulary.counter_complaint(value):
        raise ValueError(complaint)
    return value


def _check_workload(value: str, info: ValidationInfo) -> str:
    known = (info.context or {}).get("workloads", vocabulary.WORKLOADS)
    if value not in known:
        raise ValueError(f"unknown workload {value!r}; {allowed(value, known)}")
    return value


def _check_word(value: str) -> str:
    if not value or value.split() != [value]:
        raise ValueError(f"{value!r} must be one word without blanks")
    return value


_SIZE_SCHEMA = {"anyOf": [{"type": "string", "pattern": r"^[0-9.]+ ?[KMGT](i?B)?$"}, {"const": 0}]}
_TIME_SCHEMA = {"anyOf": [{"type": "string", "pattern": r"^[0-9.]+ ?(ms|s|m|h)$"}, {"const": 0}]}


def _check_argument(value: Any) -> Any:
    if value is not None and not isinstance(value, (str, int, float)):
        raise ValueError("expected a word, a number, true or false, not a list or a mapping")
    return _check_word(value) if isinstance(value, str) else value


MANY_SCHEMA = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}

Word = Annotated[str, BeforeValidator(text_of), AfterValidator(_check_word)]
Name = Annotated[str, BeforeValidator(text_of), AfterValidator(_check_name)]
Regex = Annotated[str, AfterValidator(_check_regex), WithJsonSchema({"type": "string", "format": "regex"})]
Size = Annotated[int, BeforeValidator(parse_size), WithJsonSchema(_SIZE_SCHEMA)]
Seconds = Annotated[float, BeforeValidator(parse_duration), WithJsonSchema(_TIME_SCHEMA)]
Patterns = Annotated[list[Word], BeforeValidator(one_or_many), WithJsonSchema(MANY_SCHEMA)]
Counter = Annotated[str, AfterValidator(_check_counter)]
Bounds = dict[Counter, Annotated[int, Field(ge=0)] | None]
Workload = Annotated[
    str, AfterValidator(_check_workload), WithJsonSchema({"type": "string", "examples": ["anonmutate"]})
]
OopsType = Annotated[
    str, _choice("oops type", OOPS_TYPES), WithJsonSchema({"type": "string", "enum": list(OOPS_TYPES)})
]
Algorithm = Annotated[
    Word, _choice("algorithm", vocabulary.ALGORITHMS), WithJsonSchema({"enum": [*vocabulary.ALGORITHMS, 842]})
]
ArgValue = Annotated[
    Any, AfterValidator(_check_argument), WithJsonSchema({"type": ["string", "number", "boolean", "null"]})
]
