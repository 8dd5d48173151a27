"""What builds leave in a kernel tree, told from source by name alone. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

# By their place or name: configuration, generated headers, what make says about itself, images and modules.
_FIXED = re.compile(
    r"(?:^|/)\.[^/]+\.(?:cmd|d)$|(?:^|/)(?:built-in|lib)\.a$|\.(?:ko|mod|mod\.c)$|(?:^|/)modules\.order$"
    r"|^\.(?:config|version|tmp_)|^include/(?:config|generated)/|^arch/[^/]+/include/generated/"
    r"|^vmlinux(?:\.(?:o|a|map|symvers|unstripped|lds|bin[.\w]*))?$|^System\.map$|^Module\.symvers$"
    r"|^modules(?:-only)?\.(?:builtin[.\w]*|symvers)$|^arch/[^/]+/boot/(?:(?:bz|[zuv])?[Ii]mage(?:\.\w+)?|vmlinux\.bin)$"
)
# What a compiler makes of a source of the same name. An object without one is a blob that its tree needs.
_COMPILED = re.compile(r"(.+)\.(?:o|s|i|ll|lst|su|gcno|symtypes|dtb|dtbo)$")
_SOURCES = (".c", ".S", ".rs", ".dts", ".dtso")
_SHOWN = 3


def products(names: Collection[str]) -> frozenset[str]:
    """The build products among the files of a tree. Beside each file X that kbuild makes, it keeps a `.X.cmd`."""
    every = names if isinstance(names, (set, frozenset, dict)) else frozenset(names)
    found = set()
    for name in names:
        if _FIXED.search(name):
            found.add(name)
            folder, slash, last = name.rpartition("/")
            if last.startswith(".") and last.endswith(".cmd") and (made := folder + slash + last[1:-4]) in every:
                found.add(made)
        elif (match := _COMPILED.match(name)) and any(match[1] + suffix in every for suffix in _SOURCES):
            found.add(name)
    return frozenset(found)


def left_out(found: Collection[str]) -> str:
    """The products in a sentence; "" for none."""
    if not found:
        return ""
    shown: Sequence[str] = sorted(found)[:_SHOWN]
    more = f" and {len(found) - len(shown):,} more" if len(found) > len(shown) else ""
    count = "1 build product" if len(found) == 1 else f"{len(found):,} build products"
    return f"{count} left out of the source: {', '.join(shown)}{more}"
