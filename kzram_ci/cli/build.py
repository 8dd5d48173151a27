"""`kzram-ci build`: kernels into the cache, and where they are."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING

from kzram_ci.base.errors import UserError
from kzram_ci.cli.kernel_option import PATCH_HELP, REFRESH_HELP, SOURCE_HELP, patches_of
from kzram_ci.cli.progress import watch_builds
from kzram_ci.model import codec
from kzram_ci.model.kernel import KernelImage

if TYPE_CHECKING:
    from argparse import _SubParsersAction

EXAMPLE = """\
example:
  kzram-ci build stock saved-clen
  kzram-ci build unstable --json | jq -r '.[0].image'
  kzram-ci build git:../linux@v6.13                    # stock's series and config on that source
  b4 am -o- MESSAGE-ID | kzram-ci build stock --patch -
  kzram-ci build stock unstable --kernel directory:.   # two kernels on your own tree
"""


def add_parser(subparsers: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe the command."""
    parser = subparsers.add_parser(
        "build",
        help="build kernels into the cache",
        description="Build kernels (kernels/<name>.yaml) into the cache and print where they are.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("kernels", nargs="+", metavar="KERNEL", help="name of a kernel, or a source for `stock`")
    parser.add_argument("--kernel", action="append", default=[], metavar="SOURCE", help=SOURCE_HELP)
    parser.add_argument("--patch", action="append", default=[], metavar="[NAME=]FILE", help=PATCH_HELP)
    parser.add_argument("--refresh", action="store_true", help=REFRESH_HELP)
    parser.add_argument("-j", "--jobs", type=int, default=None, help="make jobs (default: all CPUs it may use)")
    parser.add_argument("--json", action="store_true", help="print a JSON array, one object a kernel")
    parser.set_defaults(func=main)


def main(args: argparse.Namespace) -> int:
    """The command."""
    from kzram_ci.run.kernels import BuildRequest, build  # heavy; --help needs none of it

    if args.jobs is not None and args.jobs < 1:
        raise UserError("--jobs must be at least 1")
    request = BuildRequest(
        kernels=tuple(args.kernels),
        sources=tuple(args.kernel),
        patches=patches_of(args.patch),
        jobs=args.jobs or 0,
        refresh=args.refresh,
    )
    with watch_builds(sys.stderr) as listener:
        images = build(request, listener)
    if args.json:
        print(json.dumps([codec.to_json(image) for image in images], indent=2))
    else:
        print("\n".join(line for image in images for line in as_lines(image)))
    return 0


def as_lines(image: KernelImage) -> tuple[str, str]:
    """A kernel for people: name, version, how it came to be; and where it is."""
    how = ("cached" if image.seconds else "ready") if image.cached else f"built in {image.seconds:.0f} s"
    return f"{image.name}  {image.release}  {how}", f"  {image.image}"
