"""Patch series and unified diffs as values: what a patch touches, and why a hunk does not fit. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Any

from kzram_ci.base.errors import UserError
from kzram_ci.model.kernel import Patch

_HUNK = re.compile(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@.*")
_CONSTRAINT = re.compile(r"(>=|<=|<|>|==)?\s*(\d+(?:\.\d+)*)")
_MAJOR = 20
_FIELDS = ("name", "kind", "optional", "after", "versions", "author", "upstream", "why", "patches", "lines")


class SeriesKind(StrEnum):
    """What a series is for. Bisection may drop a fix; an instrument changes nothing but what can be seen."""

    FIX = "fix"
    REGRESSION = "regression"
    INSTRUMENT = "instrument"
    BUILD = "build"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """The patches of a series for one range of versions: constraints that must all hold."""

    versions: tuple[str, ...]
    patches: tuple[Patch, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """A named list of patches. `after`: series that must come before; `versions`: constraints that must all hold.

    `optional`: a kernel between its lines that takes none of its patches is built without it. One that has `lines`
    has no patches of its own until `for_version` chose a line.
    """

    name: str
    kind: SeriesKind
    optional: bool = False
    after: tuple[str, ...] = ()
    versions: tuple[str, ...] = ()
    author: str = ""
    upstream: str = ""
    why: str = ""
    patches: tuple[Patch, ...] = ()
    lines: tuple[Line, ...] = ()

    def named(self) -> tuple[Patch, ...]:
        """Every patch of every line."""
        return (*self.patches, *(patch for line in self.lines for patch in line.patches))

    def ranges(self) -> str:
        """The versions it is for, in words."""
        return " or ".join(" ".join(versions) for versions in (line.versions for line in self.lines)) or " ".join(
            self.versions
        )


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


def series_from(data: Any, file: str, texts: Mapping[str, str] | None = None) -> Series:
    """A series from the parsed series.yaml; `texts` holds the patches by file name. Raises UserError."""
    if not isinstance(data, dict):
        raise UserError(f"{file}: not a mapping", hint=f"keys: {', '.join(_FIELDS)}")
    if unknown := sorted(set(data) - set(_FIELDS)):
        raise UserError(f"{file}: unknown key {unknown[0]!r}", hint=f"keys: {', '.join(_FIELDS)}")
    kind = data.get("kind")
    if kind not in set(SeriesKind):
        raise UserError(f"{file}: kind: {kind!r}", hint=f"one of {', '.join(SeriesKind)}")
    name = _text(data, "name", file)
    if both := {"versions", "patches"} & set(data) if "lines" in data else set():
        raise UserError(f"{file}: {min(both)}: belongs into each of `lines`")
    lines = tuple(_line(row, name, file, texts or {}) for row in _rows(data, file))
    return Series(
        name=name,
        kind=SeriesKind(kind),
        optional=_yes(data, "optional", file),
        after=_strings(data, "after", file),
        versions=() if "lines" in data else lines[0].versions,
        author=_text(data, "author", file),
        upstream=_text(data, "upstream", file),
        why=_text(data, "why", file),
        patches=() if "lines" in data else lines[0].patches,
        lines=lines if "lines" in data else (),
    )


def _rows(data: Mapping[str, Any], file: str) -> list[Mapping[str, Any]]:
    """The lines as written; a series without them is its own only line."""
    if "lines" not in data:
        return [{key: data[key] for key in ("versions", "patches") if key in data}]
    rows = data["lines"]
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise UserError(
            f"{file}: lines: wants a list of mappings", hint='- {versions: [">=6.1", "<6.2"], patches: […]}'
        )
    for row in rows:
        if unknown := sorted(set(row) - {"versions", "patches"}):
            raise UserError(f"{file}: lines: unknown key {unknown[0]!r}", hint="keys: versions, patches")
        if not row.get("versions"):
            raise UserError(f"{file}: lines: a line without versions", hint='versions: [">=6.1", "<6.2"]')
    return rows


def _line(row: Mapping[str, Any], name: str, file: str, texts: Mapping[str, str]) -> Line:
    versions = _strings(row, "versions", file)
    for constraint in versions:
        if not _CONSTRAINT.fullmatch(constraint.strip()):
            raise UserError(f"{file}: versions: {constraint!r}", hint='write constraints such as ">=6.12", "<6.13"')
    files = _strings(row, "patches", file)
    if not files:
        raise UserError(f"{file}: patches: at least one patch file")
    return Line(
        versions=versions,
        patches=tuple(Patch(series=name, name=item, text=texts.get(item, "")) for item in files),
    )


def _text(data: Mapping[str, Any], key: str, file: str) -> str:
    value = data.get(key)
    if value in (None, "null", "~"):
        return ""
    if not isinstance(value, str):
        raise UserError(f"{file}: {key}: wants text, got {value!r}")
    return value


def _yes(data: Mapping[str, Any], key: str, file: str) -> bool:
    value = str(data.get(key, "no")).lower()
    if value not in ("yes", "no", "true", "false"):
        raise UserError(f"{file}: {key}: wants yes or no, got {value!r}")
    return value in ("yes", "true")


def _strings(data: Mapping[str, Any], key: str, file: str) -> tuple[str, ...]:
    value = data.get(key) or []
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise UserError(f"{file}: {key}: wants a list of texts, got {value!r}")
    return tuple(value)


def check_order(series: Sequence[Series]) -> None:
    """Raise UserError when a series comes before one it stands on, or without it."""
    seen: set[str] = set()
    for item in series:
        if missing := [name for name in item.after if name not in seen]:
            raise UserError(
                f"series {item.name} stands on {missing[0]}", hint=f"put {missing[0]} before {item.name} in `series:`"
            )
        seen.add(item.name)


def numbers(version: str) -> tuple[int, ...]:
    """The leading numbers of a version: 6.12.117-1~deb12u1 is (6, 12, 117)."""
    match = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(int(part) for part in match[0].split(".")) if match else ()


def for_version(series: Series, version: str) -> Series | None:
    """The series with the patches it has for a kernel; None when it has none for it. The first line that fits wins.

    A kernel whose version is not known ("") gets a series without lines as it is, and no line of one with lines.
    """
    if not series.lines:
        return series if not version or applies_to(series.versions, version) else None
    for line in series.lines:
        if version and applies_to(line.versions, version):
            return replace(series, versions=line.versions, patches=line.patches, lines=())
    return None


def nearest(series: Series, version: str) -> tuple[Series, ...]:
    """The series with the patches of each line, the line made for the nearest version first.

    For a kernel between the lines: which of them fits its text, if any, only applying them tells.
    """
    have = _ordinal(numbers(version))

    def distance(line: Line) -> int:
        ends = [_ordinal(numbers(match[2])) for item in line.versions if (match := _CONSTRAINT.fullmatch(item.strip()))]
        return min((abs(have - end) for end in ends), default=_MAJOR * _MAJOR)

    lines = sorted(series.lines, key=distance)
    return tuple(replace(series, versions=line.versions, patches=line.patches, lines=()) for line in lines)


def _ordinal(version: tuple[int, ...]) -> int:
    """Releases since 0.0, more or less: a major number of Linux has about twenty since 3.0."""
    major, minor = (*version, 0, 0)[:2]
    return major * _MAJOR + minor


def applies_to(versions: Sequence[str], version: str) -> bool:
    """Whether a kernel version is within all constraints. 6.12.117 is >=6.12 and <6.13."""
    have = numbers(version)
    for constraint in versions:
        match = _CONSTRAINT.fullmatch(constraint.strip())
        if match is None:
            return False
        want = numbers(match[2])
        width = max(len(have), len(want))
        left, right = (have + (0,) * width)[:width], (want + (0,) * width)[:width]
        same = have[: len(want)] == want
        holds = {"": same, "==": same, ">=": left >= right, "<=": left <= right or same, "<": left < right}
        if not holds.get(match[1] or "", left > right and not same):
            return False
    return True


def kernel_version(makefile: str) -> str:
    """VERSION.PATCHLEVEL.SUBLEVEL of a kernel's top Makefile, "" when it is none."""
    found = dict(re.findall(r"^(VERSION|PATCHLEVEL|SUBLEVEL)\s*=\s*(\d+)\s*$", makefile, re.MULTILINE))
    parts = [found.get(name) for name in ("VERSION", "PATCHLEVEL", "SUBLEVEL")]
    return ".".join(part for part in parts if part is not None) if parts[0] and parts[1] else ""


