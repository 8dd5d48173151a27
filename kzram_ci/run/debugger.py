"""gdb on a guest: the words for the kernel, and the line that attaches."""

from __future__ import annotations

import shlex
from pathlib import Path

from kzram_ci.base import proc
from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import KzramError
from kzram_ci.model.arch import arch_of
from kzram_ci.model.kernel import KernelImage
from kzram_ci.oops.symbolize import has_debug_info
from kzram_ci.vm.binary import native

# Addresses as in vmlinux; a guest that panics waits for the debugger instead of rebooting.
CMDLINE = ("nokaslr", "panic=0")
SCRIPTS = "vmlinux-gdb.py"  # beside vmlinux, where gdb looks for it
ASK_SECONDS = 60.0


def program(arch: str) -> str:
    """The gdb for guests of an architecture: a plain one knows its host's only."""
    return "gdb" if native(arch_of(arch)) else "gdb-multiarch"


def attach_line(image: KernelImage, socket: str) -> str:
    """The command, for another terminal; of gdb's builds, the one that knows the guest's architecture."""
    trusted: tuple[str, ...] = ()
    if image.vmlinux and (scripts := Path(image.vmlinux).with_name(SCRIPTS)).is_file():
        trusted = ("-iex", f"add-auto-load-safe-path {scripts.parent}")
    vmlinux = (image.vmlinux,) if image.vmlinux else ()
    return shlex.join((program(image.arch), *trusted, "-ex", f"target remote {socket}", *vmlinux))


def advice(image: KernelImage) -> str:
    """What this kernel lacks for a debugger; "" when nothing."""
    if not image.vmlinux:
        return "no vmlinux of this kernel is known, so gdb has no symbols (debug: of an image names it)"
    try:
        if has_debug_info(Path(image.vmlinux), deadline=Deadline.after(ASK_SECONDS)):
            return ""
    except KzramError as error:
        return f"cannot look into {image.vmlinux}: {error}" if not proc.cancelled() else ""
    return "this kernel has no debug info: gdb knows functions, not lines; --config debug-info builds one that has"
