"""Which patches made for other versions broke a build: the compiler complains of what they brought. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from kzram_ci.kernel import diff
from kzram_ci.kernel.patches import Near

_PLACE = re.compile(
    r"(?P<path>[\w./+-]+\.[chSo]):(?:(?P<line>\d+):|\()"
)  # mm/a.c:12: · mm/a.o:(.text+0x1) · a.c:(.text
_QUOTED = re.compile(r"[`'\"\u2018]([^`'\"\u2018\u2019]+)['\"\u2019]")
_WORD = re.compile(r"[A-Za-z_]\w{2,}")
_FLAG = re.compile(r"\[-W[^\]]*\]")
# In the words of the compiler, and in every patch.
_KEYWORDS = frozenset(
    (
        "struct",
        "union",
        "enum",
        "const",
        "void",
        "char",
        "int",
        "long",
        "short",
        "unsigned",
        "static",
        "inline",
        "return",
    )
)


def suspect(why: str, near: Sequence[Near], patched: Mapping[str, bytes | None]) -> Near | None:
    """The line whose patches hold what a compiler or linker complains of; None when it is none of them.

    `patched`: the files as they were compiled. Of two that fit equally the one that was applied last.
    """
    best: tuple[int, Near] | None = None
    for item in near:
        score = _score(why, item, patched)
        if score and (best is None or score >= best[0]):
            best = (score, item)
    return best[1] if best else None


def _score(why: str, item: Near, patched: Mapping[str, bytes | None]) -> int:
    """3: the very line is the patch's; 2: a name of the complaint is, and the file; 1: a name that it brings in."""
    place = _PLACE.search(why)
    path = place["path"] if place else ""
    added, removed = set[str](), set[str]()
    touches = False
    for patch in item.line.patches:
        touched = diff.touched(patch.text)
        touches = touches or any(_same_file(path, name) for name in touched)
        for line in diff.body(patch.text).splitlines():
            if line.startswith("+") and not line.startswith("+++ "):
                added.add(line[1:])
            elif line.startswith("-") and not line.startswith("--- "):
                removed.add(line[1:])
    if touches and place and place["line"] and _line(patched.get(path), int(place["line"])) in added:
        return 3
    names = _names(why)
    if touches and names & _words(added | removed):
        return 2
    return 1 if names & (_words(added) - _words(removed)) else 0


def _same_file(path: str, name: str) -> bool:
    """The linker knows objects, and sources without their directory."""
    stem = path.rpartition(".")[0]
    return bool(stem) and (name == path or name.rpartition(".")[0] == stem or name.endswith(f"/{path}"))


def _line(content: bytes | None, number: int) -> str:
    lines = (content or b"").decode("utf-8", "surrogateescape").split("\n")
    return lines[number - 1] if 0 < number <= len(lines) and lines[number - 1].strip() else "\0"


def _names(why: str) -> set[str]:
    """What the complaint is about: the names in quotes."""
    return _words(_QUOTED.findall(_FLAG.sub("", why)))


def _words(texts: Sequence[str] | set[str]) -> set[str]:
    return {word for text in texts for word in _WORD.findall(text)} - _KEYWORDS
