"""Patch series as values: which of their patches a kernel version gets, and in which order they come. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Any

from kzram_ci.base.errors import UserError
from kzram_ci.kernel import diff
from kzram_ci.model.kernel import Patch
from kzram_ci.model.version import applies_to, distance, is_constraint

_FIELDS = ("name", "kind", "optional", "after", "versions", "author", "upstream", "why", "files", "patches", "lines")


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

    def ranges(self) -> str:
        """The versions it is for, in words."""
        return " ".join(self.versions)


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """A named list of patches; new files are patches too.

    `after`: series that must come before; `versions`: constraints that must all hold.
    `optional`: a kernel between its lines that takes none of its patches is built without it. One that has `lines`
    has no patches of its own; `choose` takes those of a line.
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
        return " or ".join(line.ranges() for line in self.lines) or " ".join(self.versions)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What a kernel gets of a series: the first of the candidates that fits its text.

    `near`: no line was made for this version; the candidates are those of other versions, the nearest first.
    """

    series: Series
    version: str
    candidates: tuple[Line, ...]
    near: bool = False

    @property
    def patches(self) -> tuple[Patch, ...]:
        """What decides about the kernel: the patches that were made for it, else all of which some may be taken."""
        return self.series.named() if self.near else self.candidates[0].patches


def series_from(data: Any, file: str, texts: Mapping[str, str] | None = None) -> Series:
    """A series from the parsed series.yaml; `texts` holds patches and files by their names. Raises UserError.

    `files` (path in the tree: file beside series.yaml) become the first patches of every line.
    """
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
    new = tuple(Patch(series=name, name=item, text=text) for item, text in _files(data, file, texts or {}))
    lines = tuple(_line(row, name, file, texts or {}, new) for row in _rows(data, file))
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


def _files(data: Mapping[str, Any], file: str, texts: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """The file beside series.yaml, and the diff that makes it, of each new file."""
    value = data.get("files") or {}
    if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
        raise UserError(f"{file}: files: wants a mapping, path in the tree: file beside {PurePosixPath(file).name}")
    for path, item in value.items():
        if path.startswith("/") or ".." in PurePosixPath(path).parts or path.split() != [path]:
            raise UserError(f"{file}: files: {path!r} is not a path in the tree")
        yield item, diff.creation(path, texts[item]) if item in texts else ""


def _line(row: Mapping[str, Any], name: str, file: str, texts: Mapping[str, str], new: tuple[Patch, ...]) -> Line:
    versions = _strings(row, "versions", file)
    for constraint in versions:
        if not is_constraint(constraint):
            raise UserError(f"{file}: versions: {constraint!r}", hint='write constraints such as ">=6.12", "<6.13"')
    files = _strings(row, "patches", file)
    if not files:
        raise UserError(f"{file}: patches: at least one patch file")
    return Line(
        versions=versions,
        patches=(*new, *(Patch(series=name, name=item, text=texts.get(item, "")) for item in files)),
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


def choose_all(series: Sequence[Series], version: str) -> tuple[Choice, ...]:
    """What a kernel gets of each series. Raises UserError when one comes before another it stands on, or without it."""
    seen: set[str] = set()
    for item in series:
        if missing := [name for name in item.after if name not in seen]:
            raise UserError(
                f"series {item.name} stands on {missing[0]}", hint=f"put {missing[0]} before {item.name} in `series:`"
            )
        seen.add(item.name)
    return tuple(choose(item, version) for item in series)


def choose(series: Series, version: str) -> Choice:
    """What a kernel of this version gets of a series. The first line that fits wins.

    A kernel whose version is not known ("") gets a series without lines as it is, and no line of one with lines.
    """
    if series.lines:
        fits = next((line for line in series.lines if version and applies_to(line.versions, version)), None)
    else:
        own = Line(versions=series.versions, patches=series.patches)
        fits = own if not version or applies_to(own.versions, version) else None
    if fits is not None:
        return Choice(series=series, version=version, candidates=(fits,))
    near = sorted(series.lines, key=lambda line: distance(line.versions, version)) if version else ()
    return Choice(series=series, version=version, near=True, candidates=tuple(near))