def body(text: str) -> str:
    """The part of a patch that changes files; the changelog above it changes no kernel."""
    match = re.search(r"^(diff --git a/|--- \S.*\n\+\+\+ \S)", text, re.MULTILINE)
    return text[match.start() :] if match else ""


def files(text: str) -> tuple[FileDiff, ...]:
    """The file diffs of a patch. Raises ValueError for a torn hunk or a path that leaves the tree."""
    lines = body(text).split("\n")
    found: list[FileDiff] = []
    names = ("", "")
    at = 0
    while at < len(lines):
        line, following = lines[at], lines[at + 1] if at + 1 < len(lines) else ""
        if match := re.fullmatch(r"diff --git a/(.+) b/(.+)", line):
            names = (_inside(match[1]), _inside(match[2]))
            if not _has_hunks(lines, at + 1):  # a mode change, a pure rename, an empty file
                found.append(FileDiff(before=names[0], after=names[1], hunks=()))
            at += 1
        elif line.startswith("--- ") and following.startswith("+++ "):
            at, hunks = _hunks(lines, at + 2)
            found.append(FileDiff(before=_path(line[4:]), after=_path(following[4:]), hunks=hunks))
        else:
            at += 1
    return tuple(found)


def _has_hunks(lines: Sequence[str], at: int) -> bool:
    for line in lines[at:]:
        if line.startswith("diff --git "):
            return False
        if line.startswith(("--- ", "GIT binary patch")):
            return True
    return False


