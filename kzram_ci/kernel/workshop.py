"""The order of the stages that make a kernel: source, series, config, build. And the guest's file system."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from kzram_ci.base import budget, datafiles
from kzram_ci.base.cache import cache_root
from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import NotApplicable, UserError
from kzram_ci.kernel import buildfixes, fragments, kbuild, mechanism, patches, source, source_facts, toolchain
from kzram_ci.kernel.kconfig import Fragment
from kzram_ci.kernel.mechanism import Facts
from kzram_ci.model.cell import Cell
from kzram_ci.model.events import Event, Listener, silent
from kzram_ci.model.kernel import KernelImage, KernelSpec, Tree
from kzram_ci.model.version import numbers

BUILD_SECONDS = 3600.0 * 3


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelContext:
    """Where and how to build. The defaults: the user's cache, all processors, `BUILD_SECONDS` for each call."""

    cache: Path = field(default_factory=cache_root)
    jobs: int = field(default_factory=budget.cpus)
    deadline: Deadline | None = None
    listener: Listener = silent
    refresh: bool = False  # ask for newer packages and branches than were downloaded

    def until(self) -> Deadline:
        """The deadline of a call that begins now."""
        return self.deadline or Deadline.after(BUILD_SECONDS)


def image_for(spec: KernelSpec, context: KernelContext | None = None) -> KernelImage:
    """A bootable kernel, from the cache or built now; safe to call from several threads.

    Raises UserError, KernelError (PatchFailed, ConfigUnmet, BuildFailed), InfraError, Interrupted.
    """
    ctx = context or KernelContext()
    deadline = ctx.until()
    if spec.source.ready:
        return _ready(spec, ctx, deadline)
    tree = source.fetch(spec.source, cache=ctx.cache, deadline=deadline, listener=ctx.listener, refresh=ctx.refresh)
    return image_of(spec, tree, ctx)


def image_of(spec: KernelSpec, tree: Tree, context: KernelContext | None = None) -> KernelImage:
    """As `image_for`, of a tree that was fetched already; the spec's own source does not matter."""
    ctx = context or KernelContext()
    deadline = ctx.until()
    inputs = _inputs(spec, tree, ctx, deadline)
    if (image := kbuild.cached(inputs, cache=ctx.cache)) is not None:
        ctx.listener(Event(kind="build-done", subject=spec.name, text="cached"))
        if source_facts.recall(image.key, cache=ctx.cache) is None and kbuild.is_local(tree, cache=ctx.cache):
            source_facts.remember(image.key, _facts(tree, ctx, deadline), cache=ctx.cache)
        return image
    facts = _facts(tree, ctx, deadline)
    if reason := mechanism.meaning(facts, spec.series):
        raise NotApplicable(reason)
    toolchain.require()

    def patch(read: patches.Read) -> patches.Patched:
        patched = patches.apply_series(read, inputs.series, deadline=deadline)
        for note in patched.notes:
            ctx.listener(Event(kind="note", subject=spec.name, text=note))
        return patched

    image = kbuild.build(inputs, patch=patch, cache=ctx.cache, jobs=ctx.jobs, deadline=deadline, listener=ctx.listener)
    source_facts.remember(image.key, facts, cache=ctx.cache)
    return image


def suited(cell: Cell, image: KernelImage, context: KernelContext) -> Cell:
    """The cell as it must be run on this kernel, by what is known of its source. Raises NotApplicable."""
    facts = source_facts.recall(image.key, cache=context.cache)
    fitted = cell if facts is None else mechanism.suited(cell, facts)
    if fitted.skip:
        raise NotApplicable(fitted.skip)
    return fitted


def facts_for(spec: KernelSpec, context: KernelContext | None = None) -> Facts:
    """What the source of a kernel says about the overrun, patches aside. Raises UserError, InfraError, Interrupted."""
    ctx = context or KernelContext()
    deadline = ctx.until()
    tree = source.fetch(spec.source, cache=ctx.cache, deadline=deadline, listener=ctx.listener, refresh=ctx.refresh)
    return _facts(tree, ctx, deadline)


