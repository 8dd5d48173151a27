"""Patch series, applied strictly: context must match; offsets may differ; no fuzz."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from kzram_ci.base import git, proc
from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import BuildFailed, PatchFailed
from kzram_ci.base.values import dataclass
from kzram_ci.kernel import diff, presence
from kzram_ci.kernel.hooks.place import Misplaced
from kzram_ci.kernel.hooks.search import applied
from kzram_ci.kernel.series import SEARCHED, Choice, Line, Series, SeriesKind
from kzram_ci.model.kernel import Patch
from kzram_ci.model.provenance import AppliedSeries

Read = Callable[[str], bytes | None]  # content of a path in the pristine tree; None: no such file


# A kernel that has the change already is fine for these; an instrument that is there twice is a mistake.
_MAY_BE_THERE = frozenset({SeriesKind.FIX, SeriesKind.REGRESSION})
_OTHER_LINE = "give the series patches made for this kernel, or leave it out"


@dataclass(frozen=True, slots=True, kw_only=True)
class Near:
    """The patches that a kernel got of a series although they were made for other versions."""

    series: Series
    line: Line

    @property
    def key(self) -> tuple[str, str]:
        """What names it."""
        return self.series.name, self.line.ranges()


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """What the compiler said against patches that apply, and the log of it."""

    why: str
    log: str = ""


Broken = Mapping[tuple[str, str], Refusal]  # by `Near.key`


@dataclass(frozen=True, slots=True, kw_only=True)
class Patched:
    """What a tree differs in: new content by path (None: deleted), which of it is executable, what to tell."""

    files: Mapping[str, bytes | None]
    executable: frozenset[str] = frozenset()
    applied: tuple[AppliedSeries, ...] = ()
    near: tuple[Near, ...] = ()

    @property
    def searched(self) -> Mapping[str, str]:
        """What code search put in: the diff, by the name of its file."""
        found = (near.line.patches[-1] for near in self.near if near.line.searched)
        return {patch.name: patch.text for patch in found}

    @property
    def notes(self) -> tuple[str, ...]:
        """What is worth telling, series by series."""
        return tuple(note for series in self.applied for note in series.notes)


def apply(
    read: Read,
    choices: Sequence[Choice],
    *,
    deadline: Deadline,
    broken: Broken = MappingProxyType({}),
    met: Mapping[str, str] = MappingProxyType({}),
) -> Patched:
    """Apply one candidate of each choice, in order, to the files they touch. The tree itself is only read.

    A version between the lines of a series gets those of the nearest one that apply just as strictly, or none when the
    series is optional; a note tells. `broken`: candidates that are known not to compile, and what the compiler said.
    `met`: series that the source needs not, by name, and why: others may stand on them.
    Raises PatchFailed naming series, patch, file and hunk, or BuildFailed when all that apply are broken.
    """
    tried = [patch for choice in choices for line in choice.candidates for patch in line.patches]
    tried += [patch for choice in choices for patch in choice.series.new]
    searched = {path for choice in choices for path in choice.series.search.files()}
    paths = sorted({path for patch in tried for path in diff.touched(patch.text)} | searched)
    with tempfile.TemporaryDirectory(prefix=proc.temporary_prefix()) as name:
        scratch = Path(name)
        for path in paths:
            if (content := read(path)) is not None:
                (scratch / path).parent.mkdir(parents=True, exist_ok=True)
                (scratch / path).write_bytes(content)
        work = _Work(scratch=scratch, read=read, broken=broken, met=met, deadline=deadline)
        done = tuple(_apply_choices(work, choices))
        files = {path: (scratch / path).read_bytes() if (scratch / path).is_file() else None for path in paths}
        runnable = frozenset(path for path in paths if files[path] is not None and os.access(scratch / path, os.X_OK))
    changed = {path: content for path, content in files.items() if content != read(path)}
    return Patched(
        files=changed,
        executable=runnable,
        applied=tuple(series for series, _ in done),
        near=tuple(near for _, near in done if near is not None),
    )


class _NeedUnmet(PatchFailed):
    """What a series declares to need is not in the tree."""


class _Foreign(PatchFailed):
    """The tree is not what its version says: neither the patches for that nor code search fit."""


class _Already(PatchFailed):
    """The tree has it already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Work:
    """Patching on its way: files are changed in `scratch`, others are read from the tree."""

    scratch: Path
    read: Read
    broken: Broken
    met: Mapping[str, str]
    deadline: Deadline

    def text(self, path: str) -> str | None:
        """A file as the patches so far have left it; None when there is none."""
        here = self.scratch / path
        content = here.read_bytes() if here.is_file() else self.read(path)
        return None if content is None else content.decode("utf-8", "surrogateescape")


