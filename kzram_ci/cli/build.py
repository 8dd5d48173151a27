"""`kzram-ci build`: kernels into the cache, and where they are."""

from __future__ import annotations

import argparse
import json
import sys
from functools import partial
from typing import TYPE_CHECKING

from kzram_ci.base import budget
from kzram_ci.base.cache import cache_root
from kzram_ci.base.errors import UserError
from kzram_ci.cli.kernel_option import REFRESH_HELP, SOURCE_HELP
from kzram_ci.model import codec
from kzram_ci.model.cell import Plan
from kzram_ci.model.kernel import KernelImage

if TYPE_CHECKING:
    from argparse import _SubParsersAction

EXAMPLE = """\
example:
  kzram-ci build stock saved-clen
  kzram-ci build unstable --json | jq -r '.[0].image'
  kzram-ci build git:../linux@v6.13                    # stock's series and config on that source
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
    parser.add_argument("--refresh", action="store_true", help=REFRESH_HELP)
    parser.add_argument("-j", "--jobs", type=int, default=None, help="make jobs (default: all CPUs it may use)")
    parser.add_argument("--json", action="store_true", help="print a JSON array, one object a kernel")
    parser.set_defaults(func=main)


def main(args: argparse.Namespace) -> int:
    """Build, print, return the exit code."""
    from kzram_ci.cli.progress import watch
    from kzram_ci.kernel.workshop import KernelContext, image_for
    from kzram_ci.plan.kernels import load_kernel
    from kzram_ci.plan.library import find_kernel, known_kernels
    from kzram_ci.plan.source_args import split
    from kzram_ci.run.retarget import named

    if args.jobs is not None and args.jobs < 1:
        raise UserError("--jobs must be at least 1")
    globs, sources = split(args.kernel)
    if globs:
        raise UserError(f"--kernel {globs[0]} is no source", hint="kzram-ci build --help")
    load = partial(load_kernel, find_kernel=find_kernel, known_kernels=known_kernels())
    specs = [spec for word in args.kernels for spec in named(word, load, sources)]
    images: list[KernelImage] = []
    jobs = args.jobs or budget.cpus()
    with watch(Plan(name="build", cells=()), sys.stderr) as listener:
        for spec in specs:
            context = KernelContext(cache=cache_root(), jobs=jobs, listener=listener, refresh=args.refresh)
            images.append(image_for(spec, context))
    if args.json:
        print(json.dumps([codec.to_json(image) for image in images], indent=2))
        return 0
    for image in images:
        how = ("cached" if image.seconds else "ready") if image.cached else f"built in {image.seconds:.0f} s"
        print(f"{image.name}  {image.release}  {how}\n  {image.image}")
    return 0
