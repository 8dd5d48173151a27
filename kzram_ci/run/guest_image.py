"""The guest's initramfs for an architecture: its recipe, and the compiler that the kernel's toolchain has for it."""

from __future__ import annotations

from kzram_ci.guest import rootfs
from kzram_ci.kernel.toolchain import toolchain_for
from kzram_ci.kernel.workshop import KernelContext
from kzram_ci.model.kernel import RootfsImage


def rootfs_for(arch: str, context: KernelContext) -> RootfsImage:
    """The guest's initramfs, from the cache or built now. Raises UserError, InfraError, Interrupted."""
    ctx = context.begin()
    tools = toolchain_for(arch, (), cache=ctx.cache, deadline=ctx.deadline)
    compiler = rootfs.Compiler(command=tools.cc, identity=dict(tools.identity)["CC"])
    recipe = rootfs.load(context.library.rootfs())
    return rootfs.build(recipe, arch=arch, compiler=compiler, cache=ctx.cache, deadline=ctx.deadline)