def _apply_choices(work: _Work, choices: Sequence[Choice]) -> Iterator[tuple[AppliedSeries, Near | None]]:
    """Apply one candidate of each choice; yields what was done."""
    left_out: dict[str, str] = {}
    for choice in choices:
        series = choice.series
        if series.name in work.met:
            because = work.met[series.name]
            note = f"{series.name}: nothing to do: {because}"
            yield AppliedSeries(name=series.name, kind=str(series.kind), met=because, notes=(note,)), None
            continue
        try:
            if missing := [name for name in series.after if name in left_out]:
                raise PatchFailed(f"it stands on {missing[0]}, which was left out", hint=left_out[missing[0]])
            if choice.near:
                yield _apply_nearest(work, choice)
            else:
                yield _apply_own(work, choice)
        except (PatchFailed, BuildFailed) as error:
            # what was made for it and torn is an error, unless the tree is another than its version says
            may_lack = choice.near or isinstance(error, (_NeedUnmet, _Foreign, BuildFailed))
            if not (series.optional and may_lack and (choice.version or series.search.hooks)):
                raise
            left_out[series.name] = error.message
            note = f"{series.name}: left out, its counters will be missing: {error.message}"
            yield AppliedSeries(name=series.name, kind=str(series.kind), left_out=error.cause, notes=(note,)), None


def _apply_line(work: _Work, series: Series, line: Line, *, near: bool = False) -> AppliedSeries:
    """Apply the patches of a line; of one made for other versions only where the tree has the locks that it takes."""
    if missing := presence.unmet(line.needs, work.text):
        raise _NeedUnmet(f"{series.name}: {missing}, which this kernel does not have", hint=_OTHER_LINE)
    notes = {}
    for patch in line.patches:
        if near and (lock := presence.foreign_lock(patch.text, work.text)):
            raise PatchFailed(f"{series.name}/{patch.name}: {lock}", hint=_OTHER_LINE)
        notes[patch.name] = _apply(work, series, patch)
    return AppliedSeries(
        name=series.name,
        kind=str(series.kind),
        patches=tuple(name for name, note in notes.items() if not note),
        notes=tuple(note for note in notes.values() if note),
    )


def _apply_own(work: _Work, choice: Choice) -> tuple[AppliedSeries, Near | None]:
    """Apply the patches that were made for this version; where the tree is another all the same, search it."""
    series, before = choice.series, _snapshot(work.scratch)
    try:
        return _apply_line(work, series, choice.candidates[0]), None
    except _Already:
        raise
    except PatchFailed as error:
        if not series.search.hooks:
            raise
        _restore(work.scratch, before)
        if refusal := work.broken.get((series.name, SEARCHED)):
            raise _does_not_compile(choice, SEARCHED, refusal) from error
        try:
            return _apply_search(work, series, f"its patches for {choice.candidates[0].ranges()} do not apply")
        except _Already:
            raise
        except PatchFailed as second:
            _restore(work.scratch, before)
            told = f"{error.message}; and code search: {second.message}"
            cause = f"neither its patches for {choice.candidates[0].ranges()} nor code search fit"
            raise _Foreign(told, hint=error.hint, cause=cause) from error


def _apply_search(work: _Work, series: Series, why: str) -> tuple[AppliedSeries, Near]:
    """Put a series in by code search. Raises PatchFailed when a hook has no place that is certain."""
    if missing := presence.unmet(series.needs, work.text):
        raise _NeedUnmet(f"{series.name}: {missing}, which this kernel does not have", hint=_OTHER_LINE)
    try:
        made = applied(series.search, work.text)
    except Misplaced as error:
        raise PatchFailed(f"{series.name}: {error}", hint=_OTHER_LINE) from error
    if lock := presence.foreign_lock(made.diff, work.text):
        raise PatchFailed(f"{series.name}: {lock}", hint=_OTHER_LINE)
    for patch in series.new:
        _apply(work, series, patch)
    for path, content in made.files.items():
        (work.scratch / path).parent.mkdir(parents=True, exist_ok=True)
        (work.scratch / path).write_bytes(content.encode("utf-8", "surrogateescape"))
    patch = Patch(series=series.name, name=f"{series.name}.diff", text=made.diff)
    note = f"{series.name}: {why}: put in by code search, {made.extent}"
    done = AppliedSeries(
        name=series.name,
        kind=str(series.kind),
        patches=(*(new.name for new in series.new), patch.name),
        hooks=made.count,
        notes=(note,),
    )
    return done, Near(series=series, line=Line(versions=(), patches=(*series.new, patch), searched=True))


