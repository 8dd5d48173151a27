"""The parts that a kernel definition names: series, config fragments and build fixes, read from the library."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from kzram_ci.base.errors import UserError
from kzram_ci.base.grammar.problems import Problems, Where
from kzram_ci.base.grammar.read import read_model
from kzram_ci.base.library import Library
from kzram_ci.kernel.hooks.hook import Search
from kzram_ci.kernel.kconfig import Fragment
from kzram_ci.kernel.series import Series, series_from

if TYPE_CHECKING:
    from kzram_ci.kernel.buildfixes import Fix
    from kzram_ci.kernel.tools import Parts
    from kzram_ci.model.kernel import KernelSpec


def parts_of(spec: KernelSpec, library: Library) -> Parts:
    """All that a definition names. Raises UserError for what does not exist or cannot be read."""
    from kzram_ci.kernel import oneoff  # late: who checks a plan needs no more than its series and fragments
    from kzram_ci.kernel.tools import Parts

    named = tuple(load_series(name, library) for name in spec.series)
    fragments = tuple(load_fragment(name, library) for name in spec.config)
    return Parts(series=(*named, *oneoff.series_of(spec.patches)), fragments=fragments, fixes=load_fixes(library))


def load_series(name: str, library: Library) -> Series:
    """A series by name. Raises UserError with all that is wrong with its series.yaml, or with its patches."""
    path = library.series(name)
    return _loaded(path, _stamp(path.parent))


def _stamp(directory: Path) -> tuple[tuple[str, int, int], ...]:
    """What shows that a file of a series has changed."""
    status = {str(path): path.stat() for path in sorted(directory.rglob("*")) if path.is_file()}
    return tuple((name, found.st_size, found.st_mtime_ns) for name, found in status.items())


@cache  # the kernels of a plan share most of their series, and each is asked for several times
def _loaded(path: Path, stamp: tuple[tuple[str, int, int], ...]) -> Series:
    problems = Problems()
    series = read_series(path, problems)
    problems.raise_if_any()
    assert series is not None
    return series


def read_series(path: Path, problems: Problems) -> Series | None:
    """The series of a series.yaml; None when what is wrong is recorded."""
    from kzram_ci.kernel.schema import SeriesFile

    file, name = str(path), path.parent.name
    model = read_model(SeriesFile, path, problems)
    if model is None:
        return None
    if model.name != name:
        problems.add(file, ("name",), f"the name is {model.name!r}, the directory is called {name!r}")
    if model.lines is None and model.patches is None:
        problems.add(file, (), "patches or lines are required")
    for key in ("versions", "patches"):
        if model.lines is not None and getattr(model, key):
            problems.add(file, (key,), f"{key} must be in each of `lines` instead", key=True)
    named: list[tuple[Where, str]] = [(("patches", index), item) for index, item in enumerate(model.patches or ())]
    for number, line in enumerate(model.lines or ()):
        named += [(("lines", number, "patches", index), item) for index, item in enumerate(line.patches)]
    texts: dict[str, str] = {}
    for where, item in (*named, *((("files", place), item) for place, item in model.files.items())):
        if item in texts and where[0] != "files":  # a patch of several lines
            continue
        try:
            texts[item] = _text(path.parent / item) if where[0] == "files" else _patch(path.parent / item)
        except ValueError as error:
            problems.add(file, where, str(error))
    search = _search(path.parent / model.hooks, problems) if model.hooks else None
    return series_from(model, texts, search)


def _search(path: Path, problems: Problems) -> Search | None:
    from kzram_ci.kernel.hooks.schema import HooksFile, search_from

    model = read_model(HooksFile, path, problems)
    return None if model is None else search_from(model)


def load_fragment(name: str, library: Library) -> Fragment:
    """A config fragment by name. Raises UserError."""
    path = library.fragment(name)
    try:
        return Fragment(name=f"{name}.config", text=path.read_text("utf-8"))
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not text") from error


def load_fixes(library: Library) -> tuple[Fix, ...]:
    """The table of build fixes: kernels/toolchain/fixes.yaml. Raises UserError with all that is wrong with it."""
    from kzram_ci.kernel.buildfixes import fixes_from
    from kzram_ci.kernel.fix_schema import FixesFile

    problems = Problems()
    model = read_model(FixesFile, library.file("kernels/toolchain/fixes.yaml"), problems)
    problems.raise_if_any()
    assert model is not None
    return fixes_from(model)


def _patch(path: Path) -> str:
    """The text of a patch file, decoded if it is a mail. Raises ValueError with what is wrong with it."""
    from kzram_ci.kernel import diff, mail  # late: a check of a plan that knows its series reads no patch

    data = _bytes(path)
    try:
        text = mail.decoded(data)
        found = diff.check(text)
    except ValueError as error:
        raise ValueError(f"{path.name}: {error}") from error
    if not found:
        raise ValueError(f"{path.name} has no diff in it")
    return text


def _text(path: Path) -> str:
    """The text of a file. Raises ValueError when it cannot be read."""
    return _bytes(path).decode("utf-8", "surrogateescape")


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ValueError(f"{path.name} cannot be read: {error.strerror}") from error
