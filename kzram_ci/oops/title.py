"""Title, signature and completeness of a finished report."""

from __future__ import annotations

from collections.abc import Sequence

from kzram_ci.base.expressions import later
from kzram_ci.oops import culprit, taint
from kzram_ci.oops.model import Frame, Oops
from kzram_ci.oops.report import Report

MAX_FRAMES_KEPT = 512
_HEX = later(r"\b0x[0-9a-f]+\b|\b[0-9a-f]{8,16}\b")
_NUMBER = later(r"\d+")
_SPACE = later(r"\s+")
_LEVEL = later(r"\b(BUG|WARNING|INFO)\b")
_CONSEQUENCE = later(r"panic_on_|Fatal exception|hung_task: blocked|softlockup|RCU Stall|Aiee")
_WORDS = later(r"[^a-z0-9]+")
# types so broad that the same function may well have two different crashes of them
_DETAILED = ("kasan", "kmsan", "kfence", "warning", "lockdep", "bug", "cpu_exception")
_NAMELESS = ("none", "bad_page", "panic")  # strategies whose reports are whole without a function


def plain(text: str) -> str:
    """A message without what changes from run to run."""
    return _SPACE.sub(" ", _NUMBER.sub("NUM", _HEX.sub("ADDR", text))).strip()


def why_corrupted(report: Report, function: str | None) -> str | None:
    """Why this is only a part of a report, or None."""
    checks = (
        (report.kind == "unknown", "no headline"),
        (report.foreign and function is None, "another dump inside"),
        (report.row.blame == "bad_page" and "page" in report.what and function is None, "no stack of the allocation"),
        (report.kind == "panic" and _CONSEQUENCE.search(report.what), "only the panic, not its cause"),
        (report.row.kind == "slab" and report.row.follows, "only the end of a report"),
        (report.row.stack and not report.has_frames() and not report.pointers and not report.ats, "no stack"),
        (report.row.stack and function is None and report.row.blame not in _NAMELESS, "no usable frame"),
    )
    return next((why for wrong, why in checks if wrong), None)


def title_of(report: Report, function: str | None) -> str:
    """What happened, in one line; the same for the same crash."""
    level = _LEVEL.search(report.line.text)
    base = report.title.format(what=plain(report.what), level=level[1] if level else "BUG") or report.kind
    if report.kind == "kasan" and report.access:
        base += f" {report.access}"
    return f"{base} in {function}" if function and report.kind != "panic" else base


def signature_of(report: Report, function: str | None) -> str:
    """`type:function`, for broad types `type:class:function`; without a function the plain words of the headline."""
    words = _LEVEL.sub("", report.title).format(what=plain(report.what), level="").lower()
    detail = _WORDS.sub("-", words).strip("-").removeprefix(f"{report.kind}-")
    if not function:
        return f"{report.kind}:{detail or 'unknown'}"
    if report.kind in _DETAILED and detail not in ("", "kernel", report.kind):
        return f"{report.kind}:{detail}:{function}"
    return f"{report.kind}:{function}"


def finish(report: Report) -> Oops:
    """The value of a report that is over."""
    function, frames = culprit.culprit_of(report)
    why = why_corrupted(report, function)
    header = report.header
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
        modules=tuple(header.modules),
        taint=header.taint,
        taint_words=taint.words(header.taint),
        cpu=header.cpu,
        pid=header.pid,
        comm=header.comm,
        kernel=header.kernel,
        hardware=header.hardware,
        code=header.code,
        registers=dict(header.registers) or None,
        panic=report.panic,
    )
