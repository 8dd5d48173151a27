"""The table of headlines, headlines.toml: read once, on first use. Its head explains the columns."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

from kzram_ci.base.expressions import later
from kzram_ci.base.values import dataclass

# The fast search looks for these; every headline contains one of them (a test holds an example of each row to that).
# "[#" is the die counter of all architectures.
MARKS = (
    b"BUG: ",
    b"BUG ",
    b"WARNING: ",
    b"INFO: ",
    b"[#",
    b"anic - not syncing",
    b"UBSAN: ",
    b"LOCKUP",
    b"nable to handle",
    b"Unhandled ",
    b"Alignment trap",
    b"become free",
    b"VFS: ",
    b"panicked at",
    b"Booting the kernel",
    b"Linux version ",
    b"Missing ENDBR",
    b"unreferenced object",
    b"PANIC",
    b"protection fault",
    b"Internal error",
    b"stack overflow",
    b"deadlocked on memory",
    b"nsufficient stack",
    b"[ end trace ",
)

_MARK = later("|".join(re.escape(mark.decode()) for mark in MARKS))


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One headline."""

    needle: bytes
    pattern: str
    kind: str
    title: str
    blame: str
    why: str
    follows: bool = False
    stack: bool = True
    closes: str = ""
    proof: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A source file whose WARNs and BUGs have a kind and a title of their own (an empty title: that of the row)."""

    path: str
    kind: str
    title: str
    why: str


@dataclass(frozen=True, slots=True)
class Tables:
    """The content of headlines.toml."""

    rows: tuple[Row, ...]
    files: tuple[File, ...]


@cache
def tables() -> Tables:
    """The headlines and the special files."""
    import tomllib  # a clean log needs no table

    data = tomllib.loads(files("kzram_ci.oops").joinpath("headlines.toml").read_text(encoding="utf-8"))
    rows = tuple(Row(**{**entry, "needle": entry["needle"].encode()}) for entry in data["row"])
    return Tables(rows, tuple(File(**entry) for entry in data["file"]))


def file_row(where: str, kind: str) -> File | None:
    """The special file a WARN or BUG at `where` (FILE:LINE) of this kind is in, if any."""
    path = "/" + where.rsplit(":", 1)[0]
    for file in tables().files:
        if path.endswith("/" + file.path) and (file.kind != "warning" or kind == "warning"):
            return file
    return None


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)  # on first need: a log holds few kinds of reports


def marked(text: str) -> bool:
    """Whether a line holds a word of a headline."""
    return _MARK.search(text) is not None


def unmarked(text: str) -> str:
    """A text up to its first word of a headline."""
    match = _MARK.search(text)
    return text[: match.start()] if match else text


def find(text: str) -> tuple[Row, re.Match[str]] | None:
    """The row whose headline this line is, and what it found in it."""
    if not marked(text):
        return None
    raw = text.encode("utf-8", "replace")
    for row in tables().rows:
        if row.needle in raw and (match := _compiled(row.pattern).search(text)):
            return row, match
    return None
