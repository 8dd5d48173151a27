"""An oops as text for people: terminal, JUnit, HTML."""

from __future__ import annotations

from kzram_ci.oops.mangled import demangled
from kzram_ci.oops.model import Frame, Oops

MAX_FRAMES = 40


def frame_text(frame: Frame) -> str:
    """One frame in one line."""
    where = (
        "" if frame.offset is None else f"+{frame.offset:#x}" + (f"/{frame.size:#x}" if frame.size is not None else "")
    )
    module = f" [{frame.module}]" if frame.module else ""
    source = f" {frame.source}" if frame.source else ""
    guess, inline = "" if frame.reliable else "? ", " [inline]" if frame.inline else ""
    return f"{guess}{demangled(frame.function)}{where}{module}{source}{inline}"


def stack(oops: Oops) -> tuple[str, ...]:
    """Where it happened: instruction pointer, frames with what is known of their source, the code that failed."""
    lines = [f"at {frame_text(oops.pointer)}"] if oops.pointer else []
    shown = [frame for frame in oops.frames if frame.reliable]
    lines += [f"  {frame_text(frame)}" for frame in shown[:MAX_FRAMES]]
    if len(shown) > MAX_FRAMES:
        lines.append(f"  … {len(shown) - MAX_FRAMES} more")
    return (*lines, *oops.assembly)


def text(oops: Oops) -> str:
    """All that matters, a line each."""
    lines = [f"{oops.title}{' (corrupted: ' + str(oops.why_corrupted) + ')' if oops.corrupted else ''}"]
    lines.append(f"  lines {oops.line}-{oops.end_line}, signature {oops.signature}")
    task = ", ".join(
        part
        for part in (
            f"cpu {oops.cpu}" if oops.cpu is not None else "",
            f"pid {oops.pid}" if oops.pid is not None else "",
            oops.comm or "",
            oops.kernel or "",
            oops.hardware or "",
        )
        if part
    )
    if task:
        lines.append(f"  {task}")
    if oops.taint_words:
        lines.append(f"  tainted {oops.taint}: {'; '.join(oops.taint_words)}")
    lines += [f"  {line}" for line in stack(oops)]
    if oops.panic:
        lines.append(f"  then panic: {oops.panic}")
    return "\n".join(lines)
