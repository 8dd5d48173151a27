"""Messages of the guest on its control port: a line of JSON becomes a typed value, by a table. Pure.

The guest chooses every byte. So a word that is not in the table, and a field of another type than expected, become
`Garbage`: a value like the others, never an error and never a look-up of a name in this program.
"""

from __future__ import annotations

import binascii
import json
from collections.abc import Callable, Mapping
from typing import Any

from kzram_ci.base.values import dataclass

LINE_BYTES = 1 << 20  # the guest's lines are a few KiB; more without a newline is garbage
TEXT_CHARS = 500
NAME_CHARS = 128
WORKLOAD_PREFIX = "workload."
SETUP_PREFIX = "fs."  # what init proves before the workload starts
NUMBER = 1 << 63  # counters are the guest's `long long`


@dataclass(frozen=True, slots=True, kw_only=True)
class Booted:
    """init runs; `release` is the kernel's."""

    release: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parked:
    """init has booted and waits for a cell: the moment to save the guest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """zram is set up and the workload starts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Counters, as (name, value). Those of the workload itself have a prefix: they cannot forge the kernel's."""

    counters: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Corruption:
    """The workload read back what it did not write."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """The workload ended; `ran_seconds` by the guest's clock."""

    why: str
    ran_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Exited:
    """The exit token, with this boot's nonce."""

    code: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestError:
    """Something in the guest could not be done."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """A piece of what a test of the plan's own printed, cut anywhere; `stream` is stdout or stderr."""

    stream: str
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnTestEnded:
    """The exit code of a test of the plan's own, 128 and more for a signal; `stopped`: it was told to end."""

    code: int
    stopped: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePiece:
    """The next bytes of a file that comes back; `index` counts the plan's results."""

    index: int
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class FileEnd:
    """No more of a file comes; `problem`: why it is not whole."""

    index: int
    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A remark for readers of control.log."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Garbage:
    """A line that is none of these."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PortClosed:
    """QEMU closed its end of the port: nothing more will come."""


OfTest = Output | OwnTestEnded | FilePiece | FileEnd
Message = Booted | Parked | Ready | Sample | Corruption | Stopped | Exited | GuestError | OfTest | Note | Garbage
Fields = Mapping[str, Any]


class _WrongType(Exception):
    """A field has another type than its event defines."""


def message(line: bytes, nonce: str) -> Message:
    """The value of one line. Any bytes give one; only an exit token with `nonce` is an `Exited`."""
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError):
        return Garbage(why="not JSON")
    word = fields.get("ev") if isinstance(fields, dict) else None
    maker = MAKERS.get(word) if isinstance(word, str) else None
    if maker is None:
        return Garbage(why="not an event of the guest")
    try:
        return maker(fields, nonce)
    except _WrongType as error:
        return Garbage(why=str(error))


def _text(fields: Fields, name: str) -> str:
    value = fields.get(name, "")
    if not isinstance(value, str):
        raise _WrongType(f"{name} is not text")
    # JSON may hold half a surrogate pair, which no file can take
    return value[:TEXT_CHARS].encode("utf-8", "backslashreplace").decode()


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and -NUMBER <= value < NUMBER


def _counters(pairs: Fields, prefix: str) -> Sample:
    """What is a whole number; the rest is left out, for a strange counter must not take the others with it."""
    named = {(prefix + name)[:NAME_CHARS]: value for name, value in pairs.items() if _is_number(value)}
    return Sample(
        counters=tuple((name.encode("utf-8", "backslashreplace").decode(), value) for name, value in named.items())
    )


def _sample(fields: Fields, nonce: str) -> Message:
    counters = fields.get("counters")
    if not isinstance(counters, dict):
        raise _WrongType("counters are not an object")
    return _counters(counters, "")


def _progress(fields: Fields, nonce: str) -> Message:
    return _counters({name: value for name, value in fields.items() if name not in ("ev", "t")}, WORKLOAD_PREFIX)


def _corruption(fields: Fields, nonce: str) -> Message:
    shown = {name: str(fields.get(name))[:40] for name in ("page", "offset", "expected", "got")}
    text = "page {page} offset {offset}: expected {expected}, got {got}".format(**shown)
    return Corruption(text=text.encode("utf-8", "backslashreplace").decode())


def _stopped(fields: Fields, nonce: str) -> Message:
    ran = fields.get("ran_ms", 0)
    if not _is_number(ran):
        raise _WrongType("ran_ms is not a number")
    return Stopped(why=_text(fields, "why"), ran_seconds=ran / 1000)


def _exited(fields: Fields, nonce: str) -> Message:
    code = fields.get("code")
    if not nonce or fields.get("nonce") != nonce or not _is_number(code) or not 0 <= (code or 0) <= 255:
        return GuestError(text="exit token with a wrong nonce or code")
    return Exited(code=code or 0)


def _output(fields: Fields, nonce: str) -> Message:
    stream, text = fields.get("stream"), fields.get("text")
    if stream not in ("stdout", "stderr") or not isinstance(text, str):
        raise _WrongType("output is not text of a stream")
    try:  # a character stands for a byte
        return Output(stream=stream, data=text.encode("latin-1"))
    except UnicodeEncodeError as error:
        raise _WrongType("output is not bytes") from error


def _test_ended(fields: Fields, nonce: str) -> Message:
    code = fields.get("code")
    if not _is_number(code) or not 0 <= (code or 0) <= 255:
        raise _WrongType("the code of a test is not a number")
    return OwnTestEnded(code=code or 0, stopped=fields.get("stopped") is True)


def _index(fields: Fields) -> int:
    index = fields.get("index")
    if not _is_number(index) or (index or 0) < 0:
        raise _WrongType("the index of a file is not a number")
    return index or 0


def _file_piece(fields: Fields, nonce: str) -> Message:
    try:
        data = binascii.a2b_base64(str(fields.get("data", "")).encode("ascii"), strict_mode=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise _WrongType("a piece of a file is not base64") from error
    return FilePiece(index=_index(fields), data=data)


MAKERS: Mapping[str, Callable[[Fields, str], Message]] = {
    "boot": lambda fields, nonce: Booted(release=_text(fields, "release")),
    "parked": lambda fields, nonce: Parked(),
    "ready": lambda fields, nonce: Ready(),
    "sample": _sample,
    "progress": _progress,
    "corruption": _corruption,
    "stop": _stopped,
    "exit": _exited,
    "error": lambda fields, nonce: GuestError(text=_text(fields, "text") or "unnamed error"),
    "output": _output,
    "test": _test_ended,
    "file": _file_piece,
    "file_end": lambda fields, nonce: FileEnd(index=_index(fields), problem=_text(fields, "problem")),
    "note": lambda fields, nonce: Note(text=_text(fields, "text")),
}


class Reader:
    """Cuts the port's bytes into lines. The messages do not depend on where the reads end."""

    def __init__(self, nonce: str) -> None:
        self._nonce = nonce
        self._partial = b""
        self._skip = False  # the rest of an overlong line is dropped

    def feed(self, data: bytes) -> list[Message]:
        """The messages that are complete with these bytes."""
        found: list[Message] = []
        *lines, rest = (self._partial + data).split(b"\n")
        for line in lines:
            skipped, self._skip = self._skip, False
            if not skipped and line.strip():
                found.append(message(line, self._nonce) if len(line) <= LINE_BYTES else Garbage(why="overlong"))
        if len(rest) > LINE_BYTES and not self._skip:
            found.append(Garbage(why="overlong"))
            self._skip = True
        self._partial = b"" if self._skip else rest
        return found
