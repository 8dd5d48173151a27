"""Whether a series takes away what reports the crash: a kernel that says nothing is not one that does right. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from kzram_ci.kernel import diff

# Checks whose failing is the crash itself. An access that goes wrong is reported by the hardware, whatever is removed.
_CHECK = re.compile(
    r"\b(?:WARN|BUG|VM_(?:WARN|BUG)|lockdep_assert|KUNIT_|refcount_warn|pr_(?:err|crit)|dump_stack)\w*\s*\("
)
_BY_CHECK = ("warning:", "bug:", "refcount:", "list_corruption:", "panic:", "lockdep:", "overruns")


def hides(patches: Sequence[str], signatures: Iterable[str]) -> str:
    """Why the silence of the kernel with the series proves nothing; "" when it may.

    Only where every face that the crash showed is a check in the code: a null pointer does not go by removing a WARN.
    """
    faces = tuple(signatures)
    if not faces or not all(face.startswith(_BY_CHECK) for face in faces):
        return ""
    removed = [_moved(text) for text in patches]
    files = sorted({path for found in removed for path, count in found.items() if count > 0})
    if not files:
        return ""
    return f"the series takes checks out of {', '.join(files)}, and the crash was one that a check reports"


def _moved(text: str) -> dict[str, int]:
    """By file, how many more checks a patch removes than it adds."""
    counts: dict[str, int] = {}
    path = ""
    for line in diff.body(text).split("\n"):
        if line.startswith("--- "):
            path = line[4:].partition("\t")[0].partition("/")[2]
        elif line.startswith(("-", "+")) and not line.startswith("+++ ") and _CHECK.search(line):
            counts[path] = counts.get(path, 0) + (1 if line.startswith("-") else -1)
    return counts
