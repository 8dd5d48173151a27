"""`kzram-ci oops`: find oopses in console logs."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kzram_ci.oops import Oops, iterate

EXAMPLE = "example: kzram-ci oops console.log --vmlinux build/vmlinux; dmesg | kzram-ci oops - --json"


def add_parser(subparsers: Any) -> None:
    """Register the command."""
    parser = subparsers.add_parser("oops", help="find oopses in console logs", epilog=EXAMPLE)
    _arguments(parser)


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("logs", nargs="+", metavar="LOG", help="a console log; - is standard input")
    parser.add_argument("--json", action="store_true", help="a JSON array, one object a log")
    parser.add_argument("--vmlinux", type=Path, metavar="FILE", help="decode addresses to file:line with inlines")
    parser.add_argument("--fail-on-oops", action="store_true", help="exit 1 when an oops was found")
    parser.set_defaults(func=main)


def _pieces(name: str) -> Iterator[bytes]:
    if name == "-":
        while piece := sys.stdin.buffer.read1(1 << 20):
            yield piece
        return
    with open(name, "rb") as handle:
        while piece := handle.read(1 << 20):
            yield piece


def main(args: argparse.Namespace) -> int:
    """Parse every log. 0 when all could be read, 1 with --fail-on-oops and a find, 2 when one could not be read."""
    entries: list[dict[str, Any]] = []
    unreadable = found = 0
    for name in args.logs:
        oopses: list[Oops] = []
        try:
            oopses.extend(iterate(_pieces(name)))
        except OSError as error:
            print(f"kzram-ci: {name}: {error.strerror or error}", file=sys.stderr)
            unreadable += 1
        found += len(oopses)
        entries.append({"log": name, "oopses": [oops.to_json() for oops in oopses]})
    if args.json:
        json.dump(entries, sys.stdout)
        print()
    if unreadable:
        return 2
    return 1 if found and args.fail_on_oops else 0


if __name__ == "__main__":
    _parser = argparse.ArgumentParser(prog="kzram-ci oops", epilog=EXAMPLE)
    _arguments(_parser)
    sys.exit(main(_parser.parse_args()))
