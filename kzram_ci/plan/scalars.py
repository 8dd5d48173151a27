"""The scalar types of the plan grammar, as pydantic annotations; imported late, by `schema` only."""

import posixpath
import shlex
from typing import Annotated, Any

from pydantic import AfterValidator, Field, ValidationInfo, WithJsonSchema

from kzram_ci.base.grammar.scalars import (
    MANY_SCHEMA,
    Checked,
    Name,
    Patterns,
    Regex,
    Text,
    Word,
    check_word,
    choice,
    one_or_many,
    text_of,
)
from kzram_ci.base.suggest import allowed
from kzram_ci.base.units import parse_duration, parse_size
from kzram_ci.model.cmdline import kernel_word
from kzram_ci.model.vocab import OOPS_TYPES
from kzram_ci.plan import vocabulary
from kzram_ci.plan.counters import fault_of

__all__ = ["MANY_SCHEMA", "Name", "Patterns", "Regex", "Word", "one_or_many", "text_of"]  # of all grammars


MOST_DAYS = 30
MOST_SECONDS = MOST_DAYS * 86_400.0
MOST_TIB = 16  # the largest file of ext4; no guest has more memory either


def _check_counter(value: str) -> str:
    if text := fault_of(value):
        raise ValueError(text)
    return value


def _check_workload(value: str, info: ValidationInfo) -> str:
    known = (info.context or {}).get("workloads", ())
    if value not in known:
        raise ValueError(f"unknown workload {value!r}; {allowed(value, known)}")
    return value


_SIZE_SCHEMA = {"anyOf": [{"type": "string", "pattern": r"^[0-9.]+ ?[KMGT](i?B)?$"}, {"const": 0}]}
_TIME_SCHEMA = {"anyOf": [{"type": "string", "pattern": r"^[0-9.]+ ?(ms|s|m|h|d|w)$"}, {"const": 0}]}


def _duration(value: object) -> float:
    """A duration that a run can last."""
    seconds = parse_duration(value)
    if seconds > MOST_SECONDS:
        raise ValueError(f"{value} is longer than any run: at most {MOST_DAYS}d")
    return seconds


def _size(value: object) -> int:
    """A size in MiB that a host can have."""
    mib = parse_size(value)
    if mib > MOST_TIB << 20:
        raise ValueError(f"{value} is larger than any file: at most {MOST_TIB}T")
    return mib


def _check_argument(value: Any) -> Any:
    if value is not None and not isinstance(value, (str, int, float)):
        raise ValueError("expected a word, a number, true or false, not a list or a mapping")
    return check_word(value) if isinstance(value, str) else value


# Words that mean something to a shell: a test's command is started without one.
_OF_SHELLS = ("|", "||", "&", "&&", ";", ">", ">>", "<", "<<", "2>", "2>&1")


def _command(value: Any) -> Any:
    """A line of words as a shell splits it, or a list of words."""
    if not isinstance(value, str):
        return value
    try:
        words = shlex.split(value)
    except ValueError as error:
        raise ValueError(f"{value!r} cannot be split into words: {error}") from error
    if found := next((word for word in words if word in _OF_SHELLS or word.endswith(";")), None):
        raise ValueError(f"{found!r} is a shell's: write sh -c '…', or put the line into a script")
    return words


def _check_command(value: list[str]) -> list[str]:
    if not value or not value[0]:
        raise ValueError("expected a program and its arguments, such as ./repro.sh --fast")
    if wrong := next((word for word in value if "\0" in word), None):
        raise ValueError(f"{wrong!r} holds a NUL, which no argument can")
    return value


def _check_guest_path(value: str) -> str:
    plain = posixpath.normpath(value)
    if plain.startswith("..") or plain in (".", "/") or value.endswith("/") or not value.isprintable():
        raise ValueError(f"{value!r} is not a file of the guest: a path below the test's folder, or from / on")
    return value


def _split_at(separator: str | None) -> Checked:
    def split(value: Any) -> Any:
        return value.split(separator) if isinstance(value, str) else value

    return Checked(before=split)


# Words as on a command line (`-O ^has_journal`), and options as mount takes them (`noatime,data=journal`); or lists
Words = Annotated[list[Word], _split_at(None), WithJsonSchema(MANY_SCHEMA)]
MountOptions = Annotated[list[Word], _split_at(","), WithJsonSchema(MANY_SCHEMA)]
KernelWord = Annotated[str, Checked(before=text_of, after=kernel_word)]
Size = Annotated[int, Checked(before=_size), WithJsonSchema(_SIZE_SCHEMA)]
Seconds = Annotated[float, Checked(before=_duration), WithJsonSchema(_TIME_SCHEMA)]
Counter = Annotated[str, Checked(after=_check_counter)]
Bounds = dict[Counter, Annotated[int, Field(ge=0)] | None]
Workload = Annotated[
    str, AfterValidator(_check_workload), WithJsonSchema({"type": "string", "examples": ["anonmutate"]})
]
OopsType = Annotated[str, choice("oops type", OOPS_TYPES), WithJsonSchema({"type": "string", "enum": list(OOPS_TYPES)})]
Algorithm = Annotated[
    Word, choice("algorithm", vocabulary.ALGORITHMS), WithJsonSchema({"enum": [*vocabulary.ALGORITHMS, 842]})
]
Command = Annotated[
    list[Annotated[str, Checked(before=text_of)]],
    Checked(before=_command, after=_check_command),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
]
Names = Annotated[list[Name], Checked(before=one_or_many), WithJsonSchema(MANY_SCHEMA)]
Paths = Annotated[list[Text], Checked(before=one_or_many), WithJsonSchema(MANY_SCHEMA)]
GuestPaths = Annotated[
    list[Annotated[Text, Checked(after=_check_guest_path)]],
    Checked(before=one_or_many),
    Field(max_length=64),
    WithJsonSchema(MANY_SCHEMA),
]
ArgValue = Annotated[
    Any, Checked(after=_check_argument), WithJsonSchema({"type": ["string", "number", "boolean", "null"]})
]
