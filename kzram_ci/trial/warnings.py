"""Compiler warnings that a patch brings, from the logs of builds that each compile only what changed. Pure.

A warning in a log is new when an earlier build compiled the same file without it. Where none did, an old warning would
look new: then it counts only when the line that the compiler shows is one that the patches add.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from kzram_ci.kernel import diff

_WARNING = re.compile(r"^(?:\.{1,2}/)*(?P<file>[\w./+-]+):\d+(?::\d+)?: warning: (?P<text>.+)$")
_SHOWN = re.compile(r"^\s*\d+ \|(.*)$")
_COMPILED = re.compile(r"^ {2}CC(?: \[M\])? +(?P<object>\S+)\.o$")
_AFTER = 3  # lines of a warning in which the compiler shows the source
MOST = 50


def new_warnings(log: str, earlier: Sequence[str], patches: Sequence[str]) -> tuple[str, ...]:
    """The warnings of a build that are new against earlier builds: `file: text`, each once."""
    known = {(file, text) for one in earlier for file, text, _ in _warnings(one)}
    compiled = {match["object"] for one in earlier for line in one.splitlines() if (match := _COMPILED.match(line))}
    added = {
        line[1:].strip()
        for text in patches
        for line in diff.body(text).splitlines()
        if line.startswith("+") and not line.startswith("+++ ") and line[1:].strip()
    }
    found = [
        f"{file}: {text}"
        for file, text, shown in _warnings(log)
        if (file, text) not in known and (file.rpartition(".")[0] in compiled or shown.strip() in added)
    ]
    return tuple(dict.fromkeys(found))[:MOST]


def _warnings(log: str) -> Iterator[tuple[str, str, str]]:
    """(file, text, the source line that the compiler shows)."""
    lines = log.splitlines()
    for number, line in enumerate(lines):
        if (match := _WARNING.match(line)) is not None:
            near = (_SHOWN.match(other) for other in lines[number + 1 : number + 1 + _AFTER])
            yield match["file"], match["text"].strip(), next((one[1] for one in near if one is not None), "")
