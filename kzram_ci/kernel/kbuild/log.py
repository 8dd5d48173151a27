"""What a make log says: progress, and in one line why the build ended. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from kzram_ci.base import patterns
from kzram_ci.base.values import dataclass
from kzram_ci.kernel.kbuild.causes import COMPILERS, HEADERS, HOST, OTHERS, PROGRAMS, Blame, Cause

_STEP = re.compile(rb"^ {2}(?:\[M\] ?)?[A-Z][A-Z0-9_+-]* +(?:\[M\] +)?\S")
_GAVE_UP = re.compile(r"make(?:\[\d+\])?: \*\*\* .*")
_NEAR = 40  # lines before make gave up, among which a command's own words stand, whatever ran beside it


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """Why a build failed: whose matter it is, the log's own line, what helps; or what the host lacks.

    crash: the compiler died, and may not the next time.
    """

    blame: Blame
    message: str
    hint: str = ""
    missing: str = ""
    crash: bool = False


def is_step(line: bytes) -> bool:
    """Whether a line of make's output tells of one finished step: `  CC      mm/zsmalloc.o`."""
    return _STEP.match(line) is not None


def diagnose(text: str, advice: Sequence[tuple[str, str]] = ()) -> Diagnosis:
    """Why the build that printed `text` failed; `advice` pairs a regular expression with what helps.

    What a command says comes before make says that it failed; of what comes later, other commands and the way back up
    through the makes, nothing counts unless there is nothing else.
    """
    lines = [line.rstrip() for line in text.splitlines() if line.strip()]
    end = next((at for at, line in enumerate(lines) if _GAVE_UP.fullmatch(line)), len(lines) - 1)
    before, near = lines[: end + 1], lines[max(0, end - _NEAR) : end + 1]
    asked: tuple[tuple[tuple[Cause, ...], Iterable[str]], ...] = (
        (HOST, lines),
        (HEADERS, before),
        (COMPILERS, before),
        (PROGRAMS, near[::-1]),
        (OTHERS, before),
        *((rows, lines) for rows in (HEADERS, COMPILERS, PROGRAMS, OTHERS)),
    )
    for rows, searched in asked:
        # the first line that names a cause; of the others, the row that names it best
        if found := _by_row(rows, searched) if rows is OTHERS else _by_line(rows, searched):
            # what a compiler says is about its own line, whatever warnings stand beside it
            return _diagnosis(*found, () if rows is COMPILERS else near, advice)
    last = lines[-1] if lines else "make printed nothing"
    return Diagnosis(blame=Blame.KERNEL, message=_short(last), hint=_advice(near, last, advice))


def _by_row(rows: Iterable[Cause], lines: Iterable[str]) -> tuple[Cause, re.Match[str]] | None:
    return next(((row, match) for row in rows for line in lines if (match := row.pattern.fullmatch(line))), None)


def _by_line(rows: Iterable[Cause], lines: Iterable[str]) -> tuple[Cause, re.Match[str]] | None:
    return next(((row, match) for line in lines for row in rows if (match := row.pattern.fullmatch(line))), None)


def _diagnosis(row: Cause, match: re.Match[str], near: Sequence[str], advice: Sequence[tuple[str, str]]) -> Diagnosis:
    named = {name: _short(value or "") for name, value in match.groupdict().items()}
    hint = "" if row.missing else row.hint.format(**named)
    if row.blame is Blame.KERNEL and (known := _advice(near, match[0], advice)):
        hint = known
    told = row.told.format(**named) or _short(match[0])
    return Diagnosis(blame=row.blame, message=told, hint=hint, missing=row.missing.format(**named), crash=row.crash)


def _advice(near: Sequence[str], shown: str, advice: Sequence[tuple[str, str]]) -> str:
    """What is known to help: against the line that is shown, else against what was printed beside it."""
    for searched in ((shown,), near):
        for pattern, hint in advice:
            if _told(pattern, searched):
                return hint
    return ""


def _told(pattern: str, lines: Iterable[str]) -> bool:
    try:
        return any(patterns.found(pattern, line) for line in lines)
    except patterns.PatternTooSlow:  # advice less: the failure itself is known
        return False


def _short(line: str) -> str:
    """The line as its author knows it: paths relative to the source tree."""
    return re.sub(r"^(?:\.\./)+", "", line.strip())[:300]
