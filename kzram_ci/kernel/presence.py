"""Whether a tree has what a series builds on: what the series declares, and the locks that its patches take. Pure.

Context that matches is not enough. A function that is called may be missing, which the compiler finds; a lock may have
another name or another meaning, which only the kernel finds, when it is too late.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

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
    brought = "\n".join(_added(patch))
    for change in diff.files(patch):
        have = text(change.before) if change.before else None
        if have is None:  # a new file has its own rules
            continue
        known = {_lock(match) for match in _LOCK.finditer(have)}
        for match in _taken(patch, change.after):
            if _lock(match) not in known and not _brings(brought, match["what"]):
                return f"it takes {match['call']}({match['what']}), which {change.after} of this kernel does not"
    return ""


def _lock(match: re.Match[str]) -> tuple[str, str]:
    return _BOTH.get(match["kind"], match["kind"]), match["what"]


def _taken(patch: str, path: str) -> Iterable[re.Match[str]]:
    for line in _added(patch, path):
        yield from _LOCK.finditer(line)


def _brings(brought: str, what: str) -> bool:
    """Whether added lines make a lock: `spin_lock_init(&x->lock)`, `DEFINE_MUTEX(lock)`, `spinlock_t lock;`."""
    name = re.escape(re.split(r"->|\.", what.lstrip("&"))[-1].partition("[")[0])
    made = (
        rf"\w*(?:lock|mutex)\w*_init\w*\([^)]*\b{name}\b",
        rf"\bDEFINE_\w+\({name}\b",
        rf"\b(?:\w*lock_t|struct mutex)\s+{name}\b",
    )
    return any(re.search(pattern, brought) for pattern in made)


def _added(patch: str, path: str = "") -> Iterable[str]:
    """The lines a patch adds, of one file or of all."""
    here = not path
    for line in diff.body(patch).split("\n"):
        if line.startswith("+++ "):
            here = not path or line[4:].partition("\t")[0].partition("/")[2] == path
        elif here and line.startswith("+"):
            yield line[1:]
