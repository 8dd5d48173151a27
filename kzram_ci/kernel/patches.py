"""Patch series: read from disk, applied strictly (context must match; offsets may differ; no fuzz)."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kzram_ci.base import datafiles, git, proc
from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import PatchFailed, UserError
from kzram_ci.kernel import diff
from kzram_ci.kernel.series import Series, SeriesKind, check_order, for_version, nearest, series_from
from kzram_ci.model.kernel import Patch
from kzram_ci.model.version import applies_to, kernel_version

Read = Callable[[str], bytes | None]  # content of a path in the pristine tree; None: no such file

# A kernel that has the change already is fine for these; an instrument that is there twice is a mistake.
_MAY_BE_THERE = frozenset({SeriesKind.FIX, SeriesKind.REGRESSION})


@dataclass(frozen=True, slots=True, kw_only=True)
class Patched:
    """What a tree differs in: new content by path (None: deleted), which of it is executable, what to tell."""

    files: Mapping[str, bytes | None]
    executable: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()


def load_series(name: str) -> Series:
    """A series by name, from `kernels/patches/<name>/series.yaml`. Raises UserError."""
    import yaml

    path = datafiles.find("kernels", f"patches/{name}/series.yaml")
    try:
        # BaseLoader: every scalar is text; YAML 1.1 takes many words for something else.
        data = yaml.load(path.read_text(), Loader=yaml.BaseLoader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: {' '.join(str(error).split())}") from error
    listed = series_from(data, str(path))
    if listed.name != name:
        raise UserError(f"{path}: the name is {listed.name!r}, the directory is called {name!r}")
    texts = {patch.name: _text(path.parent / patch.name) for patch in listed.named()}
    return series_from(data, str(path), texts)


def load_fitting(name: str, version: str) -> Series:
    """As `load_series`, with the patches for a kernel version chosen; with all lines when none fits.

    The latter is for the build key: whether the series has a meaning there is only known once the source is read.
    """
    listed = load_series(name)
    return for_version(listed, version) or listed


def _text(path: Path) -> str:
    try:
        text = path.read_bytes().decode("utf-8", "surrogateescape")
        if not diff.files(text):
            raise UserError(f"{path}: no diff in it")
    except FileNotFoundError as error:
        raise UserError(f"{path} does not exist", hint=f"{path.parent}/series.yaml names it") from error
    except ValueError as error:
        raise UserError(f"{path}: {error}") from error
    return text


def select(series: Series, version: str) -> tuple[Series, ...]:
    """What to try, in this order, until one applies: the patches for this version, else those of the nearest lines.

    Raises PatchFailed for a series that has none: its `versions:` leave this kernel out, or the version is not known.
    """
    if (fits := for_version(series, version)) is not None:
        return (fits,)
    if near := nearest(series, version) if version else ():
        return near
    raise PatchFailed(
        f"series {series.name} is for {series.ranges()}, this kernel is {version or 'of unknown version'}",
        hint="take a series made for this version, or widen `versions:` once it is tested",
    )


def apply_series(read: Read, series: Sequence[Series], *, deadline: Deadline) -> Patched:
    """Apply series in order to the files they touch. The tree itself is only read.

    A version between the lines of a series gets those of the nearest one that apply just as strictly, or none when the
    series is optional; a note tells.
    Raises PatchFailed naming series, patch, file and hunk; UserError when the series do not fit each other.
    """
    check_order(series)
    version = kernel_version((read("Makefile") or b"").decode("utf-8", "replace"))
    choices = [select(item, version) for item in series]
    tried = [patch for choice in choices for item in choice for patch in item.patches]
    paths = sorted({path for patch in tried for path in diff.touched(patch.text)})
    with tempfile.TemporaryDirectory(prefix=proc.temporary_prefix()) as name:
        scratch = Path(name)
        for path in paths:
            if (content := read(path)) is not None:
                (scratch / path).parent.mkdir(parents=True, exist_ok=True)
                (scratch / path).write_bytes(content)
        notes = tuple(_apply_choices(scratch, choices, version, deadline))
        files = {path: (scratch / path).read_bytes() if (scratch / path).is_file() else None for path in paths}
        runnable = frozenset(path for path in paths if files[path] is not None and os.access(scratch / path, os.X_OK))
    changed = {path: content for path, content in files.items() if content != read(path)}
    return Patched(files=changed, executable=runnable, notes=notes)


def _apply_choices(
    scratch: Path, choices: Sequence[Sequence[Series]], version: str, deadline: Deadline
) -> Iterator[str]:
    """Apply one series of each choice; yields what to tell."""
    left_out: dict[str, str] = {}
    for choice in choices:
        item = choice[0]
        foreign = bool(version) and not applies_to(item.versions, version)
        try:
            if missing := [name for name in item.after if name in left_out]:
                raise PatchFailed(f"it stands on {missing[0]}, which was left out", hint=left_out[missing[0]])
            if foreign:
                yield from _apply_nearest(scratch, choice, version, deadline)
            else:
                yield from _apply_all(scratch, item, deadline)
        except PatchFailed as error:
            if not (item.optional and foreign):
                raise
            left_out[item.name] = error.message
            yield f"{item.name}: left out, its counters will be missing: {error.message}"


def _apply_all(scratch: Path, series: Series, deadline: Deadline) -> list[str]:
    """Apply a series; returns what to tell."""
    return [note for patch in series.patches if (note := _apply(scratch, series, patch, deadline)) is not None]


def _apply_nearest(scratch: Path, choice: Sequence[Series], version: str, deadline: Deadline) -> list[str]:
    """Apply the first series that applies as a whole, of those made for other versions. Raises PatchFailed."""
    failures: list[PatchFailed] = []
    before = {path: path.read_bytes() for path in scratch.rglob("*") if path.is_file()}
    for item in choice:
        try:
            notes = _apply_all(scratch, item, deadline)
        except PatchFailed as error:
            _restore(scratch, before)
            failures.append(error)
        else:
            return [f"{item.name}: made for {item.ranges()}, applied to {version} as it is, not tested there", *notes]
    closest = failures[0]
    told = f"series {choice[0].name} has nothing for {version}, and what it has for {choice[0].ranges()} does not apply"
    raise PatchFailed(f"{told}: {closest.message}", hint=closest.hint) from closest


def _restore(scratch: Path, before: Mapping[Path, bytes]) -> None:
    for path in scratch.rglob("*"):
        if path.is_file() and path not in before:
            path.unlink()
    for path, content in before.items():
        path.parent.mkdir(parents=True, exist_ok=True)  # git apply removes a directory it empties
        if not path.is_file() or path.read_bytes() != content:
            path.write_bytes(content)


def _git_apply(scratch: Path, patch: Patch, deadline: Deadline, *flags: str) -> str:
    """What git said against it; "" when it is applied. git apply has no fuzz and changes all files or none."""
    done = git.run(
        *("apply", "-p1", "--whitespace=nowarn", *flags, "-"),
        cwd=scratch,
        # A scratch directory inside somebody's repository: git would silently skip paths outside of it.
        env={"GIT_CEILING_DIRECTORIES": str(scratch.resolve().parent)},
        input=patch.text.encode("utf-8", "surrogateescape"),
        deadline=deadline,
        check=False,
    )
    return done.stderr.decode("utf-8", "replace").strip() or f"git apply exited with {done.code}" if done.code else ""


def _apply(scratch: Path, series: Series, patch: Patch, deadline: Deadline) -> str | None:
    complaint = _git_apply(scratch, patch, deadline)
    if not complaint:
        return None
    there = not _git_apply(scratch, patch, deadline, "--reverse", "--check")
    where = f"{series.name}/{patch.name}"
    if there and series.kind in _MAY_BE_THERE:
        return f"{where}: already applied, left out"
    if there:
        raise PatchFailed(f"{where}: already applied", hint=f"remove series {series.name} from the kernel")
    raise PatchFailed(f"{where}: {_why(scratch, patch, complaint)}", hint="refresh the patch against this kernel")


def _why(scratch: Path, patch: Patch, complaint: str) -> str:
    """Git's words as file, hunk number, hunk header and the line that does not fit."""
    match = re.search(r"^error: patch failed: (.+):(\d+)$", complaint, re.MULTILINE)
    if match is None:
        return complaint.splitlines()[0].removeprefix("error: ")
    for change in diff.files(patch.text):
        for hunk in change.hunks:
            if change.before == match[1] and hunk.start == int(match[2]):
                content = (scratch / change.before).read_bytes().decode("utf-8", "surrogateescape")
                where = f"{change.before}: hunk {hunk.number} ({hunk.header})"
                return f"{where} does not apply: {diff.misfit(hunk, content)}"
    return f"{match[1]}: the hunk at line {match[2]} does not apply"
