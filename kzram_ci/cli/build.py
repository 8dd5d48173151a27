"""`kzram-ci build`: kernels into the cache, and where they are."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING

from kzram_ci.cli.arguments import whole
from kzram_ci.cli.kernel_names import kernels_there_are
from kzram_ci.cli.kernel_option import (
    PATCH_HELP,
    REFRESH_HELP,
    SOURCE_HELP,
    add_arch,
    add_sandbox,
    add_stores,
    patches_of,
    stores_from,
)
from kzram_ci.cli.progress import watch_builds
from kzram_ci.model import codec
from kzram_ci.model.kernel import KernelImage

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from kzram_ci.run.kernels import BuildRequest

KERNELS = "@kernels@"  # stands for their names, which are read only when help is asked for
EXAMPLE = f"""\
KERNEL is VARIANT or VARIANT-LINE, a file kernels/<name>.yaml in the working directory, or a source:
{KERNELS}
`kzram-ci mechanism KERNEL` says what a variant means on a line, docs/plans.md how to add your own.

The first build of a source takes minutes (download, unpack, all of a small kernel), each further variant about 20 s,
and a kernel that is in the cache none. Your own tree or repository is only read. What is printed is the path of the
image in the cache (KZRAM_CACHE, default ~/.cache/kzram-ci); vmlinux, .config, modules and the log lie beside it.

exit codes: 0 built or cached · 2 usage or a missing tool · 4 does not patch, configure or build · 69 infrastructure

examples:
  kzram-ci build stock saved-clen
  kzram-ci build unstable --json | jq -r '.[0].image'
  kzram-ci build git:../linux@v6.13                    # stock's series and config on that source
  b4 am -o- MESSAGE-ID | kzram-ci build stock --patch -
  kzram-ci build stock --arch arm64                    # by Debian's cross compiler; the same as stock-arm64
  kzram-ci build stock unstable --kernel directory:.   # two kernels on your own tree
"""


CHECK_HELP = (
    "build N of these kernels once more, beside the cache, and compare the bytes with those of the store; exit code 1 "
    "when they differ"
)


class _WithKernels(argparse.RawDescriptionHelpFormatter):
    """Names the kernels there are, and reads their tables only when help is asked for."""

    def add_text(self, text: str | None) -> None:
        """A description or epilog."""
        super().add_text(text.replace(KERNELS, kernels_there_are()) if text else text)


def add_parser(subparsers: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe the command."""
    parser = subparsers.add_parser(
        "build",
        help="build kernels into the cache",
        description="Build kernels into the cache and print where they are.",
        epilog=EXAMPLE,
        formatter_class=_WithKernels,
    )
    parser.add_argument(
        "kernels",
        nargs="+",
        metavar="KERNEL",
        help="name of a kernel, or a source, which gets the series and config of `stock`",
    )
    parser.add_argument("--kernel", action="append", default=[], metavar="SOURCE", help=SOURCE_HELP)
    add_arch(parser, "build for this architecture, also by name: stock-arm64 (default: the kernel's own)")
    parser.add_argument("--patch", action="append", default=[], metavar="[NAME=]FILE", help=PATCH_HELP)
    parser.add_argument("--refresh", action="store_true", help=REFRESH_HELP)
    parser.add_argument("-j", "--jobs", type=whole(1), default=0, help="make jobs (default: all CPUs it may use)")
    add_sandbox(parser)
    add_stores(parser)
    parser.add_argument("--check-store", type=whole(1), default=0, metavar="N", help=CHECK_HELP)
    parser.add_argument("--json", action="store_true", help="print a JSON array, one object a kernel")
    parser.set_defaults(func=main)


def main(args: argparse.Namespace) -> int:
    """The command."""
    from kzram_ci.run.kernels import BuildRequest, build  # heavy; --help needs none of it

    request = BuildRequest(
        kernels=tuple(args.kernels),
        sources=tuple(args.kernel),
        patches=patches_of(args.patch),
        jobs=args.jobs,
        refresh=args.refresh,
        sandbox=args.sandbox,
        stores=stores_from(args.store, args.store_read),
        arch=args.arch,
    )
    if args.check_store:
        return _check(request, args.check_store)
    with watch_builds(sys.stderr) as listener:
        images = build(request, listener)
    if args.json:
        print(json.dumps([codec.to_json(image) for image in images], indent=2))
    else:
        print("\n".join(line for image in images for line in as_lines(image)))
    return 0


def _check(request: BuildRequest, sample: int) -> int:
    """Compare with the store, a line for each kernel."""
    from kzram_ci.run.check_store import check

    with watch_builds(sys.stderr) as listener:
        compared = check(request, sample, listener)
    for one in compared:
        print(f"{one.kernel}  {one.words}")
    return int(any(one.differ for one in compared))


def as_lines(image: KernelImage) -> tuple[str, str]:
    """A kernel for people: name, version, how it came to be; and where it is."""
    how = ("cached" if image.seconds else "ready") if image.cached else f"built in {image.seconds:.0f} s"
    return f"{image.name}  {image.release}  {how}", f"  {image.image}"
