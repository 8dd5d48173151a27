"""Plans, kernels, series, fragments and the guest by name: the user's own first, then those that ship."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field
from enum import StrEnum
from pathlib import Path

import kzram_ci
from kzram_ci.base.errors import UserError
from kzram_ci.base.suggest import did_you_mean
from kzram_ci.base.values import dataclass

_PACKAGE = Path(kzram_ci.__file__).resolve().parent


class Kind(StrEnum):
    """What the library holds by name."""

    PLAN = "plan"
    KERNEL = "kernel"
    SERIES = "series"
    FRAGMENT = "fragment"


# kind -> directory, and the pattern of its files; of a series, the directory has the name
_SHELVES = {
    Kind.PLAN: ("testplans", "*.yaml"),
    Kind.KERNEL: ("kernels", "*.yaml"),
    Kind.SERIES: ("kernels/patches", "*/series.yaml"),
    Kind.FRAGMENT: ("kernels/config", "*.config"),
}
# Tables in kernels/ are not kernels.
TABLES = frozenset({"lines", "variants"})


def _roots() -> tuple[Path, ...]:
    """Working directory, top of the clone, package data."""
    try:
        here = Path().absolute()
    except FileNotFoundError:
        raise UserError("the working directory is gone", hint="cd into one that is there") from None
    return here, _PACKAGE.parent, _PACKAGE / "data"


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """Where all that has a name lies; a file in an earlier root wins over its namesakes."""

    roots: tuple[Path, ...] = field(default_factory=_roots)

    def names(self, kind: Kind) -> tuple[str, ...]:
        """All names of a kind, in alphabetical order."""
        return tuple(sorted(self._shelf(kind)))

    def find(self, kind: Kind, name: str) -> Path | None:
        """The file of a name; None when there is none."""
        if not name or name.startswith(".") or "/" in name or (kind is Kind.KERNEL and name in TABLES):
            return None
        directory, pattern = _SHELVES[kind]
        places = (root / directory / pattern.replace("*", name) for root in self.roots)
        return next((path for path in places if path.is_file()), None)

    def missing(self, kind: Kind, name: str) -> str:
        """What to say of a name that is not there: the names that are, and the nearest."""
        known = self.names(kind)
        listed = f"; known: {', '.join(known)}" if known else ""
        return f"no {kind} {name!r}{listed}{did_you_mean(name, known)}"

    def plan(self, word: str) -> Path:
        """A plan by path, or by the name of one that ships. Raises UserError with near matches."""
        path = Path(word)
        if path.is_file():
            return path
        name = path.stem if path.parent.name in {"", "testplans"} else word
        if (found := self.find(Kind.PLAN, name)) is not None:
            return found
        if path.exists():
            raise UserError(f"{word} is not a file", hint="name the YAML file of a plan, or a plan that ships")
        shown = "" if name == word else f"{word}: no such file, and "
        raise UserError(shown + self.missing(Kind.PLAN, name))

    def kernel(self, name: str) -> Path | None:
        """The file of a kernel; None when it has none (it may be a line of `kernels/lines.yaml` by a variant)."""
        return self.find(Kind.KERNEL, name)

    def series(self, name: str) -> Path:
        """The series.yaml of a patch series. Raises UserError with near matches."""
        return self._get(Kind.SERIES, name)

    def fragment(self, name: str) -> Path:
        """A config fragment. Raises UserError with near matches."""
        return self._get(Kind.FRAGMENT, name)

    def rootfs(self) -> Path:
        """The recipe of the guest's initramfs. Raises UserError."""
        return self.file("rootfs/rootfs.yaml")

    def file(self, place: str) -> Path:
        """A file by its place below a root. Raises UserError."""
        if found := self.all(place):
            return found[0]
        raise UserError(f"no {place}", hint=f"create it in {self.roots[0]}, or install kzram-ci again")

    def all(self, place: str) -> tuple[Path, ...]:
        """A file's namesakes in all roots: of tables whose rows add up, the first row of a name holds."""
        return tuple(dict.fromkeys(path for root in self.roots if (path := root / place).is_file()))

    def _get(self, kind: Kind, name: str) -> Path:
        if (path := self.find(kind, name)) is not None:
            return path
        raise UserError(self.missing(kind, name))

    def _shelf(self, kind: Kind) -> dict[str, Path]:
        return dict(self._files(kind))

    def _files(self, kind: Kind) -> Iterator[tuple[str, Path]]:
        directory, pattern = _SHELVES[kind]
        for root in reversed(self.roots):
            for path in (root / directory).glob(pattern):
                name = path.parent.name if kind is Kind.SERIES else path.stem
                if kind is not Kind.KERNEL or name not in TABLES:
                    yield name, path
