"""Headers that stand before another of the same name: `#include <linux/x.h>` is include/linux/x.h, else uapi's.

When the first of two comes, nothing tells make: what the objects were made of is still there, as it was. Nor does a
compiler cache look for headers that were not there (its direct mode; ccache's manual has it under its caveats).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

# In the order of LINUXINCLUDE and USERINCLUDE in the top Makefile: the architecture's, all's, and then uapi's.
_FIRST = re.compile(r"(?P<top>(?:arch/[^/]+/)?include)/(?!uapi/)(?P<name>.+\.h)")


def hides(src: Path, path: str) -> bool:
    """Whether a file that is to come at this path of a tree will be read in place of one that is there."""
    found = _FIRST.fullmatch(path)
    if found is None or (src / path).exists():
        return False
    top, name = found["top"], found["name"]
    behind = {f"{top}/uapi/{name}", f"include/uapi/{name}", f"include/{name}", *_generic(name)} - {path}
    return any((src / other).exists() for other in behind)


def _generic(name: str) -> tuple[str, ...]:
    """What uapi's asm/x.h is a copy of; kbuild makes it, and leaves it when another asm/x.h comes."""
    return (f"include/uapi/asm-generic/{name.removeprefix('asm/')}",) if name.startswith("asm/") else ()


def pairs(src: Path) -> Iterator[str]:
    """The headers of a tree that stand before one of uapi."""
    generic = [f"asm/{name}" for name in _headers(src / "include/uapi/asm-generic")]
    for top in (src / "include", *sorted((src / "arch").glob("*/include"))):
        for name in sorted({*_headers(top / "uapi"), *generic}):
            if (top / name).exists():
                yield str((top / name).relative_to(src))


def _headers(top: Path) -> Iterator[str]:
    for where, _, names in os.walk(top):
        yield from (os.path.relpath(Path(where, name), top) for name in names if name.endswith(".h"))
