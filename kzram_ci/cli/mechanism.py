"""`kzram-ci mechanism`: the facts about the overrun in a kernel's source, and what a test must expect of it."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from kzram_ci.base.values import dataclass

EXAMPLE = """\
example:
  kzram-ci mechanism stock-6.1
  kzram-ci mechanism directory:../linux       # your own tree, dirty or not
  kzram-ci mechanism saved-clen-7.3 --json | jq .skipped
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class MechanismRequest:
    """A kernel by name, or a source."""

    kernel: str
    as_json: bool = False


def add_parser(subparsers: Any) -> None:
    """Describe the command."""
    parser = subparsers.add_parser(
        "mechanism",
        help="the facts about the overrun in a kernel's source, and what to expect",
        description="Look into a kernel's source: are pages recompressed, what guards against the overrun,\n"
        "which fault injection works. With file and line, and what a test must therefore expect.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("kernel", metavar="KERNEL", help="name of a kernel, or a source such as directory:PATH")
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.set_defaults(func=main, only_looks=True)


def main(args: argparse.Namespace) -> int:
    """The command."""
    return look(MechanismRequest(kernel=args.kernel, as_json=args.json))


def look(request: MechanismRequest) -> int:
    """Print facts and what follows from them. Raises UserError, InfraError."""
    from kzram_ci.cli.progress import watch_builds
    from kzram_ci.kernel.mechanism import describe
    from kzram_ci.run.kernels import source_facts

    with watch_builds(sys.stderr) as listener:
        spec, facts = source_facts(request.kernel, listener)
    if request.as_json:
        print(json.dumps(describe.as_json(spec, facts), indent=2))
    else:
        print("\n".join(describe.as_lines(spec, facts)))
    return 0
