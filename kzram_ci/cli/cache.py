"""`kzram-ci cache`: what the build cache holds, and removing what was not used for long."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from typing import Any

from kzram_ci.base.cache import cache_root
from kzram_ci.base.units import parse_bytes, parse_duration, say_size
from kzram_ci.base.values import dataclass
from kzram_ci.cli.answers import VERSION
from kzram_ci.host.cache_gc import PARTS, Entry, entries, remove, select

EXAMPLE = """\
example: kzram-ci cache ls
         kzram-ci cache gc --older-than 14d --max-size 20G
         kzram-ci cache gc --max-size 0 --dry-run

gc never removes what is locked by a running kzram-ci or was used within the last hour.
Downloaded packages are not renewed here: `kzram-ci run --refresh PLAN` asks for newer ones.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanRequest:
    """What to remove: unused for `older_than` seconds, and then as much as it takes to fit `max_bytes`."""

    older_than: float
    max_bytes: int | None
    dry_run: bool
    as_json: bool = False


def add_parser(subparsers: Any) -> None:
    """Add the command to the parser."""
    parser = subparsers.add_parser(
        "cache",
        help="list or clean the build cache",
        description="List the cache (kernels, slots, sources, rootfs …), or remove what was not used for long.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(dest="action", metavar="ls|gc", required=True)
    shape: dict[str, Any] = {"epilog": EXAMPLE, "formatter_class": argparse.RawDescriptionHelpFormatter}
    listing = actions.add_parser("ls", help="what is there, least recently used first", **shape)
    listing.add_argument("--json", action="store_true", help="for programs")
    listing.set_defaults(func=_list, only_looks=True)
    cleaning = actions.add_parser("gc", help="remove what was not used for long", **shape)
    cleaning.add_argument(
        "--older-than", type=_quantity(parse_duration), default="30d", metavar="AGE", help="30d, 12h, 2w (default 30d)"
    )
    cleaning.add_argument(
        "--max-size",
        type=_quantity(parse_bytes),
        metavar="SIZE",
        help="then the least recently used, until it fits: 20G",
    )
    cleaning.add_argument("--dry-run", action="store_true", help="show what would go")
    cleaning.add_argument("--json", action="store_true", help="for programs")
    cleaning.set_defaults(func=_clean)


def _quantity(parse: Callable[[str], float]) -> Callable[[str], float]:
    """The type of an option: an error of `parse` becomes argparse's message."""

    def convert(text: str) -> float:
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return convert


def _list(args: argparse.Namespace) -> int:
    found = entries(cache_root())
    if args.json:
        rows = [{"entry": entry.name, "bytes": entry.size, "age_seconds": round(entry.age())} for entry in found]
        print(json.dumps(rows, indent=2))
    else:
        print("\n".join(listing(found)))
    return 0


def _clean(args: argparse.Namespace) -> int:
    return clean(
        CleanRequest(older_than=args.older_than, max_bytes=args.max_size, dry_run=args.dry_run, as_json=args.json)
    )


def clean(request: CleanRequest) -> int:
    """Remove what is asked for, a line each."""
    chosen = select(entries(cache_root()), older_than=request.older_than, max_bytes=request.max_bytes)
    freed, told = 0, list[dict[str, Any]]()
    for entry in chosen:
        goes = request.dry_run or remove(entry)
        freed += entry.size if goes else 0
        told.append({"entry": entry.name, "bytes": entry.size, "removed": goes and not request.dry_run})
        if not request.as_json:
            done = f"{'would remove' if request.dry_run else 'removed'} {entry.name} ({say_size(entry.size)})"
            print(done if goes else f"kept {entry.name}: in use")
    if request.as_json:
        answer = {"version": VERSION, "dry_run": request.dry_run, "freed_bytes": freed, "entries": told}
        print(json.dumps(answer, indent=2))
    else:
        print(f"{'would free' if request.dry_run else 'freed'} {say_size(freed)}")
    return 0


def listing(found: Sequence[Entry]) -> list[str]:
    """One line an entry, then the sum of each part."""
    lines = [f"{say_size(entry.size):>10}  {entry.age() / 86_400:6.1f} d  {entry.name}" for entry in found]
    for part in PARTS:
        total = sum(entry.size for entry in found if entry.part == part)
        lines.append(f"{say_size(total):>10}  in {part}")
    return [*lines, f"{say_size(sum(entry.size for entry in found)):>10}  in {cache_root()}"]
