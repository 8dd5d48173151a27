"""Title, signature and completeness of a finished report."""

from __future__ import annotations

import re
from collections.abc import Sequence

from kzram_ci.oops import blame, taint
from kzram_ci.oops.report import Report
from kzram_ci.oops.value import Frame, Oops

MAX_FRAMES_KEPT = 512
_HEX = re.compile(r"\b0x[0-9a-f]+\b|\b[0-9a-f]{8,16}\b")
_NUMBER = re.compile(r"\d+")
_SPACE = re.compile(r"\s+")
_ACCESS = {"kasan": True, "kfence": False}


def plain(text: str) -> str:
    """A message without what changes from run to run."""
    return _SPACE.sub(" ", _NUMBER.sub("NUM", _HEX.sub("ADDR", text))).strip()


def why_corrupted(report: Report, function: str | None) -> str | None:
    """Why this is only a part of a report, or None."""
    if report.foreign:
        return "another dump inside"
    if report.kind == "bad_page" and report.blame == "bad_page" and function is None and "rss" not in report.what:
        return "no stack of the allocation"
    if report.kind == "panic":
        after = re.search(r"panic_on_|Fatal exception|hung_task: blocked|softlockup|RCU Stall|Aiee", report.what)
        return "only the panic, not its cause" if after else None
    if not report.row.stack:
        return "only the end of a report" if report.row.kind == "slab" else None
    if not report.has_frames() and not report.pointers:
        return "no stack"
    if function is None and report.blame not in ("none", "bad_page", "panic"):
        return "no usable frame"
    return None


def title_of(report: Report, function: str | None) -> str:
    """What happened, in one line; the same for the same crash."""
    base = report.title.format(what=plain(report.what), fn="")
    if report.kind == "kasan" and report.access:
        base += f" {report.access}"
    return f"{base} in {function}" if function else base


def signature_of(report: Report, function: str | None) -> str:
    """`type:function`, with the class of the report where types are broad; without a function the plain title."""
    detail = plain(report.title.format(what=report.what, fn="")).lower()
    detail = re.sub(r"[^a-z0-9]+", "-", detail).strip("-")
    if not function:
        return f"{report.kind}:{detail}"
    if report.kind in ("kasan", "kmsan", "kfence", "warning", "lockdep", "bug", "cpu_exception"):
        detail = detail.removeprefix(f"{report.kind}-")
        if detail not in ("warning", "kernel-bug", report.kind):
            return f"{report.kind}:{detail}:{function}"
    return f"{report.kind}:{function}"


def finish(report: Report) -> Oops:
    """The value of a report that is over."""
    function, frames = blame.judge(report)
    why = why_corrupted(report, function)
    facts = report.facts
    pointer: Frame | None = report.pointers[0] if report.pointers else None
    kept: Sequence[Frame] = tuple(frames[:MAX_FRAMES_KEPT])
    return Oops(
        title=title_of(report, function),
        type=report.kind,
        function=function,
        signature=signature_of(report, function),
        corrupted=why is not None,
        why_corrupted=why,
        line=report.line.number,
        end_line=report.end_line,
        start=report.line.start,
        end=report.end,
        headline=report.line.text.strip(),
        frames=tuple(kept),
        pointer=pointer,
        modules=tuple(facts.modules),
        taint=facts.taint,
        taint_words=taint.words(facts.taint),
        cpu=facts.cpu,
        pid=facts.pid,
        comm=facts.comm,
        kernel=facts.kernel,
        hardware=facts.hardware,
        code=facts.code,
        registers=dict(facts.registers) or None,
        panic=report.panic,
    )
