"""A server of PostgreSQL for tests: on a socket in a directory of its own, without TCP, as a user without rights."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requires

OWNER = "kzram"
_PLACES = "/usr/lib/postgresql"
_SETTINGS = ("listen_addresses=", "fsync=off", "shared_buffers=16MB", "max_connections=40", "timezone=UTC")


@dataclass(frozen=True)
class Server:
    """A server that answers, and the process that it is."""

    sockets: Path
    process: subprocess.Popen[bytes]

    def url(self, schema: str, user: str = OWNER, password: str = "") -> str:
        """Where a schema is. Everyone is let in by the socket, but for the user `guarded`."""
        word = f":{password}" if password else ""
        return f"postgresql://{user}{word}@/postgres?host={self.sockets}&options=-csearch_path%3D{schema}"

    def ask(self, *statements: str) -> list[tuple[Any, ...]]:
        """As the server's owner; the rows of the last statement."""
        import psycopg

        with psycopg.connect(host=str(self.sockets), user=OWNER, dbname="postgres", autocommit=True) as connection:
            for statement in statements:
                cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []


def needed() -> None:
    """End this test where a module is missing."""
    for name in ("sqlalchemy", "psycopg"):
        try:
            __import__(name)
        except ImportError:
            requires.lacking("postgres", f"no {name}")


@contextmanager
def server() -> Iterator[Server]:
    """A server of its own, gone with the block. Skips, or fails where it is required, without one to start."""
    needed()
    programs = _programs()
    other = pwd.getpwnam("nobody") if os.geteuid() == 0 else None  # a server refuses to be root's
    who: dict[str, Any] = {} if other is None else {"user": other.pw_uid, "group": other.pw_gid, "extra_groups": []}
    place = Path(tempfile.mkdtemp(prefix="kzram-pg-"))  # not of pytest: a socket's path is short, and `nobody` goes in
    try:
        if other is not None:
            os.chown(place, other.pw_uid, other.pw_gid)
        how: dict[str, Any] = {"cwd": place, "env": {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}, **who}
        made = (programs / "initdb", "-D", place / "data", "-U", OWNER, "-E", "UTF8", "-N", "-A", "trust")
        subprocess.run(made, check=True, capture_output=True, timeout=120, **how)
        (place / "data" / "pg_hba.conf").write_text("local all guarded scram-sha-256\nlocal all all trust\n")
        words = [word for setting in _SETTINGS for word in ("-c", setting)]
        with (place / "log").open("wb") as log:
            process = subprocess.Popen(
                (programs / "postgres", "-D", place / "data", "-k", place, *words), stderr=log, stdout=log, **how
            )
        try:
            yield Server(sockets=place, process=_ready(process, programs, place))
        finally:
            process.send_signal(signal.SIGCONT)
            process.send_signal(signal.SIGQUIT)  # at once: its directory goes as well
            process.wait(60)
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _programs() -> Path:
    """Debian keeps what serves out of PATH, by version."""
    found = [path / "bin" for path in sorted(Path(_PLACES).glob("*"), key=lambda path: _number(path.name))[::-1]]
    if path := shutil.which("initdb"):
        found.insert(0, Path(path).resolve().parent)
    return next((path for path in found if (path / "postgres").exists()), None) or requires.lacking(
        "postgres", "no initdb in PATH or /usr/lib/postgresql"
    )


def _number(name: str) -> int:
    return int(name) if name.isdigit() else 0


def _ready(process: subprocess.Popen[bytes], programs: Path, place: Path) -> subprocess.Popen[bytes]:
    for _ in range(600):
        asked = subprocess.run((programs / "pg_isready", "-q", "-h", place), timeout=60, check=False)
        if asked.returncode == 0:
            return process
        assert process.poll() is None, (place / "log").read_text()
        time.sleep(0.1)
    raise AssertionError((place / "log").read_text())
