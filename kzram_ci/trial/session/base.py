"""What a series is applied to: the commit that it names, what the user names, or the plan's kernel that crashes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from kzram_ci.base import git
from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import CommandFailed, KernelError, PatchFailed, UserError
from kzram_ci.base.library import Library
from kzram_ci.base.values import dataclass
from kzram_ci.kernel import oneoff, patches
from kzram_ci.kernel.parts import load_series
from kzram_ci.kernel.posted import Posted
from kzram_ci.kernel.series import SeriesKind, choose_all
from kzram_ci.kernel.workshop import KernelContext, prospect
from kzram_ci.model.cell import Plan
from kzram_ci.model.kernel import KernelSpec
from kzram_ci.model.source import GivenSource, LocalGit, Source
from kzram_ci.plan import archs
from kzram_ci.plan.kernels import load_kernel
from kzram_ci.plan.source_args import is_source, parse
from kzram_ci.run.patching import must_crash
from kzram_ci.run.retarget import BASE_KERNEL, spec_with

SECONDS, TAGS_SECONDS, MOST_TAGS = 60.0, 30.0, 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """A kernel without the series, and why it is that one."""

    spec: KernelSpec
    why: str
    notes: tuple[str, ...] = ()


def base_of(
    posted: Posted, plan: Plan, *, word: str, kernel: str, arch: str, repository: Path, fork: str,
    context: KernelContext,
) -> Base:  # fmt: skip
    """The kernel to apply a series to. `word`: what the user named; `fork`: where commits of a repository begin;
    `arch`: in place of the kernel's own.

    Raises UserError, PatchFailed when no kernel of the plan takes it.
    """
    notes = []
    if posted.base_commit:
        if source := _commit(posted.base_commit, repository):
            spec = _on_source(plan, kernel, source, arch, context)
            return Base(spec=spec, why=f"base-commit {posted.base_commit[:12]}")
        notes.append(
            f"base-commit {posted.base_commit[:12]} is not in {repository.absolute()}: --repo names a repository"
        )
    if word:
        spec = _named(word, plan, kernel, arch, repository, context)
        return Base(spec=spec, why=f"--base {word}", notes=tuple(notes))
    if fork:
        source = LocalGit(path=str(repository.absolute()), ref=fork)
        return Base(spec=_on_source(plan, kernel, source, arch, context), why=f"where the commits begin, {fork[:12]}")
    return replace(_of_the_plan(posted, plan, context), notes=tuple(notes))


def with_series(spec: KernelSpec, posted: Posted, name: str) -> KernelSpec:
    """A kernel with the series. Raises UserError for one that is ready."""
    if spec.source.ready:
        raise UserError(f"{spec.source.words()} is ready: no patch can be put into it", hint="--base with a source")
    return replace(spec, name=name, patches=(*spec.patches, *posted.patches), variant="")


def _commit(name: str, repository: Path) -> Source | None:
    """A commit of a repository on this host, if it is there."""
    words = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
    try:
        done = git.run(*words, at=repository, deadline=Deadline.after(SECONDS), check=False)
    except CommandFailed:
        return None
    found = done.text().strip()
    return LocalGit(path=str(repository.absolute()), ref=found) if not done.code and found else None


def _load(name: str, arch: str) -> KernelSpec:
    spec = load_kernel(name, Library())
    return archs.ported(spec, arch) if arch else spec


def _known(plan: Plan) -> dict[str, KernelSpec]:
    """The plan's kernels by name, with the architecture behind it or without."""
    specs = [cell.kernel for cell in plan.cells]
    return {archs.plain(spec): spec for spec in specs} | {spec.name: spec for spec in specs}


def _on_source(plan: Plan, kernel: str, source: Source, arch: str, context: KernelContext) -> KernelSpec:
    """A source with the instruments and the config of a kernel: the one that was named, or one of the plan's that
    changes nothing, with as many instruments as the source takes.
    """
    known = _known(plan)
    if kernel:
        return spec_with(known.get(kernel) or _load(kernel, arch), source)
    library = Library()
    plain = [
        spec for spec in known.values() if not spec.patches and not spec.source.ready and _only_looks(spec, library)
    ]
    plain = sorted(plain, key=lambda spec: len(spec.series), reverse=True)
    if not plain:
        return spec_with(_load(BASE_KERNEL, arch), source)
    for spec in plain:
        try:
            prospect(spec_with(spec, source), context)
        except PatchFailed:
            continue
        return spec_with(spec, source)
    return spec_with(plain[-1], source)


