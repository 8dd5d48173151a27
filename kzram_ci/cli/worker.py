"""`kzram-ci worker`: this machine boots cells of runs that were started elsewhere."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from kzram_ci.base.errors import UserError
from kzram_ci.cli.arguments import whole
from kzram_ci.cli.kernel_option import add_tls

if TYPE_CHECKING:
    from argparse import _SubParsersAction

EPILOG = """\
A message to a scheduler or a worker can run programs on it, so beyond the loopback both talk by TLS, with certificates
of one authority (docs/machines.md says how to make them, SECURITY.md what they keep out).

Kernels come from the store of the run; KZRAM_STORE_READ names more. The worker ends when the scheduler does, and its
guests end with it.

exit codes: 0 stopped by the scheduler · 2 usage, or something missing · 69 no scheduler · 130 interrupted

examples:
  dask scheduler --tls-ca-file ca.pem --tls-cert cert.pem --tls-key key.pem
  kzram-ci worker tls://scheduler:8786 --tls ~/kzram-tls
  kzram-ci run overrun --scheduler tls://scheduler:8786 --tls ~/kzram-tls --store s3://team/kzram
"""


def add_parser(subparsers: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe the command."""
    parser = subparsers.add_parser(
        "worker",
        help="boot cells for runs on other machines",
        description="Connect to a scheduler of dask and boot the cells it gives, until it ends.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("scheduler", metavar="ADDRESS", help="tls://HOST:PORT, or tcp://127.0.0.1:PORT")
    add_tls(parser)
    parser.add_argument("--name", default="", help="as runs call it (default: this host's name)")
    parser.add_argument("--jobs", type=whole(0), default=0, metavar="N", help="guests at a time (default: as run)")
    parser.add_argument(
        "--cpus", type=whole(0), default=0, metavar="N", help="virtual CPUs for guests (default: as run)"
    )
    parser.add_argument("--memory", type=whole(0), default=0, metavar="MIB", help="for guests (default: most of it)")
    parser.set_defaults(func=main)


def main(args: argparse.Namespace) -> int:
    """The command."""
    from kzram_ci.farm.worker import WorkerRequest, serve  # heavy; --help needs none of it
    from kzram_ci.host.doctor import architectures
    from kzram_ci.run.pool import host_budget

    budget, archs = host_budget(args.jobs, args.cpus), architectures()
    if not archs:
        raise UserError("there is no QEMU here that runs guests", hint="kzram-ci doctor")
    request = WorkerRequest(
        scheduler=args.scheduler,
        vms=args.jobs or budget.cpus,
        cpus=budget.cpus,
        memory_mib=args.memory or budget.memory_mib,
        archs=archs,
        tls=args.tls,
        insecure=args.insecure,
        name=args.name,
    )
    words = f"{request.vms} guests, {request.cpus} CPUs, {request.memory_mib} MiB, {', '.join(archs)}"
    print(f"kzram-ci: worker of {args.scheduler}: {words}", file=sys.stderr)
    print(f"kzram-ci: worker ends: {serve(request)}", file=sys.stderr)
    return 0
