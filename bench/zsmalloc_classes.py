"""zsmalloc's classes by the size of pages, as mm/zsmalloc.c of Linux 6.12 makes them; held against a kernel's own list.

    python bench/zsmalloc_classes.py                         the table of docs/architectures.md
    python bench/zsmalloc_classes.py 65536 CLASSES           whether a copy of zsmalloc/zram0/classes of debugfs agrees
    python bench/zsmalloc_classes.py --smallest 128 4096 …   of a kernel with 32 bits and PAE

The list needs CONFIG_ZSMALLOC_STAT: the fragment zsmalloc-stat, which pages-16k and pages-64k have as well.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

CHAIN = 8  # CONFIG_ZSMALLOC_CHAIN_SIZE, its default
# ZS_MIN_ALLOC_SIZE: 32, unless the index of an object in its zspage has few bits beside the number of the page
SMALLEST = 32
HANDLE = 8  # sizeof(unsigned long) of a kernel with 64 bits
PAGES = (4096, 16384, 65536)


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeClass:
    """Objects of one size, and how many pages they are cut out of."""

    size: int
    pages: int
    objects: int


def classes(page: int, smallest: int = SMALLEST) -> tuple[SizeClass, ...]:
    """The classes that are not merged into larger ones, largest first."""
    step = page >> 8
    found: list[SizeClass] = []
    for index in reversed(range(-(-(page - smallest) // step) + 1)):
        size = min(smallest + index * step, page)
        pages = 1 if size & (size - 1) == 0 else min(range(1, CHAIN + 1), key=lambda count: count * page % size)
        one = SizeClass(size=size, pages=pages, objects=pages * page // size)
        if not found or (found[-1].pages, found[-1].objects) != (one.pages, one.objects):
            found.append(one)
    return tuple(found)


def huge(found: tuple[SizeClass, ...], handle: int = HANDLE) -> int:
    """From which length a page is kept as it is: larger than the largest class of several objects in several pages."""
    return next(one.size for one in found if one.pages != 1 and one.objects != 1) - (handle - 1)


def listed(text: str, page: int) -> tuple[SizeClass, ...]:
    """The classes of a kernel's list, largest first."""
    head, *lines = (line.split() for line in text.splitlines() if line.strip())
    column = head.index("pages_per_zspage")
    rows = [(int(words[1]), int(words[column])) for words in lines if words[0].isdigit()]
    return tuple(SizeClass(size=size, pages=pages, objects=pages * page // size) for size, pages in reversed(rows))


def row(page: int, found: tuple[SizeClass, ...], handle: int) -> str:
    """What a page's classes come to."""
    largest, (next_one, smallest) = found[1], found[-2:]
    gaps = sorted(above.size - one.size for above, one in pairwise(found[1:]))
    limit = huge(found, handle)
    return (
        f"{page}: {page >> 8} bytes apart, {len(found)} classes; {smallest.size}, {next_one.size} the smallest; "
        f"{largest.size} ({largest.objects} in {largest.pages} pages) below a page; kept as it is from {limit} "
        f"({limit / page:.1%}); a class is larger than the one before by {gaps[len(gaps) // 2]}, at most by {gaps[-1]}"
    )


def main() -> int:
    """Print the table, or compare; 1 where a kernel says something else."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("page", type=int, nargs="?", help="size of a page, with a kernel's list")
    parser.add_argument("list", type=Path, nargs="?", help="a copy of debugfs' zsmalloc/zram0/classes")
    parser.add_argument("--smallest", type=int, default=SMALLEST, help=f"ZS_MIN_ALLOC_SIZE (default {SMALLEST})")
    parser.add_argument("--handle", type=int, default=HANDLE, help=f"sizeof(unsigned long) (default {HANDLE})")
    args = parser.parse_args()
    for page in PAGES if args.page is None else (args.page,):
        computed = classes(page, args.smallest)
        print(row(page, computed, args.handle))
        if args.list is not None:
            same = computed == listed(args.list.read_text(), page)
            print(f"{len(computed)} classes, {'as' if same else 'NOT as'} the kernel lists them")
            return 0 if same else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
