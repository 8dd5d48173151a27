"""`kzram-ci oops`: find oopses in console logs."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from kzram_ci.base.errors import KzramError
from kzram_ci.oops import Oops, iterate

EXAMPLE = """\
exit codes: 0 every log could be read, whatever it held · 1 an oops was found and --fail-on-oops given · 2 a log or
vmlinux could not be read

examples:
  kzram-ci oops console.log --vmlinux build/vmlinux
  dmesg | kzram-ci oops - --json | jq -r '.[].oopses[].signature'
"""
DECODE_SECONDS = 300.0


def add_parser(subparsers: Any) -> None:
    """Register the command."""
    shape = {"epilog": EXAMPLE, "formatter_class": argparse.RawDescriptionHelpFormatter}
    _arguments(subparsers.add_parser("oops", help="find oopses in console logs", **shape))


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("logs", nargs="+", metavar="LOG", help="a console log, any bytes; - is standard input")
    parser.add_argument("--json", action="store_true", help="print a JSON array, one object a log")
    parser.add_argument("--vmlinux", type=Path, metavar="FILE", help="decode frames to file:line with inlines")
    parser.add_argument("--modules", type=Path, metavar="DIR", help="where modules are (default: beside vmlinux)")
    parser.add_argument("--fail-on-oops", action="store_true", help="exit with 1 when an oops was found")
    parser.set_defaults(func=main)


def _pieces(name: str) -> Iterator[bytes]:
    if name == "-":
        while piece := os.read(sys.stdin.fileno(), 1 << 20):
            yield piece
        return
    with open(name, "rb") as handle:
        while piece := handle.read(1 << 20):
            yield piece


def _decoded(oopses: Sequence[Oops], args: argparse.Namespace) -> list[Oops]:
    from kzram_ci.base.clock import Deadline
    from kzram_ci.oops import symbolize

    deadline = Deadline.after(DECODE_SECONDS)
    found = symbolize.decode(oopses, args.vmlinux, deadline=deadline, modules=args.modules)
    return [symbolize.disassemble(oops, deadline=deadline) for oops in found]


def _print_text(name: str, oops: Oops, *, several: bool) -> None:
    from kzram_ci.oops.render import text

    print((f"{name}: " if several else "") + text(oops), flush=True)


def _one(name: str, args: argparse.Namespace) -> tuple[list[Oops], bool]:
    """The oopses of one log, printed as found unless JSON or decoding wants them all; and whether it was readable."""
    oopses: list[Oops] = []
    readable = True
    live = not args.json and not args.vmlinux
    try:
        for oops in iterate(_pieces(name)):
            oopses.append(oops)
            if live:
                _print_text(name, oops, several=len(args.logs) > 1)
    except OSError as error:
        print(f"kzram-ci: {name}: {error.strerror or error}", file=sys.stderr)
        readable = False
    oopses.sort(key=lambda oops: oops.start)
    if args.vmlinux and oopses:
        oopses = _decoded(oopses, args)
    if not live and not args.json:
        for oops in oopses:
            _print_text(name, oops, several=len(args.logs) > 1)
    return oopses, readable


def main(args: argparse.Namespace) -> int:
    """Parse every log. Raises UserError when --vmlinux cannot be used."""
    entries: list[dict[str, Any]] = []
    unreadable = found = 0
    for name in args.logs:
        oopses, readable = _one(name, args)
        unreadable += not readable
        found += len(oopses)
        if args.json:
            entries.append({"log": name, "oopses": [oops.to_json() for oops in oopses]})
    if args.json:
        json.dump(entries, sys.stdout)
        print()
    if unreadable:
        return 2
    return 1 if found and args.fail_on_oops else 0


def _standalone() -> int:
    parser = argparse.ArgumentParser(
        prog="kzram-ci oops", epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    _arguments(parser)
    try:
        return main(parser.parse_args())
    except KzramError as error:
        print(f"kzram-ci: {error}", file=sys.stderr)
        return error.exit_code


if __name__ == "__main__":
    sys.exit(_standalone())
