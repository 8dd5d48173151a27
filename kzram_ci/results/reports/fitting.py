"""Texts of a guest cut so that a page of many cells stays small: each gets its share, and what is cut is said. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

_WORST = 6  # bytes that a character takes at most: &quot; and &#x27; are the longest
_NOTE_BYTES = 80


def escaped_bytes(text: str) -> int:
    """What a text takes in the page."""
    return len(escape(text).encode("utf-8", "backslashreplace"))


def fair_limit(sizes: Iterable[int], total: int) -> int:
    """The largest limit with which texts of these sizes, each cut to it, take `total` together."""
    ordered, left = sorted(sizes), total
    for at, size in enumerate(ordered):
        share = left // (len(ordered) - at)
        if size > share:
            return max(0, share)
        left -= size
    return max(total, 0)


def fitted(texts: Sequence[str], total: int) -> tuple[str, ...]:
    """The texts, the long ones cut so that all of them fit into `total` bytes of a page."""
    sizes = [escaped_bytes(text) for text in texts]
    limit = fair_limit(sizes, total)
    return tuple(text if size <= limit else shortened(text, limit) for text, size in zip(texts, sizes, strict=True))


def shortened(text: str, limit: int) -> str:
    """The first quarter and the end of a text, in whole lines where they fit: the beginning says what booted, the end
    why it was over.
    """
    lines = text.split("\n")
    room = max(0, limit - _NOTE_BYTES)
    head = _whole(lines, room // 4)
    tail = _whole(lines[: len(head) - 1 : -1] if head else lines[::-1], room - sum(map(_with_break, head)))
    kept = [*head, *reversed(tail)]
    missing = len(text) - sum(len(line) + 1 for line in kept) + 1
    note = f"[… {max(0, missing):,} characters not shown here …]"
    if not tail and lines:  # a line that is longer than all there is room for
        tail = [lines[-1][-(room // _WORST) :]] if room // _WORST else []
    return "\n".join([*head, note, *reversed(tail)])


def _with_break(line: str) -> int:
    return escaped_bytes(line) + 1


def _whole(lines: Sequence[str], room: int) -> list[str]:
    kept = []
    for line in lines:
        room -= _with_break(line)
        if room < 0:
            break
        kept.append(line)
    return kept