def _apply_nearest(work: _Work, choice: Choice) -> tuple[AppliedSeries, Near | None]:
    """Apply the first candidate that applies as a whole, of those made for other versions.

    Raises PatchFailed when none applies, BuildFailed when those that do are broken.
    """
    series, version = choice.series, choice.version
    if not choice.candidates and not series.search.hooks:
        raise PatchFailed(
            f"series {series.name} is for {series.ranges()}, this kernel is {version or 'of unknown version'}",
            hint="take a series made for this version, or widen `versions:` once it is tested",
        )
    failures: list[PatchFailed] = []
    before = _snapshot(work.scratch)
    for line in choice.candidates:
        near = Near(series=series, line=line)
        if near.key in work.broken:
            continue
        try:
            done = _apply_line(work, series, line, near=True)
        except PatchFailed as error:
            _restore(work.scratch, before)
            failures.append(error)
        else:
            note = f"{series.name}: made for {line.ranges()}, applied to {version} unchanged, not tested there"
            return replace(done, notes=(note, *done.notes)), near
    if series.search.hooks and (series.name, SEARCHED) not in work.broken:
        try:
            return _apply_search(work, series, f"it has no patches for {version or 'an unknown version'} that fit")
        except PatchFailed as error:
            _restore(work.scratch, before)
            failures.append(error)
    if refused := [(versions, refusal) for (name, versions), refusal in work.broken.items() if name == series.name]:
        raise _does_not_compile(choice, *refused[0])
    raise _nothing_fits(choice, failures)


def _does_not_compile(choice: Choice, versions: str, refusal: Refusal) -> BuildFailed:
    name, version = choice.series.name, choice.version or "this kernel"
    return BuildFailed(
        f"series {name}, made for {versions}, applies to {version} but does not compile: {refusal.why}",
        hint=f"give the series patches for {version}, or leave it out",
        log=refusal.log,
        cause=f"its patches for {versions} do not compile on {version}",
    )


def _nothing_fits(choice: Choice, failures: Sequence[PatchFailed]) -> PatchFailed:
    """Why neither the patches of other versions nor code search did."""
    name, version, closest = choice.series.name, choice.version or "a kernel of unknown version", failures[0]
    told, cause = f"series {name} has nothing for {version}", f"it has nothing for {version}"
    if choice.candidates:
        nearest = choice.candidates[0].ranges()
        told = f"{told}, and what it has for {nearest} does not apply"
        cause = f"{cause}, and its patches for {nearest} do not apply"
    told = f"{told}: {closest.message}"
    if choice.series.search.hooks:
        told = told if closest is failures[-1] else f"{told}; and code search: {failures[-1].message}"
        cause = f"{cause}; code search does not find its places"
    return PatchFailed(told, hint=closest.hint, cause=cause)


def _snapshot(scratch: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in scratch.rglob("*") if path.is_file()}


def _restore(scratch: Path, before: Mapping[Path, bytes]) -> None:
    for path in scratch.rglob("*"):
        if path.is_file() and path not in before:
            path.unlink()
    for path, content in before.items():
        path.parent.mkdir(parents=True, exist_ok=True)  # git apply removes a directory it empties
        if not path.is_file() or path.read_bytes() != content:
            path.write_bytes(content)


def _git_apply(work: _Work, patch: Patch, *flags: str) -> str:
    """What git said against it; "" when it is applied. git apply has no fuzz and changes all files or none."""
    done = git.run(
        *("apply", "-p1", "--whitespace=nowarn", *flags, "-"),
        cwd=work.scratch,
        # A scratch directory inside somebody's repository: git would silently skip paths outside of it.
        env={"GIT_CEILING_DIRECTORIES": str(work.scratch.resolve().parent)},
        input=patch.text.encode("utf-8", "surrogateescape"),
        deadline=work.deadline,
        check=False,
    )
    return done.stderr.decode("utf-8", "replace").strip() or f"git apply exited with {done.code}" if done.code else ""


def _apply(work: _Work, series: Series, patch: Patch) -> str:
    """Apply a patch; returns why it was left out, "" when it was not."""
    complaint = _git_apply(work, patch)
    if not complaint:
        return ""
    there = not _git_apply(work, patch, "--reverse", "--check")
    where = patch.name if series.name == patch.name else f"{series.name}/{patch.name}"
    if there and series.kind is SeriesKind.ONE_OFF:
        raise PatchFailed(f"{where}: the source has it already", hint="leave --patch out: it changes nothing there")
    if there and series.kind in _MAY_BE_THERE:
        return f"{where}: already applied, left out"
    if there:
        raise _Already(f"{where}: already applied", hint=f"remove series {series.name} from the kernel")
    why, excerpt = _why(work.scratch, patch, complaint)
    error = PatchFailed(f"{where}: {why}", hint="refresh the patch against this kernel")
    error.excerpt = excerpt
    raise error


def _why(scratch: Path, patch: Patch, complaint: str) -> tuple[str, str]:
    """Git's words as file, hunk number, hunk header and the line that does not fit; and the file at that place."""
    match = re.search(r"^error: patch failed: (.+):(\d+)$", complaint, re.MULTILINE)
    if match is None:
        return complaint.splitlines()[0].removeprefix("error: "), ""
    for change in diff.files(patch.text):
        for hunk in change.hunks:
            if change.before == match[1] and hunk.start == int(match[2]):
                content = (scratch / change.before).read_bytes().decode("utf-8", "surrogateescape")
                where = f"{change.before}: hunk {hunk.number} ({hunk.header})"
                return f"{where} does not apply: {diff.misfit(hunk, content)}", diff.excerpt(hunk, content)
    return f"{match[1]}: the hunk at line {match[2]} does not apply", ""
