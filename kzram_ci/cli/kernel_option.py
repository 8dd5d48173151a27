"""`--kernel GLOB|SOURCE`, `--patch [NAME=]FILE`, stores, schedulers, and what goes with them."""

from __future__ import annotations

import os
from argparse import ArgumentParser
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from kzram_ci.cli import arguments
from kzram_ci.model.arch import ARCHS, DEFAULT
from kzram_ci.plan.source_args import FORMS
from kzram_ci.store.shared import Stores, stores_of

if TYPE_CHECKING:
    from kzram_ci.kernel.oneoff import OneOff
    from kzram_ci.run.elsewhere import Opener

_FORMS = ", ".join(FORMS.values())
KERNEL_HELP = (
    "only these kernels (line:GLOB, variant:GLOB, arch:GLOB: by one of their axes); or a source, which takes the place "
    "of their own while their series and config stay "
    f"(with several, all kernels on each): {_FORMS}. An image gets no series and no config"
)
GUEST_ARCH_HELP = f"of kernel and guest (default: the kernel's own; of a ready one {DEFAULT})"
ARCHS_HELP = "architecture of the plan's kernels and guests, in place of the plan's own; may be given several times"
SOURCE_HELP = f"source to take in place of the kernel's own: {_FORMS}"
REFRESH_HELP = "ask for newer packages than were downloaded before"
PATCH_HELP = (
    "a diff, a mail with one or a mailbox (- is standard input), applied strictly after the series of each selected "
    "kernel; NAME=FILE makes a new kernel NAME beside its base instead, which is expected to pass, and keeps the "
    "controls of the plan. May be given several times"
)


def add_arch(parser: ArgumentParser, text: str, *, several: bool = False) -> None:
    """Add `--arch`."""
    names = [row.name for row in ARCHS]
    if several:
        parser.add_argument("--arch", action="append", default=[], choices=names, help=text)
    else:
        parser.add_argument("--arch", default="", choices=names, help=text)


def add_sandbox(parser: ArgumentParser) -> None:
    """Add `--sandbox`, for a command that takes sources."""
    arguments.add_sandbox(parser, "for a source git:URL, where bubblewrap works")


def add_stores(parser: ArgumentParser) -> None:
    """Add `--store` and `--store-read`."""
    parser.add_argument(
        "--store", metavar="URL", help="take kernels and guest images from there, and leave there what is made and "
        "what runs found: a directory, s3://BUCKET/PREFIX, gs://… (default: $KZRAM_STORE)",
    )  # fmt: skip
    parser.add_argument(
        "--store-read", action="append", default=[], metavar="URL", help="take them from there only (also https://…; "
        "default: $KZRAM_STORE_READ). May be given several times",
    )  # fmt: skip


def stores_from(write: str | None, read: Sequence[str]) -> Stores:
    """The stores that the options name, else those of the environment."""
    return stores_of(write, tuple(read))


def add_farm(parser: ArgumentParser) -> None:
    """Add `--scheduler` and what goes with it."""
    parser.add_argument(
        "--scheduler", metavar="ADDRESS|local:N", help="boot on workers of a scheduler of dask, or on N of this host"
    )
    add_tls(parser)


def add_tls(parser: ArgumentParser) -> None:
    """Add `--tls` and `--insecure`."""
    parser.add_argument(
        "--tls", metavar="DIR", default=os.environ.get("KZRAM_TLS", ""),
        help="ca.pem, cert.pem and key.pem for the scheduler (default: $KZRAM_TLS)",
    )  # fmt: skip
    parser.add_argument("--insecure", action="store_true", help="a scheduler by tcp:// that is not on the loopback")


def farm_of(scheduler: str | None, tls: str, insecure: bool, jobs: int, cpus: int) -> Opener | None:
    """What opens other machines to a run; None without a scheduler. Raises UserError."""
    if not scheduler:
        return None
    from kzram_ci.farm.opened import FarmRequest, opened

    wanted = FarmRequest(scheduler=scheduler, tls=tls, insecure=insecure, jobs=jobs, cpus=cpus)
    wanted.address()  # before anything is written
    return partial(opened, wanted)


def patches_of(words: Sequence[str]) -> tuple[OneOff, ...]:
    """The patches that `--patch` names. Raises UserError."""
    if not words:
        return ()
    from kzram_ci.kernel.oneoff import read_oneoffs  # --help needs none of it

    return read_oneoffs(words, arguments.standard_input)
