"""Unified diffs as values: what a patch touches, and why a hunk does not fit. Read by unidiff. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from kzram_ci.base.expressions import later
from kzram_ci.base.values import dataclass

if TYPE_CHECKING:
    from unidiff.patch import PatchedFile, PatchSet

_FIRST = re.compile(r"^(diff --git a/|--- \S.*\n\+\+\+ \S)", re.MULTILINE)
_MOVED = re.compile(r"(?:rename|copy) (?:from|to) (.+)")
_NAMED = re.compile(r"diff --git a/(.+) b/(.+)")
_NO_FILE_MODE = re.compile(r"(?:new|old|new file|deleted file) mode 1[26]0000")
_PLAIN_NAME = r"\w[\w.+-]*(?:/\w[\w.+-]*)*"
_PLAIN_FILE = later(
    rf"diff --git a/(?P<path>{_PLAIN_NAME}) b/(?P=path)\n"
    rf"(?:(?P<new>new file mode 100(?:644|755)\n)|(?P<gone>deleted file mode 100(?:644|755)\n))?"
    rf"(?:index [0-9a-f]+\.\.[0-9a-f]+(?: 100(?:644|755))?\n)?"
    r"--- (?(new)/dev/null|a/(?P=path))\n\+\+\+ (?(gone)/dev/null|b/(?P=path))\n",
    re.ASCII,
)
_PLAIN_HUNK = later(r"@@ -\d{1,9}(?:,(\d{1,9}))? \+\d{1,9}(?:,(\d{1,9}))? @@(?: .*)?", re.ASCII)
_HEAD_LINES = 6  # of a plain file, and one more
_NO_FILE = "/dev/null"
_SHOWN = 12  # lines of a file where a hunk does not apply
_LOOKED_AT = 200  # lines of a hunk that are compared with every place of a file


@dataclass(frozen=True, slots=True, kw_only=True)
class Hunk:
    """One hunk: its number within its file (from 1), header line, first old line, the old lines."""

    number: int
    header: str
    start: int
    old: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FileDiff:
    """What a patch does to one file. An empty path means: does not exist on that side."""

    before: str
    after: str
    hunks: tuple[Hunk, ...]
    added: int = 0  # lines
    removed: int = 0


def body(text: str) -> str:
    """The part of a patch that changes files; the changelog above it changes no kernel."""
    match = _FIRST.search(text)
    return text[match.start() :] if match else ""


def creation(path: str, content: str) -> str:
    """The diff that makes a new file."""
    lines = content.split("\n")
    end = [] if lines[-1] == "" else ["\\ No newline at end of file"]
    lines = lines if end else lines[:-1]
    head = f"diff --git a/{path} b/{path}\nnew file mode 100644\n"
    if not content:
        return head
    added = "\n".join([f"@@ -0,0 +1,{len(lines)} @@", *(f"+{line}" for line in lines), *end, ""])
    return f"{head}--- /dev/null\n+++ b/{path}\n{added}"


def files(text: str) -> tuple[FileDiff, ...]:
    """The file diffs of a patch, paths as for `-p1`.

    Raises ValueError for a damaged patch, a path that leaves the tree, and a symbolic link.
    """
    reader = _Reader(body(text))
    return tuple(_file(item, reader) for item in _parsed(reader))


def check(text: str) -> int:
    """How many files a patch changes. Raises what `files` raises; of a plain patch, in a tenth of its time."""
    if count := _plain_files(body(text).split("\n")):
        return count
    reader = _Reader(body(text))
    found = _parsed(reader, metadata_only=True)
    for item in found:
        _checked_paths(item)
    return len(found)


def _plain_files(lines: Sequence[str]) -> int:
    """How many files a diff changes that is right by its looks: as git writes it, of files with plain names.

    0: it must be read.
    """
    at, count, last = 0, 0, len(lines) - 1
    while at < last:
        head = _PLAIN_FILE.match("\n".join(lines[at : at + _HEAD_LINES]))
        if head is None or lines[last]:
            return 0
        at += head[0].count("\n")
        hunks = at
        while at < last and (hunk := _PLAIN_HUNK.fullmatch(lines[at])) is not None:
            at = _after_hunk(lines, at + 1, int(hunk[1] or 1), int(hunk[2] or 1))
        if not hunks < at <= last:
            return 0
        count += 1
    return count


def _after_hunk(lines: Sequence[str], at: int, old: int, new: int) -> int:
    """The line behind a hunk of so many old and new lines; beyond all lines where it has others."""
    for number, line in enumerate(lines[at : at + old + new], start=at):
        sign = line[:1]
        old -= sign in {" ", "-"}
        new -= sign in {" ", "+"}
        if old < 0 or new < 0 or sign not in {" ", "+", "-"}:
            break
        if not old and not new:
            return number + 1
    return len(lines)


def _parsed(reader: _Reader, *, metadata_only: bool = False) -> PatchSet:
    from unidiff.errors import UnidiffParseError
    from unidiff.patch import PatchSet

    try:
        return PatchSet(reader, metadata_only=metadata_only)
    except UnidiffParseError as error:
        raise ValueError(f"{reader.place}: {' '.join(str(error).split())}") from error


class _Reader:
    """The lines of a diff, one at a time: unidiff's errors say what is wrong, and this says where."""

    def __init__(self, text: str) -> None:
        self._lines = text.split("\n")
        self._path = self._hunk = ""

    @property
    def place(self) -> str:
        """Where the reader is: the file and hunk that came last."""
        return " ".join(word for word in (self._path, self._hunk) if word) or "diff"

    def header(self, line: int) -> str:
        """A line by its number, from 1."""
        return self._lines[line - 1]

    def __iter__(self) -> Iterator[str]:
        for line in self._lines[: -1 if self._lines[-1] == "" else None]:
            if line.startswith("+++ "):
                self._path, self._hunk = line[4:].partition("\t")[0].partition("/")[2], ""
            elif line.startswith("@@ "):
                self._hunk = line
            yield f"{line}\n"


