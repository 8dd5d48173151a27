"""Whether a tree has what a series builds on: what the series declares, and the locks that its patches take. Pure.

Context that matches is not enough. A function that is called may be missing, which the compiler finds; a lock may have
another name or another meaning, which only the kernel finds, when it is too late.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from kzram_ci.base import patterns
from kzram_ci.kernel import diff

Text = Callable[[str], str | None]  # of a path in the tree; None: no such file
Needs = Sequence[tuple[str, Sequence[str]]]  # path in the tree, regular expressions

_LOCK = re.compile(
    r"\b(?P<call>(?P<kind>raw_spin|spin|read|write|mutex|bit_spin|rt_mutex)_(?:try)?lock\w*)\s*\("
    r"\s*(?P<what>&?[A-Za-z_][\w.>-]*(?:\[\w+\])?)"
)
_BOTH = {"read": "rwlock", "write": "rwlock"}  # of one lock


def unmet(needs: Needs, text: Text) -> str:
    """The first thing declared that the tree does not have, in words; "" when all is there."""
    for path, wanted in needs:
        content = text(path)
        if content is None:
            return f"it needs {path}"
        for pattern in wanted:
            if not patterns.found(pattern, content, multiline=True):
                return f"it needs /{pattern}/ in {path}"
    return ""


def foreign_lock(patch: str, text: Text) -> str:
    """A lock that a patch takes in a file that does not know it, in words; "" when there is none.

    To be asked before the patch is applied. A lock that the patch itself brings is known: in a new file, or one that
    it initialises or defines.
    """
    added = _added(patch)
    brought = "\n".join(line for lines in added.values() for line in lines)
    for change in diff.files(patch):
        have = text(change.before) if change.before else None
        taken = [match for line in added.get(change.after or "", ()) for match in _LOCK.finditer(line)]
        if have is None or not taken:  # a new file has its own rules
            continue
        known = {_lock(match) for match in _LOCK.finditer(have)}
        for match in taken:
            if _lock(match) not in known and not _brings(brought, match["what"]):
                return f"it takes {match['call']}({match['what']}), which {change.after} of this kernel does not"
    return ""


def _lock(match: re.Match[str]) -> tuple[str, str]:
    return _BOTH.get(match["kind"], match["kind"]), match["what"]


def _brings(brought: str, what: str) -> bool:
    """Whether added lines make a lock: `spin_lock_init(&x->lock)`, `DEFINE_MUTEX(lock)`, `spinlock_t lock;`."""
    name = re.escape(re.split(r"->|\.", what.lstrip("&"))[-1].partition("[")[0])
    made = (
        rf"\w*(?:lock|mutex)\w*_init\w*\([^)]*\b{name}\b",
        rf"\bDEFINE_\w+\({name}\b",
        rf"\b(?:\w*lock_t|struct mutex)\s+{name}\b",
    )
    return any(re.search(pattern, brought) for pattern in made)


def _added(patch: str) -> dict[str, list[str]]:
    """The lines a patch adds, by file."""
    found: dict[str, list[str]] = {}
    here = list[str]()
    for line in diff.body(patch).split("\n"):
        if line.startswith("+++ "):
            here = found.setdefault(line[4:].partition("\t")[0].partition("/")[2], [])
        elif line.startswith("+"):
            here.append(line[1:])
    return found
