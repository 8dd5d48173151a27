"""`kzram-ci oops`: find oopses in console logs."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kzram_ci.base.errors import UserError
from kzram_ci.base.units import say_count
from kzram_ci.cli import inputs
from kzram_ci.oops import Oops, iterate

if TYPE_CHECKING:
    from kzram_ci.oops.blame import Tree

EXAMPLE = """\
exit codes: 0 every log could be read, whatever it held · 1 an oops was found and --fail-on-oops given · 2 a log or
vmlinux could not be read

examples:
  kzram-ci oops console.log --vmlinux build/vmlinux
  kzram-ci oops console.log --tree ../linux
  kzram-ci oops --group runs/*/cells/*/console.log
  dmesg | kzram-ci oops - --json | jq -r '.[].oopses[].signature'
"""
DECODE_SECONDS = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class OopsRequest:
    """Which logs to read (`-`: standard input), and with which vmlinux to decode what they hold."""

    logs: tuple[str, ...]
    as_json: bool = False
    vmlinux: Path | None = None
    modules: Path | None = None
    fail_on_oops: bool = False
    group: bool = False
    tree: Path | None = None

    @property
    def live(self) -> bool:
        """Whether an oops is printed as soon as it is found: JSON and decoding want all of them first."""
        return not self.as_json and self.vmlinux is None and self.tree is None and not self.group


def add_parser(subparsers: Any) -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "oops",
        help="find oopses in console logs",
        description="Find oopses in console logs, of any kernel and with any bytes between them.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "logs",
        nargs="+",
        metavar="LOG",
        help="a console log, any bytes, as they are or compressed (gzip, xz, bzip2); - is standard input",
    )
    parser.add_argument("--json", action="store_true", help="print a JSON array, one object a log")
    parser.add_argument("--vmlinux", type=Path, metavar="FILE", help="decode frames to file:line with inlines")
    parser.add_argument("--modules", type=Path, metavar="DIR", help="where modules are (default: beside vmlinux)")
    parser.add_argument("--fail-on-oops", action="store_true", help="exit with 1 when an oops was found")
    parser.add_argument("--group", action="store_true", help="one entry a crash, with every place it was seen at")
    parser.add_argument(
        "--tree", type=Path, metavar="DIR", help="name who looks after the culprit, and its last commits"
    )
    parser.set_defaults(func=main, only_looks=True)


def main(args: argparse.Namespace) -> int:
    """The command."""
    return find(
        OopsRequest(
            logs=tuple(args.logs),
            as_json=args.json,
            vmlinux=args.vmlinux,
            modules=args.modules,
            fail_on_oops=args.fail_on_oops,
            group=args.group,
            tree=args.tree,
        )
    )


def find(request: OopsRequest) -> int:
    """Parse every log. Raises UserError when --vmlinux or --tree cannot be used."""
    entries: list[dict[str, Any]] = []
    seen: list[tuple[str, Oops]] = []
    unreadable = found = 0
    tree = _tree(request.tree)
    _check_symbols(request)
    for name in request.logs:
        oopses, readable = _one(name, request, tree)
        unreadable += not readable
        found += len(oopses)
        if request.group:
            seen += [(name, oops) for oops in oopses]
        elif request.as_json:
            entries.append({"log": name, "oopses": [_json(oops, tree) for oops in oopses]})
    if request.group:
        _print_groups(seen, as_json=request.as_json)
    elif request.as_json:
        json.dump(entries, sys.stdout)
        print()
    if unreadable:
        return 2
    return 1 if found and request.fail_on_oops else 0


def _tree(path: Path | None) -> Tree | None:
    if path is None:
        return None
    from kzram_ci.oops.blame import Tree

    return Tree(path)


def _check_symbols(request: OopsRequest) -> None:
    """Before a log is read, which may take long and hold nothing to decode."""
    if request.vmlinux is not None:
        from kzram_ci.oops.symbolize import checked

        checked(request.vmlinux)
    if request.modules is not None and request.vmlinux is None:
        raise UserError("--modules decodes nothing without --vmlinux", hint="--vmlinux FILE")
    if request.modules is not None and not request.modules.is_dir():
        raise UserError(f"{request.modules} is not a directory", hint="--modules DIR has the *.ko of the very build")


def _json(oops: Oops, tree: Tree | None) -> dict[str, Any]:
    data = oops.to_json()
    if tree is not None:
        blame = tree.blame(oops)
        data["blame"] = blame.to_json() if blame is not None else None
    return data


def _one(name: str, request: OopsRequest, tree: Tree | None) -> tuple[list[Oops], bool]:
    """The oopses of one log, and whether it was readable; printed, unless JSON is wanted."""
    oopses: list[Oops] = []
    several = len(request.logs) > 1
    counted, readable = _Counted(inputs.log(name)), True
    try:
        for oops in iterate(counted):
            oopses.append(oops)
            if request.live:
                _print_text(name, oops, several=several)
    except OSError as error:
        print(f"kzram-ci: {name}: {error.strerror or error}", file=sys.stderr)
        readable = False
    oopses.sort(key=lambda oops: oops.start)
    if request.vmlinux is not None and oopses:
        oopses = _decoded(oopses, request.vmlinux, request.modules)
    if not request.live and not request.as_json and not request.group:
        for oops in oopses:
            _print_text(name, oops, several=several)
            if tree is not None and (blame := tree.blame(oops)) is not None:
                from kzram_ci.oops.blame import text

                print(text(blame), flush=True)
    if readable and not oopses and not request.as_json and not request.group and sys.stdout.isatty():
        print(f"{name}: no oops in {say_count(counted.lines, 'line')}")
    return oopses, readable


def _print_groups(seen: Sequence[tuple[str, Oops]], *, as_json: bool) -> None:
    from kzram_ci.oops.similar import groups, text

    made = groups(seen)
    if as_json:
        json.dump([group.to_json() for group in made], sys.stdout)
        print()
        return
    for group in made:
        print(text(group))
    print(f"{len(seen)} oops{'' if len(seen) == 1 else 'es'}, {len(made)} crash{'' if len(made) == 1 else 'es'}")


class _Counted:
    """Pieces of a log's text, with a count of the lines that went by."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces, self.lines = pieces, 0

    def __iter__(self) -> Iterator[bytes]:
        last = b"\n"
        for piece in self._pieces:
            self.lines += piece.count(b"\n")
            last = piece[-1:] or last
            yield piece
        self.lines += last != b"\n"


def _decoded(oopses: Sequence[Oops], vmlinux: Path, modules: Path | None) -> list[Oops]:
    from kzram_ci.oops import symbolize

    found, fits = symbolize.decoded(oopses, vmlinux, modules, DECODE_SECONDS)
    if not fits:
        print(f"kzram-ci: {vmlinux} decodes nothing here: is it of this very build, with symbols?", file=sys.stderr)
    return found


def _print_text(name: str, oops: Oops, *, several: bool) -> None:
    from kzram_ci.oops.render import text

    print((f"{name}: " if several else "") + text(oops), flush=True)