def _checked_paths(item: PatchedFile) -> tuple[str, str]:
    """The path before and the path after."""
    for line in item.patch_info or ():
        if moved := _MOVED.fullmatch(line.rstrip("\n")):
            _inside(moved[1])
        if named := _NAMED.fullmatch(line.rstrip("\n")):  # git goes by them where there is no hunk
            _inside(named[1]), _inside(named[2])
        if _NO_FILE_MODE.match(line):
            raise ValueError(f"{item.path} is a symbolic link or a submodule: only files can be patched")
    if item.is_symlink or item.is_submodule:
        raise ValueError(f"{item.path} is a symbolic link or a submodule: only files can be patched")
    return _path(item.source_file), _path(item.target_file)


def _file(item: PatchedFile, reader: _Reader) -> FileDiff:
    before, after = _checked_paths(item)
    return FileDiff(
        before=before,
        after=after,
        hunks=tuple(
            Hunk(
                number=number,
                header=reader.header((hunk[0].diff_line_no or 2) - 1) if hunk else "",
                start=hunk.source_start,
                old=tuple(line.value.removesuffix("\n") for line in hunk.source_lines()),
            )
            for number, hunk in enumerate(item, start=1)
        ),
        added=item.added,
        removed=item.removed,
    )


def _path(name: str) -> str:
    return "" if name == _NO_FILE else _inside(name.strip().partition("/")[2] or name.strip())


def _inside(path: str) -> str:
    parts = PurePosixPath(path).parts
    if path.startswith("/") or ".." in parts:
        raise ValueError(f"path {path} leaves the source tree")
    if any(part.lower() == ".git" for part in parts):
        raise ValueError(f"path {path} is git's own, and belongs to no source tree")
    if path.startswith('"') or path.endswith('"'):
        raise ValueError(f"path {path} is quoted: the names of kernel files need no quotes")
    return path


def touched(text: str) -> frozenset[str]:
    """Every path a patch reads or writes."""
    return frozenset(path for diff in files(text) for path in (diff.before, diff.after) if path)


def _best_place(hunk: Hunk, lines: Sequence[str]) -> tuple[int, int]:
    """Where most lines of a hunk are in a file (from 0), and how many of them are there."""
    length = min(len(hunk.old), _LOOKED_AT)

    def score(at: int) -> tuple[int, int]:
        same = sum(a == b for a, b in zip(hunk.old[:length], lines[at : at + length], strict=False))
        return same, -abs(at - (hunk.start - 1))

    best = max(range(max(1, len(lines))), key=score)
    return best, score(best)[0]


def excerpt(hunk: Hunk, content: str) -> str:
    """What a file looks like where a hunk belongs; lines that are not as the hunk wants them are marked."""
    lines = content.split("\n")
    start, _ = _best_place(hunk, lines)
    shown = lines[start : start + min(len(hunk.old), _SHOWN)]
    wanted = hunk.old[: len(shown)]
    return "\n".join(
        f"{'>' if have != want else ' '} {number:4} {have}"
        for number, (have, want) in enumerate(zip(shown, wanted, strict=True), start=start + 1)
    )


def misfit(hunk: Hunk, content: str) -> str:
    """Why a hunk does not fit a file: the first line that differs where most of it fits best."""
    lines = content.split("\n")
    best, same = _best_place(hunk, lines)
    if same * 2 < min(len(hunk.old), _LOOKED_AT):
        return "nothing in the file looks like its context"
    for offset, wanted in enumerate(hunk.old):
        have = lines[best + offset] if best + offset < len(lines) else "end of file"
        if have != wanted and have.split() == wanted.split():
            return f"line {best + offset + 1} differs in blanks only: the patch was damaged on its way here"
        if have != wanted:
            return f"line {best + offset + 1} is {have.strip()!r}, the patch wants {wanted.strip()!r}"
    return f"its context is at line {best + 1}, but an earlier hunk already covers that place"
