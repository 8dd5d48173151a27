"""The order of the stages that make a kernel: source, series, config, build. And the guest's file system."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from kzram_ci.base import datafiles, workspace
from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import UserError
from kzram_ci.effects import kbuild, patches, rootfs, source, toolchain
from kzram_ci.kconfig import Fragment
from kzram_ci.model.events import Event, Listener, silent
from kzram_ci.model.kernel import KernelImage, KernelSpec, RootfsImage, Tree

BUILD_SECONDS = 3600.0 * 3


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelContext:
    """Where and how to build. The defaults: the user's cache, all processors, `BUILD_SECONDS` for each call."""

    cache: Path = field(default_factory=workspace.cache_root)
    jobs: int = field(default_factory=lambda: len(os.sched_getaffinity(0)))
    deadline: Deadline | None = None
    listener: Listener = silent

    def until(self) -> Deadline:
        """The deadline of a call that begins now."""
        return self.deadline or Deadline.after(BUILD_SECONDS)


def image_for(spec: KernelSpec, context: KernelContext | None = None) -> KernelImage:
    """A bootable kernel, from the cache or built now; safe to call from several threads.

    Raises UserError, KernelError (PatchFailed, ConfigUnmet, BuildFailed), InfraError, Interrupted.
    """
    ctx = context or KernelContext()
    deadline = ctx.until()
    tree = source.fetch(spec.source, cache=ctx.cache, deadline=deadline, listener=ctx.listener)
    inputs = _inputs(spec, tree, ctx, deadline)
    if (image := kbuild.cached(inputs, cache=ctx.cache)) is not None:
        ctx.listener(Event(kind="build-done", subject=spec.name, text="cached"))
        return image
    toolchain.require()

    def patch(read: patches.Read) -> patches.Patched:
        patched = patches.apply_series(read, inputs.series, deadline=deadline)
        for note in patched.notes:
            ctx.listener(Event(kind="note", subject=spec.name, text=note))
        return patched

    return kbuild.build(inputs, patch=patch, cache=ctx.cache, jobs=ctx.jobs, deadline=deadline, listener=ctx.listener)


def plan_build(spec: KernelSpec, context: KernelContext | None = None) -> tuple[str, bool]:
    """The key a kernel will have, and whether it is built. ("", False) while its source is not on this host."""
    ctx = context or KernelContext()
    deadline = ctx.until()
    tree = source.local(spec.source, cache=ctx.cache, deadline=deadline)
    if tree is None:
        return "", False
    inputs = _inputs(spec, tree, ctx, deadline)
    return kbuild.key(inputs), kbuild.cached(inputs, cache=ctx.cache) is not None


def rootfs_for(arch: str, context: KernelContext | None = None) -> RootfsImage:
    """The guest's initramfs, from the cache or built now. Raises UserError, InfraError, Interrupted."""
    ctx = context or KernelContext()
    deadline = ctx.until()
    variables = dict(toolchain.make_vars(arch, ()))
    identity = dict(toolchain.identify(arch, variables, cache=ctx.cache, deadline=deadline))
    compiler = rootfs.Compiler(command=toolchain.commands(variables)["CC"], identity=identity["CC"])
    recipe = rootfs.load(datafiles.find("rootfs", "rootfs.yaml"))
    return rootfs.build(recipe, arch=arch, compiler=compiler, cache=ctx.cache, deadline=deadline)


def _inputs(spec: KernelSpec, tree: Tree, ctx: KernelContext, deadline: Deadline) -> kbuild.Inputs:
    variables = toolchain.make_vars(spec.arch, spec.make_vars)
    return kbuild.Inputs(
        name=spec.name,
        arch=spec.arch,
        tree=tree,
        series=tuple(patches.load_series(name) for name in spec.series),
        fragments=tuple(_fragment(name) for name in spec.config),
        make_vars=variables,
        toolchain=toolchain.identify(spec.arch, dict(variables), cache=ctx.cache, deadline=deadline),
    )


def _fragment(name: str) -> Fragment:
    path = datafiles.find("kernels", f"config/{name}.config")
    try:
        return Fragment(name=f"{name}.config", text=path.read_text())
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not text") from error
