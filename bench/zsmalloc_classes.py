"""zsmalloc's classes by the size of pages, as mm/zsmalloc.c of Linux 6.12 makes them; held against a kernel's own list.

    python bench/zsmalloc_classes.py                    the table of docs/architectures.md
    python bench/zsmalloc_classes.py 65536 CLASSES      whether a copy of debugfs' zsmalloc/zram0/classes says the same

The list needs CONFIG_ZSMALLOC_STAT; the fragments pages-16k and pages-64k have it.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

CHAIN = 8  # CONFIG_ZSMALLOC_CHAIN_SIZE, its default
HANDLE = 8  # sizeof(unsigned long)
SMALLEST = 32  # ZS_MIN_ALLOC_SIZE, with the physical addresses that x86_64 and arm64 have
PAGES = (4096, 16384, 65536)


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeClass:
    """Objects of one size, and how many pages they are cut out of."""

    size: int
    pages: int
    objects: int


def classes(page: int) -> tuple[tuple[SizeClass, ...], int]:
    """The classes that are not merged into larger ones, largest first; from which length a page is kept as it is."""
    step = page >> 8
    found: list[SizeClass] = []
    huge = 0
    for index in reversed(range(-(-(page - SMALLEST) // step) + 1)):
        size = min(SMALLEST + index * step, page)
        pages = 1 if size & (size - 1) == 0 else min(range(1, CHAIN + 1), key=lambda count: count * page % size)
        one = SizeClass(size=size, pages=pages, objects=pages * page // size)
        if not huge and one.pages != 1 and one.objects != 1:
            huge = size - (HANDLE - 1)
        if not found or (found[-1].pages, found[-1].objects) != (one.pages, one.objects):
            found.append(one)
    return tuple(found), huge


def listed(text: str) -> tuple[tuple[int, int], ...]:
    """Size and pages of each class of a kernel's list, largest first."""
    head, *lines = (line.split() for line in text.splitlines() if line.strip())
    column = head.index("pages_per_zspage")
    rows = [words for words in lines if words[0].isdigit()]
    return tuple((int(words[1]), int(words[column])) for words in reversed(rows))


def main(words: list[str]) -> int:
    """Print the table, or compare; 1 where a kernel says something else."""
    if words:
        page, text = int(words[0]), Path(words[1]).read_text()
        computed = tuple((one.size, one.pages) for one in classes(page)[0])
        same = computed == listed(text)
        print(f"{len(computed)} classes, {'as' if same else 'NOT as'} the kernel lists them")
        return 0 if same else 1
    for page in PAGES:
        found, huge = classes(page)
        largest, smallest = found[1], found[-2]
        gaps = sorted(above.size - one.size for above, one in pairwise(found[1:]))
        print(
            f"{page}: {page >> 8} bytes apart, {len(found)} classes; {smallest.size} after {SMALLEST}; {largest.size} "
            f"({largest.objects} in {largest.pages} pages) below a page; kept as it is from {huge} ({huge / page:.1%})"
            f"; a class is larger than the one before by {gaps[len(gaps) // 2]}, at most by {gaps[-1]}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
