"""What the history asks of the database it is kept in. There are two: a file of SQLite, and a server of PostgreSQL.

Both take the same SQL, with named parameters, but for the few words in which they differ (`Words`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from kzram_ci.base.values import dataclass

Ask = Callable[[str, Mapping[str, Any]], Sequence[Sequence[Any]]]  # a statement and its parameters to the rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """SQL that differs.

    `fits` is put behind a column, and takes what `pattern` makes of a shell pattern. `seconds` is how long a result
    took; where that is a column, `own_seconds` says that it is to be filled.
    """

    fits: str
    pattern: Callable[[str], str]
    seconds: str
    own_seconds: bool


class Database(Protocol):
    """Where the history is kept. Nothing is opened before it is asked, and every transaction opens it again."""

    @property
    def words(self) -> Words:
        """How it says what others say differently."""

    def reading(self) -> AbstractContextManager[Ask]:
        """A transaction that sees one moment, or `nothing` where nothing was ever recorded: looking makes no database.

        Raises UserError (another schema), InfraError.
        """

    def writing(self, run: str) -> AbstractContextManager[Ask]:
        """A transaction that adds to a run, one after another. Raises UserError (another schema), InfraError."""

    def __str__(self) -> str:
        """Its name for people, without a password."""


def nothing(_statement: str, _values: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
    """The rows of a database that is not there."""
    return ()


def storable(values: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters as a database takes them: only Unicode, while a path may be any bytes."""
    return {
        name: value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value
        for name, value in values.items()
    }
