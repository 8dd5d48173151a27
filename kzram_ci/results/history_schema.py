"""The tables of the history file: made on first use, and brought up to date where an older version made them.

Each step adds to what the one before left and is never changed afterwards: a file of any age goes through the same
steps as a new one, so both end alike. A file of a newer version is left alone.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from kzram_ci.base import files
from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import UserError

BUSY_SECONDS = 30.0
_FIRST = """
CREATE TABLE runs (
    id TEXT PRIMARY KEY, plan TEXT NOT NULL, directory TEXT NOT NULL, recorded TEXT NOT NULL, environment TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE results (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    run TEXT NOT NULL REFERENCES runs (id), cell TEXT NOT NULL, kernel TEXT NOT NULL, test TEXT NOT NULL,
    outcome TEXT NOT NULL, verdict TEXT NOT NULL, signature TEXT NOT NULL, kernel_key TEXT NOT NULL,
    recorded TEXT NOT NULL, result TEXT NOT NULL
);
CREATE INDEX results_by_cell ON results (cell, seq);
CREATE INDEX results_by_run ON results (run, seq);
CREATE TRIGGER runs_stay BEFORE UPDATE ON runs BEGIN SELECT RAISE(ABORT, 'history is append-only'); END;
CREATE TRIGGER runs_remain BEFORE DELETE ON runs BEGIN SELECT RAISE(ABORT, 'history is append-only'); END;
CREATE TRIGGER results_stay BEFORE UPDATE ON results BEGIN SELECT RAISE(ABORT, 'history is append-only'); END;
CREATE TRIGGER results_remain BEFORE DELETE ON results BEGIN SELECT RAISE(ABORT, 'history is append-only'); END;
"""
_SECOND = """
ALTER TABLE runs ADD COLUMN origin TEXT NOT NULL DEFAULT '';
CREATE INDEX results_by_signature ON results (signature, seq) WHERE signature != '';
"""
STEPS = (_FIRST, _SECOND)  # to version 1, 2, …
SCHEMA_VERSION = len(STEPS)


def prepare(db: sqlite3.Connection, path: Path) -> None:
    """Make or renew the tables where that is needed. Raises UserError when a newer version wrote the file."""
    db.execute("PRAGMA foreign_keys = ON")
    if _version(db) < SCHEMA_VERSION:
        # SQLite's own busy handler does not cover the change to WAL, so this has a lock of its own.
        with files.lock(path.with_name(f"{path.name}.lock"), Deadline.after(BUSY_SECONDS)):
            _renew(db)
    if (found := _version(db)) != SCHEMA_VERSION:
        raise UserError(
            f"{path} has schema {found}, this kzram-ci knows {SCHEMA_VERSION}", hint="use the kzram-ci that wrote it"
        )


def _version(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def _renew(db: sqlite3.Connection) -> None:
    """Each step is one transaction with its number: after a kill the file has a version, and the next call goes on."""
    if _version(db) == 0:
        db.execute("PRAGMA journal_mode = WAL")  # readers never wait for a writer
    while (version := _version(db)) < SCHEMA_VERSION:
        db.execute("BEGIN IMMEDIATE")
        try:
            for statement in _statements(STEPS[version]):
                db.execute(statement)
            db.execute(f"PRAGMA user_version = {version + 1}")
        except BaseException:
            db.execute("ROLLBACK")
            raise
        db.execute("COMMIT")


def _statements(script: str) -> Iterator[str]:
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement.strip()
            statement = ""
