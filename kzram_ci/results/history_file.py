"""The history in one file of SQLite, which several processes of a host write."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kzram_ci.base import files
from kzram_ci.base.errors import InfraError, UserError
from kzram_ci.base.values import dataclass
from kzram_ci.results.database import Ask, Words, nothing, storable
from kzram_ci.results.history_schema import BUSY_SECONDS, prepare

_WORDS = Words(fits="GLOB", pattern=str, seconds="json_extract(result, '$.seconds')", own_seconds=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryFile:
    """One value may be shared by threads and processes."""

    path: Path

    @property
    def words(self) -> Words:
        """SQLite's."""
        return _WORDS

    def __str__(self) -> str:
        """The path."""
        return str(self.path)

    @contextmanager
    def reading(self) -> Iterator[Ask]:
        """See one moment of the file."""
        if not self.path.exists():
            yield nothing
            return
        with self._transaction("BEGIN") as ask:
            yield ask

    @contextmanager
    def writing(self, run: str) -> Iterator[Ask]:
        """Hold the file's only right to write."""
        with self._transaction("BEGIN IMMEDIATE") as ask:
            yield ask

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[Ask]:
        if self.path.exists() and not self.path.is_file():
            raise UserError(f"the history {self.path} is not a file", hint="--database FILE")
        with files.disk_errors(f"cannot create {self.path.parent}"):
            self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            db = sqlite3.connect(self.path, timeout=BUSY_SECONDS, isolation_level=None)

            def ask(statement: str, values: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
                return db.execute(statement, storable(values)).fetchall()

            try:
                prepare(db, self.path)
                db.execute(begin)
                try:
                    yield ask
                except BaseException:
                    db.execute("ROLLBACK")
                    raise
                db.execute("COMMIT")
            finally:
                db.close()
        except sqlite3.Error as error:
            other = getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_NOTADB
            hint = "name a history file, or one that is not there yet" if other else "free disk space"
            raise InfraError(f"history {self.path}: {error}", hint=f"{hint}, or move {self.path} away") from error
