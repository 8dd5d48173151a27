"""How a kernel comes to be, in order: source, parts, toolchain, recipe, build. And what is known of it beforehand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import field, replace
from pathlib import Path

from kzram_ci.base import budget
from kzram_ci.base.cache import cache_root
from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import NotApplicable, UserError
from kzram_ci.base.library import Library
from kzram_ci.base.spans import span
from kzram_ci.base.values import dataclass
from kzram_ci.kernel import beside, kbuild, mechanism, source, source_facts, toolchain
from kzram_ci.kernel.borrowed import borrow, lend
from kzram_ci.kernel.context import Context
from kzram_ci.kernel.kbuild.base_tree import BaseTree
from kzram_ci.kernel.mechanism import Facts
from kzram_ci.kernel.parts import parts_of
from kzram_ci.kernel.recipe import recipe
from kzram_ci.model.events import BuildDone, Listener, silent
from kzram_ci.model.kernel import KernelImage, KernelSpec, Tree
from kzram_ci.model.provenance import AppliedSeries
from kzram_ci.model.version import numbers
from kzram_ci.store.shared import Shelf

BUILD_SECONDS = 3600.0 * 3


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelContext:
    """Where and how to build. The defaults: the user's cache, all processors, `BUILD_SECONDS` for each call."""

    cache: Path = field(default_factory=cache_root)
    jobs: int = field(default_factory=budget.cpus)
    deadline: Deadline | None = None
    listener: Listener = silent
    refresh: bool = False  # ask for newer packages and branches than were downloaded
    library: Library = field(default_factory=Library)
    offline: bool = False  # fetch nothing, and start nothing that a kernel's definition names
    sandbox: bool = False  # run what a tree brings under bubblewrap
    shelf: Shelf = field(default_factory=Shelf, compare=False)  # the stores of the environment, unless given
    told: set[str] = field(default_factory=set, compare=False)  # notes, over all calls

    def begin(self) -> Context:
        """The context of a call that begins now."""
        deadline = self.deadline or Deadline.after(BUILD_SECONDS)
        return Context(
            cache=self.cache,
            deadline=deadline,
            listener=self.listener,
            jobs=self.jobs,
            refresh=self.refresh,
            library=self.library,
            offline=self.offline,
            sandbox=self.sandbox,
            shelf=self.shelf,
            told=self.told,
        )

    def note(self, subject: str, text: str) -> None:
        """Tell the listener something worth knowing, once."""
        self.begin().note(subject, text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prospect:
    """What is known of a kernel before it is built: its source, and the series it will get of those it names."""

    facts: Facts
    applied: tuple[AppliedSeries, ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        """What is worth telling, series by series."""
        return tuple(note for series in self.applied for note in series.notes)


def image_for(spec: KernelSpec, context: KernelContext) -> KernelImage:
    """A bootable kernel, from the cache or built now; safe to call from several threads.

    Raises UserError, KernelError (PatchFailed, ConfigUnmet, BuildFailed), InfraError, Interrupted.
    """
    ctx = context.begin()
    if spec.source.ready:
        return _ready(spec, ctx)
    with span("source", "build", source=spec.source.words()):
        tree = source.fetch(spec.source, ctx)
    return _image(spec, tree, ctx)


def image_of(
    spec: KernelSpec, tree: Tree, context: KernelContext, against: Callable[[Facts], str] = lambda facts: ""
) -> KernelImage:
    """As `image_for`, of a tree that was fetched already; the spec's own source does not matter.

    `against`: why a kernel of a source with these facts is not worth building; it raises NotApplicable then.
    """
    return _image(spec, tree, context.begin(), against)


def _image(
    spec: KernelSpec, tree: Tree, ctx: Context, against: Callable[[Facts], str] = lambda facts: ""
) -> KernelImage:
    inputs = _inputs(spec, tree, ctx)
    image, how = kbuild.cached(inputs, cache=ctx.cache), "cached"
    if image is None and (image := borrow(inputs, ctx)) is not None:
        how = "from a store"
    facts = source_facts.keep(kbuild.key(inputs), tree, ctx, unpack=image is None or how != "cached")
    if image is not None:
        lend(image, ctx)
        ctx.listener(BuildDone(kernel=spec.name, how=how))
        return image
    if facts is not None and (reason := mechanism.meaning(facts, spec.series) or against(facts)):
        raise NotApplicable(reason)
    toolchain.require()
    image = kbuild.build(inputs, ctx)
    lend(image, ctx)
    return image


def _inputs(spec: KernelSpec, tree: Tree, ctx: Context) -> kbuild.Inputs:
    tools = toolchain.toolchain_for(
        spec.arch, spec.make_vars, cache=ctx.cache, deadline=ctx.deadline, start=not ctx.offline
    )
    return recipe(spec, tree, tools, parts_of(spec, ctx.library))


def _ready(spec: KernelSpec, ctx: Context) -> KernelImage:
    """A kernel that is not built. Raises UserError when the definition wants to change it."""
    if wrong := next((word for word in ("series", "patches", "config", "make_vars") if getattr(spec, word)), ""):
        raise UserError(
            f"{spec.name}: {spec.source.words()} is ready, {wrong.replace('_vars', '')} cannot change it",
            hint="leave series, config and make out, or take a source to build from",
        )
    image = source.ready(spec.source, ctx, name=spec.name, arch=spec.arch)
    assert image is not None
    ctx.listener(BuildDone(kernel=spec.name, how=f"{image.release}, ready"))
    return image


def prospect(spec: KernelSpec, context: KernelContext, *, fetch: bool = True) -> Prospect | None:
    """What a kernel will be, with its patches tried; None for one that is there already.

    Without `fetch` also None for one whose source would have to be fetched or unpacked.
    Raises UserError, PatchFailed, InfraError, Interrupted.
    """
    ctx = context.begin()
    if spec.source.ready:
        return None
    tree = source.fetch(spec.source, ctx) if fetch else source.local(spec.source, ctx)
    if tree is None or not (fetch or kbuild.is_local(tree, cache=ctx.cache)):
        return None
    return _prospect(spec, tree, ctx, fetch=fetch)


def prospect_of(spec: KernelSpec, tree: Tree, context: KernelContext) -> Prospect | None:
    """As `prospect`, of a tree that was fetched already; the spec's own source does not matter."""
    return _prospect(spec, tree, context.begin(), fetch=True)


def _prospect(spec: KernelSpec, tree: Tree, ctx: Context, *, fetch: bool) -> Prospect | None:
    inputs = _inputs(spec, tree, ctx)
    if kbuild.cached(inputs, cache=ctx.cache) is not None or (fetch and borrow(inputs, ctx) is not None):
        return None
    base = kbuild.pristine(tree, ctx)
    facts = mechanism.probe(base.read)
    if mechanism.meaning(facts, spec.series):
        return Prospect(facts=facts)
    met = mechanism.met(facts, spec.series)
    tried = beside.apply(base.read, inputs.series, deadline=ctx.deadline, met=met)
    return Prospect(facts=facts, applied=tried.applied)


def opened(spec: KernelSpec, context: KernelContext) -> tuple[kbuild.Inputs, BaseTree, Context]:
    """What a kernel is built from, and its tree, for those that build something else of it.

    Raises UserError, InfraError, Interrupted.
    """
    ctx = context.begin()
    inputs = _inputs(spec, source.fetch(spec.source, ctx), ctx)
    return inputs, kbuild.pristine(inputs.tree, ctx), ctx


def facts_for(spec: KernelSpec, context: KernelContext) -> Facts:
    """What the source of a kernel says about the overrun, patches aside. Raises UserError, InfraError, Interrupted."""
    ctx = context.begin()
    return source_facts.facts_of(source.fetch(spec.source, ctx), ctx)


def facts_at_hand(spec: KernelSpec, context: KernelContext) -> Facts | None:
    """As `facts_for`, as far as the sources on this host tell: nothing is fetched or unpacked."""
    ctx = context.begin()
    tree = None if spec.source.ready else source.local(spec.source, ctx)
    return None if tree is None or not kbuild.is_local(tree, cache=ctx.cache) else source_facts.facts_of(tree, ctx)


def image_at_hand(spec: KernelSpec, context: KernelContext) -> KernelImage | None:
    """The kernel, if its source and the kernel itself are on this host: nothing is fetched, unpacked or built."""
    ctx = context.begin()
    if spec.source.ready:
        return source.ready(spec.source, replace(ctx, offline=True), name=spec.name, arch=spec.arch)
    tree = source.local(spec.source, ctx)
    return None if tree is None else kbuild.cached(_inputs(spec, tree, ctx), cache=ctx.cache)


def plan_build(spec: KernelSpec, context: KernelContext) -> tuple[str, bool]:
    """The key a kernel will have, and whether it is built. ("", False) while its source is not on this host."""
    ctx = context.begin()
    if spec.source.ready:
        image = source.ready(spec.source, replace(ctx, offline=True), name=spec.name, arch=spec.arch)
        return (image.key, True) if image is not None else ("", False)
    tree = source.local(spec.source, ctx)
    return ("", False) if tree is None else _key(_inputs(spec, tree, ctx), ctx)


def keys_of(spec: KernelSpec, trees: Sequence[Tree], context: KernelContext) -> tuple[tuple[str, bool], ...]:
    """For each tree the key its kernel will have, and whether it is built."""
    ctx = context.begin()
    alike: dict[tuple[int, ...], kbuild.Inputs] = {}  # a recipe goes by version and tree: the parts are read once
    for tree in trees:
        if (version := numbers(tree.version)) not in alike:
            alike[version] = _inputs(spec, tree, ctx)
    return tuple(_key(replace(alike[numbers(tree.version)], tree=tree), ctx) for tree in trees)


def _key(inputs: kbuild.Inputs, ctx: Context) -> tuple[str, bool]:
    return kbuild.key(inputs), kbuild.cached(inputs, cache=ctx.cache) is not None
