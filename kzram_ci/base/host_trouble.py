"""What programs print when the host is in trouble, whatever they were doing: disk, memory, limits. Pure.

A host in trouble makes every program say strange things, so these lines count before all others.
"""

from __future__ import annotations

import re

_DISK = "free disk space: kzram-ci cache gc"
_MEMORY = "free memory, or build with fewer jobs"

SIGNS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), hint)
    for pattern, hint in (
        (r".*error writing to \S*/cc\w+\.\w+: No space left.*", "free disk space where TMPDIR is (default: /tmp)"),
        (r".*No space left on device.*", _DISK),
        (r".*Disk quota exceeded.*", _DISK),
        (r".*fatal error: Killed signal terminated program.*", _MEMORY),
        (r".*internal compiler error: (?:Killed|Terminated).*", _MEMORY),
        (r".*(?:memory exhausted|out of memory allocating|Cannot allocate memory).*", _MEMORY),
        (r"(?:.*: )?Killed(?: .*)?|make(?:\[\d+\])?: \*\*\* .*\] Killed", _MEMORY),
        (r".*ld terminated with signal 9.*", _MEMORY),
        (r".*fork: .*Resource temporarily unavailable.*", "raise the limit of processes: ulimit -u"),
        (r".*Too many open files.*", "raise the limit of open files: ulimit -n"),
        (r".*(?:Input/output error|Read-only file system|Structure needs cleaning).*", "check the disk"),
        (r".*Bus error.*", "check disk space (a file that is mapped lost its pages) and memory"),
        (r".*(?:[Cc]annot|can't) (?:create|open) .*: Permission denied.*", "check who owns the cache and TMPDIR"),
        (r".*[Cc]annot create temporary file in .*", "check TMPDIR"),
    )
)
"""Pattern of a whole line, and what helps."""


def told(lines: list[str]) -> tuple[str, str] | None:
    """The first line that says that the host is in trouble, and what helps."""
    return next(((line, hint) for line in lines for pattern, hint in SIGNS if pattern.fullmatch(line)), None)
