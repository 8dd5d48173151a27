"""Patch series as values: which of their patches a kernel version gets, and in which order they come. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from kzram_ci.base.errors import UserError
from kzram_ci.base.values import dataclass
from kzram_ci.kernel.hooks.hook import Search
from kzram_ci.model.kernel import Patch
from kzram_ci.model.version import applies_to, distance

if TYPE_CHECKING:
    from kzram_ci.kernel.schema import SeriesFile


SEARCHED = "this very source, by code search"


class SeriesKind(StrEnum):
    """What a series is for. Bisection may drop a fix; an instrument changes nothing but what can be seen."""

    FIX = "fix"
    REGRESSION = "regression"
    INSTRUMENT = "instrument"
    BUILD = "build"
    ONE_OFF = "one-off"  # given on the command line, in no series.yaml


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """The patches of a series for one range of versions: constraints that must all hold."""

    versions: tuple[str, ...]
    patches: tuple[Patch, ...]
    needs: tuple[tuple[str, tuple[str, ...]], ...] = ()  # path in the tree, regular expressions that it must hold
    searched: bool = False  # of no version: code search made them, for one tree

    def ranges(self) -> str:
        """The versions it is for, in words."""
        return SEARCHED if self.searched else " ".join(self.versions)


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
    needs: tuple[tuple[str, tuple[str, ...]], ...] = ()  # of a series without lines; of all that is put in by search
    lines: tuple[Line, ...] = ()
    new: tuple[Patch, ...] = ()  # what makes its files; in each line too
    search: Search = field(default_factory=Search)  # for kernels that take none of its patches

    def named(self) -> tuple[Patch, ...]:
        """Every patch of every line."""
        return (*self.patches, *(patch for line in self.lines for patch in line.patches))

    def ranges(self) -> str:
        """The versions it is for, in words."""
        return " or ".join(line.ranges() for line in self.lines) or " ".join(self.versions)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What a kernel gets of a series: the first of the candidates that fits its text, else what code search puts in.

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


def series_from(model: SeriesFile, texts: Mapping[str, str], search: Search | None = None) -> Series:
    """A series from its checked series.yaml; `texts` holds patches and files by their names, `search` its hooks.

    `files` (path in the tree: file beside series.yaml) become the first patches of every line.
    """
    from kzram_ci.kernel import diff  # late: a check of a plan that knows its series needs none

    new = tuple(
        Patch(series=model.name, name=name, text=diff.creation(path, texts[name]) if name in texts else "")
        for path, name in model.files.items()
    )

    def patches(files: Sequence[str]) -> tuple[Patch, ...]:
        return (*new, *(Patch(series=model.name, name=name, text=texts.get(name, "")) for name in files))

    return Series(
        name=model.name,
        kind=SeriesKind(model.kind),
        optional=model.optional,
        after=tuple(model.after),
        versions=tuple(model.versions),
        author=model.author or "",
        upstream=model.upstream or "",
        why=model.why or "",
        patches=patches(model.patches) if model.patches else (),
        needs=_needs(model.needs),
        new=new,
        search=search or Search(),
        lines=tuple(
            Line(
                versions=tuple(row.versions),
                patches=patches(row.patches),
                needs=(*_needs(model.needs), *_needs(row.needs)),
            )
            for row in model.lines or ()
        ),
    )


def _needs(named: Mapping[str, Sequence[str]]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    return tuple((path, tuple(patterns)) for path, patterns in named.items())


def choose_all(series: Sequence[Series], version: str) -> tuple[Choice, ...]:
    """What a kernel gets of each series. Raises UserError when one comes before, or without, one it requires."""
    for name, missing in missing_before(series):
        raise UserError(f"series {name} requires {missing}", hint=f"put {missing} before {name} in `series:`")
    return tuple(choose(item, version) for item in series)


class Placed(Protocol):
    """What counts where series are put in order."""

    @property
    def name(self) -> str:
        """The name."""

    @property
    def after(self) -> tuple[str, ...]:
        """The series that must come before it."""


def missing_before(series: Sequence[Placed]) -> Iterator[tuple[str, str]]:
    """Each series that comes without, or before, another that it requires; and that other."""
    seen: set[str] = set()
    for item in series:
        yield from ((item.name, name) for name in item.after if name not in seen)
        seen.add(item.name)


def choose(series: Series, version: str) -> Choice:
    """What a kernel of this version gets of a series. The first line that fits wins.

    A kernel whose version is not known ("") gets a series without lines unchanged, and no line of one with lines.
    """
    if series.lines:
        fits = next((line for line in series.lines if version and applies_to(line.versions, version)), None)
    else:
        own = Line(versions=series.versions, patches=series.patches, needs=series.needs)
        fits = own if not version or applies_to(own.versions, version) else None
    if fits is not None:
        return Choice(series=series, version=version, candidates=(fits,))
    near = sorted(series.lines, key=lambda line: distance(line.versions, version)) if version else ()
    return Choice(series=series, version=version, near=True, candidates=tuple(near))
