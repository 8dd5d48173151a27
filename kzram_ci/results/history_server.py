"""The history of a team on a server of PostgreSQL, which many hosts write.

Its tables are in the first schema of the connection's search path, and append-only as the file's are. Every statement
has a deadline on the server, and a later one here: a server that was stopped answers nothing and closes nothing.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import field
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import parse_qs, unquote, urlsplit

from kzram_ci.base.errors import InfraError, UserError
from kzram_ci.base.values import dataclass
from kzram_ci.results.database import Ask, Words, nothing, storable
from kzram_ci.results.reports.sanitize import one_line

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

CONNECT_SECONDS = 10
STATEMENT_SECONDS = 50
ANSWER_SECONDS = 60.0  # then the connection is cut
LEAST_SECRET = 4  # letters; to take one or two out of a sentence would tell them
SCHEMES = ("postgresql", "postgres")
HINT = "is the server up, and may this user write? a run is added later by: kzram-ci history import RUNDIR"
HINT_URL = "a file, or postgresql://[USER@]HOST[:PORT]/DATABASE, postgresql:///DATABASE?host=/run/postgresql"
INSTALL = "pip install 'kzram-ci[postgres]'"
_FIRST = """
CREATE TABLE runs (
    id TEXT COLLATE "C" PRIMARY KEY, plan TEXT COLLATE "C" NOT NULL, directory TEXT NOT NULL,
    recorded TEXT COLLATE "C" NOT NULL, environment TEXT NOT NULL, origin TEXT NOT NULL
);
CREATE TABLE results (
    seq BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run TEXT COLLATE "C" NOT NULL REFERENCES runs (id), cell TEXT COLLATE "C" NOT NULL, kernel TEXT NOT NULL,
    test TEXT NOT NULL, outcome TEXT NOT NULL, verdict TEXT COLLATE "C" NOT NULL,
    signature TEXT COLLATE "C" NOT NULL, kernel_key TEXT NOT NULL, recorded TEXT COLLATE "C" NOT NULL,
    seconds DOUBLE PRECISION NOT NULL, result TEXT NOT NULL
);
CREATE INDEX results_by_cell ON results (cell, seq);
CREATE INDEX results_by_run ON results (run, seq);
CREATE INDEX results_by_signature ON results (signature, seq) WHERE signature != '';
CREATE FUNCTION kzram_append_only() RETURNS trigger LANGUAGE plpgsql
    AS $$ BEGIN RAISE EXCEPTION 'history is append-only'; END $$;
CREATE TRIGGER runs_stay BEFORE UPDATE OR DELETE OR TRUNCATE ON runs EXECUTE FUNCTION kzram_append_only();
CREATE TRIGGER results_stay BEFORE UPDATE OR DELETE OR TRUNCATE ON results EXECUTE FUNCTION kzram_append_only();
"""
STEPS = (_FIRST,)  # to version 1, 2, … as in history_schema
SCHEMA_VERSION = len(STEPS)
_LOCK = 0x6B7A72616D  # of all that change tables, in the server's table of advisory locks
_T = TypeVar("_T")
_here = threading.local()  # the line of this thread's transaction


def pattern(shell: str) -> str:
    """The regular expression of PostgreSQL that fits what the shell pattern of SQLite's GLOB fits."""
    told, at = "^", 0
    while at < len(shell):
        letter = shell[at]
        at += 1
        if letter == "[":
            end = shell.find("]", at + (2 if shell[at : at + 1] == "^" else 1))
            if end < 0:
                return "(?!)"  # a set that does not end fits nothing
            inner = shell[at:end].removeprefix("^")
            sign = "^" if shell[at] == "^" else ""
            told += f"[{sign}{''.join(each if each == '-' else _literal(each) for each in inner)}]"
            at = end + 1
        else:
            told += {"*": ".*", "?": "."}.get(letter) or _literal(letter)
    return told + "$"


def _literal(letter: str) -> str:
    return letter if letter.isalnum() or not letter.isascii() else f"\\{letter}"


def _storable(values: Mapping[str, Any]) -> dict[str, Any]:
    """As for every database; a server knows no NUL either."""
    told = storable(values)
    return {name: value.replace("\0", "\ufffd") if isinstance(value, str) else value for name, value in told.items()}


