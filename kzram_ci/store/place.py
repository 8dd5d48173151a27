"""One store behind a URL: bytes there and back, each transfer under a deadline.

fsspec's calls block for as long as a server pleases. They run in threads that nothing waits for once the time is up.
"""

from __future__ import annotations

import hashlib
import os
import queue
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from kzram_ci.base import proc
from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import Interrupted, UserError
from kzram_ci.base.files import disk_errors
from kzram_ci.store.index import INDEX_BYTES, Index, Item, Wrong, data_name, index_name, parse, render

T = TypeVar("T")
ANSWER_SECONDS = 30.0  # for what is small
BYTES_PER_SECOND = 1 << 19  # the slowest transfer that is worth the wait
_LOOK_SECONDS = 0.2
_CHUNK = 1 << 20
INSTALL = "pip install 'kzram-ci[store]'"
# An object appears with its last byte there; elsewhere a file is written beside its place and renamed.
_AT_ONCE = frozenset({"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "memory", "oss", "oci"})


class Lost(Exception):
    """A store that does not answer, or refuses."""


class Place:
    """A store. `lost` is set by the first transfer that fails: nothing more is asked of it in this process."""

    def __init__(self, url: str) -> None:
        """A place by its URL, or the path of a directory. Nothing is asked yet."""
        self.url = url if "://" in url else f"file://{Path(url).expanduser().absolute()}"
        self.lost = False
        self._anonymous = False
        self._opened: tuple[Any, str] | None = None
        self._lock = threading.Lock()

    def __str__(self) -> str:
        """The URL for people, without a password."""
        return re.sub(r"(?<=://)[^/@]*@", "", self.url)

    def index(self, kind: str, key: str) -> Index | None:
        """What an entry consists of; None when it is not there. Raises Wrong, Lost, UserError."""
        name = index_name(kind, key)
        found = self._ask(lambda fs, root: _read(fs, f"{root}/{name}", INDEX_BYTES + 1), ANSWER_SECONDS)
        return None if found is None else parse(found, kind, key)

    def fetch(self, item: Item, target: Path) -> None:
        """One file of an entry, compared with its digest while it comes. Raises Wrong, Lost, UserError."""
        name, enough = data_name(item.sha256), threading.Event()
        try:
            self._ask(lambda fs, root: _receive(fs, f"{root}/{name}", item, target, enough), _seconds(item.size))
        finally:
            enough.set()

    def keep(self, item: Item, origin: Path) -> None:
        """Store the bytes of a file, unless they are there. Raises Lost, UserError."""
        name = data_name(item.sha256)

        def send(fs: Any, root: str) -> None:
            there = f"{root}/{name}"
            if not fs.exists(there) or fs.size(there) != item.size:
                _write(fs, there, lambda path: fs.put_file(str(origin), path))

        self._ask(send, _seconds(item.size))

    def keep_index(self, index: Index) -> None:
        """Make an entry visible, whose bytes are all there. Raises Lost, UserError."""
        name, data = index_name(index.kind, index.key), render(index)
        self._ask(lambda fs, root: _write(fs, f"{root}/{name}", lambda path: fs.pipe_file(path, data)), ANSWER_SECONDS)

    def _ask(self, call: Callable[[Any, str], T], seconds: float) -> T:
        """Ask within a deadline. A store that may only be read by the public is asked without credentials."""
        try:
            return _bounded(lambda: call(*self._open()), Deadline.after(seconds))
        except (Wrong, UserError, Interrupted):
            raise
        except Exception as error:
            if type(error).__name__ == "NoCredentialsError" and not self._anonymous:
                with self._lock:
                    self._anonymous, self._opened = True, None
                return self._ask(call, seconds)
            raise Lost(_words(error)) from error

    def _open(self) -> tuple[Any, str]:
        with self._lock:
            if self._opened is None:
                self._opened = _filesystem(self.url, self._anonymous)
            return self._opened


def _filesystem(url: str, anonymous: bool) -> tuple[Any, str]:
    try:
        from fsspec.core import url_to_fs
    except ImportError as error:
        raise UserError(f"a store needs fsspec, which is not installed ({error})", hint=INSTALL) from error
    protocol = url.partition("://")[0]
    options: dict[str, Any] = {"use_listings_cache": False, "skip_instance_cache": True}
    if protocol in ("file", "local"):
        options["auto_mkdir"] = True
    if protocol in ("s3", "s3a"):
        options["config_kwargs"] = {"connect_timeout": 10, "read_timeout": 20, "retries": {"max_attempts": 2}}
        options["anon"] = anonymous
    try:
        fs, root = url_to_fs(url, **options)
    except ImportError as error:
        raise UserError(f"{protocol}:// is not at hand: {error}", hint=INSTALL) from error
    except ValueError as error:
        raise UserError(f"{url} is not a store: {error}", hint="file:///DIR, s3://BUCKET/PREFIX, …") from error
    return fs, str(root).rstrip("/")


def _read(fs: Any, path: str, limit: int) -> bytes | None:
    try:
        with fs.open(path, "rb") as source:
            data = source.read(limit)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return bytes(data)


def _receive(fs: Any, path: str, item: Item, target: Path, enough: threading.Event) -> None:
    """Never more bytes than the index says, and none once the time is up."""
    state, left = hashlib.sha256(), item.size
    try:
        source = fs.open(path, "rb")
    except (FileNotFoundError, NotADirectoryError):
        raise Wrong(f"the bytes of {item.path} are not there") from None
    with source, disk_errors(f"cannot write {target}"):
        out = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)
        with os.fdopen(out, "wb") as written:
            while chunk := source.read(min(_CHUNK, left + 1)):
                left -= len(chunk)
                if left < 0 or enough.is_set():
                    break
                state.update(chunk)
                written.write(chunk)
    if left or state.hexdigest() != item.sha256:
        raise Wrong(f"{item.path} has not the bytes that its digest says")


def _write(fs: Any, path: str, send: Callable[[str], object]) -> None:
    protocols = (fs.protocol,) if isinstance(fs.protocol, str) else tuple(fs.protocol)
    if _AT_ONCE.intersection(protocols):
        send(path)
        return
    beside = f"{path}.{os.urandom(6).hex()}.part"
    try:
        fs.makedirs(path.rpartition("/")[0], exist_ok=True)
        send(beside)
        fs.mv(beside, path)
    except BaseException:
        if fs.exists(beside):
            fs.rm(beside)
        raise


def _bounded(call: Callable[[], T], deadline: Deadline) -> T:
    """The call's answer, or TimeoutError; its thread is left to itself then. Raises Interrupted."""
    answer: queue.SimpleQueue[tuple[T | None, BaseException | None]] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answer.put((call(), None))
        except BaseException as error:
            answer.put((None, error))

    threading.Thread(target=ask, name="store", daemon=True).start()
    while True:
        try:
            value, error = answer.get(timeout=min(_LOOK_SECONDS, deadline.remaining() + 0.001))
        except queue.Empty:
            if proc.cancelled():
                raise Interrupted("interrupted while a store was asked") from None
            if deadline.expired():
                raise TimeoutError("no answer before the deadline") from None
            continue
        if error is not None:
            raise error
        return value  # type: ignore[return-value]  # what the call returned


def _seconds(size: int) -> float:
    return ANSWER_SECONDS + size / BYTES_PER_SECOND


def _words(error: BaseException) -> str:
    text = " ".join(str(error).split())[:200]
    return text or type(error).__name__