def facts_at_hand(spec: KernelSpec, context: KernelContext | None = None) -> Facts | None:
    """As `facts_for`, as far as the sources on this host tell: nothing is fetched or unpacked."""
    ctx = context or KernelContext()
    deadline = ctx.until()
    tree = None if spec.source.ready else source.local(spec.source, cache=ctx.cache, deadline=deadline)
    return None if tree is None or not kbuild.is_local(tree, cache=ctx.cache) else _facts(tree, ctx, deadline)


def _facts(tree: Tree, ctx: KernelContext, deadline: Deadline) -> Facts:
    return source_facts.facts_of(tree, cache=ctx.cache, deadline=deadline, listener=ctx.listener)


def plan_build(spec: KernelSpec, context: KernelContext | None = None) -> tuple[str, bool]:
    """The key a kernel will have, and whether it is built. ("", False) while its source is not on this host."""
    ctx = context or KernelContext()
    deadline = ctx.until()
    if spec.source.ready:
        image = source.ready(
            spec.source, name=spec.name, arch=spec.arch, cache=ctx.cache, deadline=deadline, offline=True
        )
        return (image.key, True) if image is not None else ("", False)
    tree = source.local(spec.source, cache=ctx.cache, deadline=deadline)
    if tree is None:
        return "", False
    inputs = _inputs(spec, tree, ctx, deadline)
    return kbuild.key(inputs), kbuild.cached(inputs, cache=ctx.cache) is not None


def keys_of(
    spec: KernelSpec, trees: Sequence[Tree], context: KernelContext | None = None
) -> tuple[tuple[str, bool], ...]:
    """For each tree the key its kernel will have, and whether it is built."""
    ctx = context or KernelContext()
    alike: dict[tuple[int, ...], kbuild.Inputs] = {}  # series and build fixes go by version only
    for tree in trees:
        if (version := numbers(tree.version)) not in alike:
            alike[version] = _inputs(spec, tree, ctx, ctx.until())
    each = [replace(alike[numbers(tree.version)], tree=tree) for tree in trees]
    return tuple((kbuild.key(inputs), kbuild.cached(inputs, cache=ctx.cache) is not None) for inputs in each)


def _ready(spec: KernelSpec, ctx: KernelContext, deadline: Deadline) -> KernelImage:
    """A kernel nobody builds. Raises UserError when the definition wants to change it."""
    if wrong := next((word for word in ("series", "config", "make_vars") if getattr(spec, word)), ""):
        raise UserError(
            f"{spec.name}: {spec.source.words()} is ready, {wrong.replace('_vars', '')} cannot change it",
            hint="leave series, config and make out, or take a source to build from",
        )
    image = source.ready(
        spec.source, name=spec.name, arch=spec.arch, cache=ctx.cache, deadline=deadline,
        listener=ctx.listener, refresh=ctx.refresh,
    )  # fmt: skip
    assert image is not None
    ctx.listener(Event(kind="build-done", subject=spec.name, text=f"{image.release}, ready"))
    return image


def _inputs(spec: KernelSpec, tree: Tree, ctx: KernelContext, deadline: Deadline) -> kbuild.Inputs:
    variables = toolchain.make_vars(spec.arch, spec.make_vars)
    identity = toolchain.identify(spec.arch, dict(variables), cache=ctx.cache, deadline=deadline)
    table = toolchain.fixes()
    fixes = buildfixes.needed(table, version=tree.version, arch=spec.arch, tools=dict(identity))
    return kbuild.Inputs(
        name=spec.name,
        arch=spec.arch,
        tree=tree,
        series=tuple(patches.load_fitting(name, tree.version) for name in spec.series),
        fragments=(
            *(fragments.for_version(_fragment(name), tree.version) for name in spec.config),
            *buildfixes.fragments(fixes),
        ),
        make_vars=buildfixes.make_vars(variables, fixes, toolchain.commands(dict(variables))["CC"]),
        toolchain=identity,
        advice=buildfixes.advice(table),
    )


def _fragment(name: str) -> Fragment:
    path = datafiles.find("kernels", f"config/{name}.config")
    try:
        return Fragment(name=f"{name}.config", text=path.read_text())
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not text") from error
