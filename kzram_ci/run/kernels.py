"""The order of the stages that make a kernel: source, series, config, build. And the guest's file system."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from kzram_ci.base import datafiles, workspace
from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import UserError
from kzram_ci.effects import kbuild, patches, source, toolchain
from kzram_ci.effects import rootfs as rootfs_stage
from kzram_ci.kconfig import Fragment
from kzram_ci.model.events import Event, Listener, silent
from kzram_ci.model.kernel import KernelImage, KernelSpec, RootfsImage, Tree

BUILD_SECONDS = 3600.0 * 3


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildContext:
    """Where and how to build. The defaults: the user's cache, all processors, three hours."""

    cache: Path = field(default_factory=workspace.cache_root)
    jobs: int = field(default_factory=lambda: len(os.sched_getaffinity(0)))
    deadline: Deadline = field(default_factory=lambda: Deadline.after(BUILD_SECONDS))
    listener: Listener = silent


def image_for(spec: KernelSpec, context: BuildContext | None = None) -> KernelImage:
    """A bootable kernel, from the cache or built now; safe to call from several threads.

    Raises UserError, KernelError (PatchFailed, ConfigUnmet, BuildFailed), InfraError, Interrupted.
    """
    ctx = context or BuildContext()
    tree = source.fetch(spec.source, cache=ctx.cache, deadline=ctx.deadline, listener=ctx.listener)
    inputs = _inputs(spec, tree, ctx)
    if (image := kbuild.cached(inputs, cache=ctx.cache)) is not None:
        ctx.listener(Event(kind="build-done", subject=spec.name, text="cached"))
        return image
    toolchain.require()

    def patch(read: patches.Read) -> patches.Patched:
        patched = patches.apply_series(read, inputs.series, deadline=ctx.deadline)
        for note in patched.notes:
            ctx.listener(Event(kind="note", subject=spec.name, text=note))
        return patched

    return kbuild.build(
        inputs, patch=patch, cache=ctx.cache, jobs=ctx.jobs, deadline=ctx.deadline, listener=ctx.listener
    )


def plan_build(spec: KernelSpec, context: BuildContext | None = None) -> tuple[str, bool]:
    """The key a kernel will have, and whether it is built. ("", False) while its source is not on this host."""
    ctx = context or BuildContext()
    tree = source.local(spec.source, cache=ctx.cache, deadline=ctx.deadline)
    if tree is None:
        return "", False
    inputs = _inputs(spec, tree, ctx)
    return kbuild.key(inputs), kbuild.cached(inputs, cache=ctx.cache) is not None


def rootfs_for(arch: str, context: BuildContext | None = None) -> RootfsImage:
    """The guest's initramfs, from the cache or built now. Raises UserError, InfraError, Interrupted."""
    ctx = context or BuildContext()
    compiler = dict(toolchain.make_vars(arch, ()))
    command = toolchain.commands(compiler)["CC"]
    identity = dict(toolchain.identify(arch, compiler, cache=ctx.cache, deadline=ctx.deadline))
    recipe = datafiles.find("rootfs", "rootfs.yaml")
    build = partial(rootfs_stage.build, recipe, arch=arch, compiler=command, identity=identity["CC"])
    return build(cache=ctx.cache, deadline=ctx.deadline)


def _inputs(spec: KernelSpec, tree: Tree, ctx: BuildContext) -> kbuild.Inputs:
    variables = toolchain.make_vars(spec.arch, spec.make_vars)
    return kbuild.Inputs(
        name=spec.name,
        arch=spec.arch,
        tree=tree,
        series=tuple(patches.load_series(name) for name in spec.series),
        fragments=tuple(_fragment(name) for name in spec.config),
        make_vars=variables,
        toolchain=toolchain.identify(spec.arch, dict(variables), cache=ctx.cache, deadline=ctx.deadline),
    )


def _fragment(name: str) -> Fragment:
    path = datafiles.find("kernels", f"config/{name}.config")
    try:
        return Fragment(name=f"{name}.config", text=path.read_text())
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not text") from error