def _only_looks(spec: KernelSpec, library: Library) -> bool:
    """Whether the series of a kernel are instruments, so that it does what its source does."""
    kinds = {load_series(name, library).kind for name in spec.series}
    return kinds <= {SeriesKind.INSTRUMENT, SeriesKind.BUILD}


def _named(
    word: str, plan: Plan, kernel: str, arch: str, repository: Path, context: KernelContext
) -> KernelSpec:  # fmt: skip
    """What --base names: a source, a line, a kernel by name, or a ref of the repository."""
    known = _known(plan)
    kind, _, line = word.partition(":")
    if kind == "line" and line:
        name = kernel or BASE_KERNEL
        spec = _load(name, arch)
        return _has_source(spec if spec.line == line else _load(f"{name}-{line}", arch))
    if is_source(word):
        return _on_source(plan, kernel, parse(word, Path()), arch, context)
    if word in known:
        return _has_source(known[word])
    if source := _commit(word, repository):
        return _on_source(plan, kernel, source, arch, context)
    try:
        return _has_source(_load(word, arch))
    except UserError as error:
        text = f"--base {word}: neither a kernel, a source, nor a ref of {repository.absolute()}"
        raise UserError(
            text, hint="--base v6.12 (of --repo DIR), unstable, line:6.12, git:DIR@REF, directory:DIR"
        ) from error


def _has_source(spec: KernelSpec) -> KernelSpec:
    if isinstance(spec.source, GivenSource):
        raise UserError(f"{spec.name} has no source: {spec.source.how}", hint="--base git:DIR@REF --kernel NAME")
    return spec


def _of_the_plan(posted: Posted, plan: Plan, context: KernelContext) -> Base:
    """The first kernel of the plan that takes the series; those that must crash come first."""
    cells = sorted(plan.cells, key=lambda cell: (not must_crash(cell), cell.expect.outcome != "oops"))
    specs = dict.fromkeys(cell.kernel for cell in cells if not cell.kernel.source.ready and not cell.skip)
    first: KernelError | None = None
    for spec in specs:
        if isinstance(spec.source, GivenSource):
            continue
        try:
            prospect(with_series(spec, posted, f"{spec.name}+series"), context)
        except PatchFailed as error:
            first = first or error
            continue
        return Base(spec=spec, why=f"{spec.name} of {plan.name}: the series applies to it")
    if first is not None:
        raise first
    raise UserError(f"{plan.name} has no kernel that is built from source", hint="--base git:DIR@REF")


def newest_tag(posted: Posted, repository: Path) -> str:
    """The newest tag of a repository on which the whole series applies, of its last ones; "" when there is none."""
    deadline = Deadline.after(TAGS_SECONDS)
    try:
        listed = git.run("tag", "--sort=-creatordate", at=repository, deadline=deadline, check=False).text().split()
    except CommandFailed:
        return ""
    choices = choose_all(oneoff.series_of(posted.patches), "")
    for tag in listed[:MOST_TAGS]:
        if deadline.remaining() < 1.0:
            break
        try:
            patches.apply(_reader(repository, tag, deadline), choices, deadline=deadline)
        except KernelError:
            continue
        return tag
    return ""


def _reader(repository: Path, tag: str, deadline: Deadline) -> Callable[[str], bytes | None]:
    def read(path: str) -> bytes | None:
        words = ("cat-file", "blob", f"refs/tags/{tag}:{path}")
        done = git.run(*words, at=repository, deadline=deadline, check=False)
        return None if done.code else done.stdout

    return read


def check_applies(spec: KernelSpec, posted: Posted, repositories: Sequence[Path], context: KernelContext) -> None:
    """Raise PatchFailed, saying where and on which tag it would apply, unless the series applies to the kernel."""
    try:
        prospect(with_series(spec, posted, f"{spec.name}+series"), context)
    except PatchFailed as error:
        for repository in repositories:
            if tag := newest_tag(posted, repository):
                error.hint = f"the newest tag of {repository} on which it applies is {tag}: --base {tag}"
                break
        else:
            error.hint = "--base names the kernel it was made for"
        raise