_WORDS = Words(fits="~", pattern=pattern, seconds="seconds", own_seconds=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryServer:
    """One value may be shared by threads and processes. Raises UserError for a URL that cannot be one."""

    url: str = field(repr=False)  # may hold a password

    def __post_init__(self) -> None:
        """Read the URL before anything else is done."""
        _shown(self.url)

    @property
    def words(self) -> Words:
        """PostgreSQL's."""
        return _WORDS

    def __str__(self) -> str:
        """The URL without its password and options."""
        return _shown(self.url)

    @contextmanager
    def reading(self) -> Iterator[Ask]:
        """See one moment of the server. Tables of an older version are renewed first."""
        with self._transaction(reading=True) as connection:
            found = _version(connection)
            if found == 0:
                yield nothing
            elif found >= SCHEMA_VERSION:
                self._check(found)
                yield _ask(connection)
        if 0 < found < SCHEMA_VERSION:
            with self._transaction() as connection:
                _renew(connection)
            with self.reading() as ask:
                yield ask

    @contextmanager
    def writing(self, run: str) -> Iterator[Ask]:
        """Add to a run: two that import the same one wait for each other, others do not."""
        with self._transaction() as connection:
            found = _version(connection)
            self._check(_renew(connection) if found < SCHEMA_VERSION else found)
            ask = _ask(connection)
            ask("SELECT pg_advisory_xact_lock(hashtextextended(:run, 0))", {"run": run})
            yield ask

    def _check(self, found: int) -> None:
        if found != SCHEMA_VERSION:
            known = f"{self} has schema {found}, this kzram-ci knows {SCHEMA_VERSION}"
            raise UserError(known, hint="use the kzram-ci that wrote it")

    @contextmanager
    def _transaction(self, *, reading: bool = False) -> Iterator[Connection]:
        engine = _engine(self.url, os.getpid())
        from sqlalchemy.exc import SQLAlchemyError

        line = _here.line = _Line()
        try:
            connection = line.within(engine.connect)
            try:
                if reading:
                    connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
                _ask(connection)(f"SET LOCAL statement_timeout = '{STATEMENT_SECONDS}s'", {})
                yield connection
                line.within(connection.commit)
            finally:
                line.within(connection.close)
        except (SQLAlchemyError, UnicodeError) as error:  # the second: a host's name that is none
            said = f"no answer within {ANSWER_SECONDS:g} s" if line.cut else _reason(error, self.url)
            raise InfraError(f"history {self}: {said}", hint=HINT) from None  # its cause may show the URL


class _Line:
    """What one transaction holds open, so that it can be cut when a server does not answer."""

    def __init__(self) -> None:
        self.raw: list[Any] = []
        self.cut = False

    def within(self, call: Callable[[], _T]) -> _T:
        """Call; once the time is up the connection is cut, which ends the call with an error of the driver."""
        timer = threading.Timer(ANSWER_SECONDS, self._cut)
        timer.daemon = True
        timer.start()
        try:
            return call()
        finally:
            timer.cancel()

    def _cut(self) -> None:
        self.cut = True
        for raw in self.raw:
            with suppress(Exception), socket.socket(fileno=os.dup(raw.fileno())) as line:
                line.shutdown(socket.SHUT_RDWR)


def _ask(connection: Connection) -> Ask:
    from sqlalchemy import text

    def ask(statement: str, values: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
        def answer() -> Sequence[Sequence[Any]]:
            found = connection.execute(text(statement), _storable(values))
            return found.all() if found.returns_rows else ()

        line: _Line = _here.line
        return line.within(answer)

    return ask


def _version(connection: Connection) -> int:
    # pg_class, not to_regclass(): that one answers from a cache, which a lock of ours does not make fresh
    ask = _ask(connection)
    if not ask("SELECT 1 FROM pg_class WHERE relname = 'kzram_history' AND pg_table_is_visible(oid)", {}):
        return 0
    return max((int(version) for (version,) in ask("SELECT version FROM kzram_history", {})), default=0)


def _renew(connection: Connection) -> int:
    """All steps that are missing, or none of them. Returns the version there is then."""
    ask = _ask(connection)
    ask("SELECT pg_advisory_xact_lock(:lock)", {"lock": _LOCK})
    found = _version(connection)
    if found == 0:
        ask("CREATE TABLE kzram_history (version INTEGER PRIMARY KEY)", {})
    while found < SCHEMA_VERSION:
        connection.exec_driver_sql(STEPS[found], execution_options={"no_parameters": True})
        found += 1
        ask("INSERT INTO kzram_history VALUES (:version)", {"version": found})
    return found


@cache
def _engine(url: str, process: int) -> Engine:
    """No pool: a run asks rarely, and a server that was started again is no matter."""
    try:
        import psycopg  # noqa: F401
        from sqlalchemy import NullPool, create_engine, event, make_url
    except ImportError as error:
        raise UserError(f"{_shown(url)} needs SQLAlchemy and psycopg ({error})", hint=INSTALL) from error
    given = make_url(url).set(drivername="postgresql+psycopg")
    usual = {"connect_timeout": CONNECT_SECONDS, "application_name": "kzram-ci"}
    engine = create_engine(
        given,
        poolclass=NullPool,
        hide_parameters=True,
        connect_args={name: value for name, value in usual.items() if name not in given.query},
    )

    @event.listens_for(engine, "do_connect")
    def connect(dialect: Any, _record: Any, words: Sequence[Any], named: Mapping[str, Any]) -> Any:
        made = dialect.connect(*words, **named)
        _here.line.raw.append(made)
        return made

    return engine


def _reason(error: Exception, url: str) -> str:
    """What the driver says, in one line, and without the password should it be in it."""
    said = one_line(str(getattr(error, "orig", None) or error), 300)
    for secret in _secrets(url):
        said = said.replace(secret, "***")
    return said


def _secrets(url: str) -> Sequence[str]:
    parts = urlsplit(url)
    given = (parts.password or "", unquote(parts.password or ""), *parse_qs(parts.query).get("password", ()))
    return sorted({secret for secret in given if len(secret) >= LEAST_SECRET}, key=len, reverse=True)


def _shown(url: str) -> str:
    """A URL for people. Raises UserError for one that names no database of PostgreSQL."""
    try:
        parts = urlsplit(url.encode().decode())  # a command line may be any bytes
        host, port = parts.hostname or parse_qs(parts.query).get("host", [""])[0], parts.port
    except ValueError:
        raise UserError("--database: not a URL", hint=HINT_URL) from None
    if parts.scheme not in SCHEMES:
        raise UserError(f"--database: {one_line(parts.scheme, 40)}:// is not known", hint=HINT_URL)
    if not parts.path.strip("/"):
        raise UserError("--database: the URL names no database", hint=HINT_URL)
    user = f"{unquote(parts.username)}@" if parts.username else ""
    return one_line(f"postgresql://{user}{host}{f':{port}' if port else ''}{unquote(parts.path)}", 200)