def _path(word: str) -> str:
    name = word.split("\t", maxsplit=1)[0].strip()
    return "" if name == "/dev/null" else _inside(name.split("/", 1)[-1])


def _inside(path: str) -> str:
    if path.startswith("/") or ".." in PurePosixPath(path).parts:
        raise ValueError(f"path {path} leaves the source tree")
    return path


def _hunks(lines: Sequence[str], at: int) -> tuple[int, tuple[Hunk, ...]]:
    found: list[Hunk] = []
    while at < len(lines) and (match := _HUNK.fullmatch(lines[at])):
        header, at = lines[at], at + 1
        left, right = int(match[2] or 1), int(match[4] or 1)
        old: list[str] = []
        while left > 0 or right > 0:
            sign, content = (lines[at][:1] or " ", lines[at][1:]) if at < len(lines) else ("", "")
            if sign not in {" ", "-", "+", "\\"}:
                raise ValueError(f"hunk {len(found) + 1} is torn: {header}")
            left -= sign in {" ", "-"}
            right -= sign in {" ", "+"}
            if sign in {" ", "-"}:
                old.append(content)
            at += 1
        found.append(Hunk(number=len(found) + 1, header=header, start=int(match[1]), old=tuple(old)))
        if at < len(lines) and lines[at].startswith("\\"):
            at += 1
    return at, tuple(found)


def touched(text: str) -> frozenset[str]:
    """Every path a patch reads or writes."""
    return frozenset(path for diff in files(text) for path in (diff.before, diff.after) if path)


def misfit(hunk: Hunk, content: str) -> str:
    """Why a hunk does not fit a file: the first line that differs where most of it fits best."""
    lines = content.split("\n")
    length = len(hunk.old)

    def score(at: int) -> tuple[int, int]:
        same = sum(a == b for a, b in zip(hunk.old, lines[at : at + length], strict=False))
        return same, -abs(at - (hunk.start - 1))

    best = max(range(max(1, len(lines))), key=score)
    if score(best)[0] * 2 < length:
        return "nothing in the file looks like its context"
    for offset, wanted in enumerate(hunk.old):
        have = lines[best + offset] if best + offset < len(lines) else "end of file"
        if have != wanted:
            return f"line {best + offset + 1} is {have.strip()!r}, the patch wants {wanted.strip()!r}"
    return f"its context is at line {best + 1}, but an earlier hunk already covers that place"
