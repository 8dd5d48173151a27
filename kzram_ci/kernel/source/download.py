"""Getting a file by URL: goes on where an earlier try stopped, tells how far it is, ends when asked to."""

from __future__ import annotations

import http.client
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from kzram_ci.base import clock, files, proc
from kzram_ci.base.errors import InfraError, Interrupted, UserError
from kzram_ci.kernel.context import Context

TRIES = 4
_SCHEMES = ("http", "https", "ftp", "file")
_CHUNK = 1 << 20
_STALL_SECONDS = 60.0
_TELL_SECONDS = 2.0
_PAUSE_SECONDS = 2.0


def get(url: str, target: Path, context: Context) -> None:
    """Have the file at `target`; an unfinished one stays beside it as `.part` for the next time.

    Proxies come from the environment. Raises UserError (no such file), InfraError (no network), Interrupted.
    """
    if urlsplit(url).scheme not in _SCHEMES:
        raise UserError(f"{url} is not a URL to download from", hint=f"known: {', '.join(_SCHEMES)}")
    part = target.with_name(f"{target.name}.part")
    with files.disk_errors(f"cannot write {part}"):
        part.parent.mkdir(parents=True, exist_ok=True)
    for left in range(TRIES - 1, -1, -1):
        before = part.stat().st_size if part.is_file() else 0
        try:
            _receive(url, part, context)
            break
        except (OSError, http.client.HTTPException) as error:
            moved = part.is_file() and part.stat().st_size > before
            if context.deadline.expired() or not (left or moved):
                why = getattr(error, "reason", None) or error
                raise InfraError(f"{url}: {why}", hint="check the network; what came is kept, try again") from error
            clock.sleep(min(_PAUSE_SECONDS, context.deadline.remaining()))
    with files.disk_errors(f"cannot write {target}"):
        os.replace(part, target)


def _receive(url: str, part: Path, context: Context) -> None:
    """One try. OSError and HTTPException mean: try again."""
    start = part.stat().st_size if part.is_file() else 0
    with _open(url, start, context) as answer:
        if answer is None:
            return  # nothing is left to get
        resumed = answer.status == 206 if hasattr(answer, "status") else False
        length = answer.headers.get("Content-Length")
        total = (start if resumed else 0) + int(length) if length else 0
        with files.disk_errors(f"cannot write {part}"):
            out = part.open("ab" if resumed else "wb")
        with out:
            _copy(answer, out, url, total, context)
            if total and out.tell() < total:
                raise http.client.IncompleteRead(b"", total - out.tell())
            with files.disk_errors(f"cannot write {part}"):
                out.flush()
                os.fsync(out.fileno())


@contextmanager
def _open(url: str, start: int, context: Context) -> Iterator[http.client.HTTPResponse | None]:
    wanted = Request(url, headers={"Range": f"bytes={start}-"} if start else {})
    patience = max(1.0, min(_STALL_SECONDS, context.deadline.remaining()))
    try:
        answer = urlopen(wanted, timeout=patience)
    except HTTPError as error:
        with error:
            if error.code == 416:  # the file ends where ours does
                yield None
                return
            if 400 <= error.code < 500 and error.code not in {408, 429}:
                raise UserError(f"{url}: {error.code} {error.reason}", hint="check the URL") from error
            raise URLError(f"{error.code} {error.reason}") from error
    with answer:
        yield answer


def _copy(answer: http.client.HTTPResponse, out: IO[bytes], url: str, total: int, context: Context) -> None:
    name, noted = url.rsplit("/", 1)[-1], clock.monotonic()
    context.note(name, f"downloading{_size(total)}")
    while chunk := answer.read1(_CHUNK):  # what is there: a read of the whole chunk waits on a slow server without end
        with files.disk_errors(f"cannot write {name}"):
            out.write(chunk)
        if proc.cancelled():
            raise Interrupted(f"interrupted while {name} came; what is there is kept")
        if context.deadline.expired():
            raise InfraError(f"{url} did not come before the deadline", hint="what came is kept, try again")
        if clock.monotonic() - noted > _TELL_SECONDS:
            noted = clock.monotonic()
            context.note(name, f"{out.tell() >> 20} MB{_size(total)}")


def _size(total: int) -> str:
    return f" of {total >> 20} MB" if total else ""
