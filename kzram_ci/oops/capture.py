"""From console bytes to the oopses that evidence carries: decoded where the build allows, each in a file of its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from kzram_ci.base import files
from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import KzramError
from kzram_ci.model.evidence import OopsSummary
from kzram_ci.model.kernel import KernelImage
from kzram_ci.oops.model import Oops

TEXT_BYTES = 32_768  # of the raw text in results; the file has it all
DECODE_SECONDS = 60.0  # of a boot; llvm-symbolizer reads a whole vmlinux in about 3 s
DISASSEMBLED = 5  # oopses; what follows the first ones is mostly their consequence
CONSOLE = "\n---- on the console:\n"
NO_DEBUG_INFO = "no file:line: this kernel has no debug info; add the fragment debug-info to its `config:`"
NO_VMLINUX = "no file:line: no vmlinux of this kernel is known; `debug:` of an image names it"


def write(
    oopses: Sequence[Oops], directory: Path, console: Path, image: KernelImage | None = None
) -> tuple[OopsSummary, ...]:
    """Write oops-N.txt (decoded stack, then raw bytes from the console log); return what results carry."""
    summaries = []
    found, note = _decoded(oopses, image)
    with files.disk_errors(f"cannot write oopses to {directory}"), console.open("rb") as handle:
        for number, oops in enumerate(found, start=1):
            handle.seek(oops.start)
            raw = handle.read(max(0, oops.end - oops.start))
            name = f"oops-{number}.txt"
            decoded = _decoded_text(oops, note)
            (directory / name).write_bytes((decoded + CONSOLE).encode() + raw if decoded else raw)
            summaries.append(_summary(oops, decoded, raw, name))
    return tuple(summaries)


def _decoded(oopses: Sequence[Oops], image: KernelImage | None) -> tuple[Sequence[Oops], str]:
    """The oopses as far as they can be decoded, and a line on why it is not further. A crash outranks our trouble."""
    if not oopses or image is None:
        return oopses, ""
    from kzram_ci.oops import symbolize

    deadline = Deadline.after(DECODE_SECONDS)
    note, vmlinux = NO_DEBUG_INFO if image.vmlinux else NO_VMLINUX, Path(image.vmlinux)
    try:
        first = [symbolize.disassemble(oops, deadline=deadline) for oops in oopses[:DISASSEMBLED]]
        oopses = [*first, *oopses[DISASSEMBLED:]]
        if image.vmlinux and symbolize.has_debug_info(vmlinux, deadline=deadline):
            modules = Path(image.modules) if image.modules else None
            oopses, note = symbolize.decode(oopses, vmlinux, deadline=deadline, modules=modules), ""
    except KzramError as error:  # also an interruption: what was found is still written down
        note = f"not decoded: {error}"
    return oopses, note


def _decoded_text(oops: Oops, note: str) -> str:
    from kzram_ci.oops.render import stack

    lines = [*stack(oops), *((note,) if note else ())]
    return "".join(f"{line}\n" for line in lines)


def _summary(oops: Oops, decoded: str, raw: bytes, name: str) -> OopsSummary:
    return OopsSummary(
        title=oops.title,
        type=oops.type,
        function=oops.function,
        signature=oops.signature,
        corrupted=oops.corrupted,
        frames=tuple(frame.function for frame in oops.frames if frame.reliable and not frame.inline),
        decoded=decoded[:TEXT_BYTES],
        text=raw[:TEXT_BYTES].decode("utf-8", "backslashreplace"),
        file=name,
    )
