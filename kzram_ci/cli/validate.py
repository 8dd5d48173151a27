"""`kzram-ci validate`: check plans, print every error of all of them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from kzram_ci.base.errors import UserError
from kzram_ci.base.library import Library
from kzram_ci.base.units import say_count
from kzram_ci.run.checks import checked_plan

EXAMPLE = """\
example: kzram-ci validate testplans/*.yaml
         testplans/overrun.yaml:14:5: tests.a.zram.algoritm: unknown key 'algoritm'; …; did you mean algorithm?

exit codes: 0 all plans are good · 2 at least one is not
"""


def add_parser(subparsers: Any) -> None:
    """Add the command to the parser."""
    parser = subparsers.add_parser(
        "validate",
        help="check plans; errors as file:line:column",
        description="Check plans and the kernels they name; each error as file:line:column: path: what is wrong.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("plans", nargs="+", metavar="PLAN", help="file, or name of a plan that ships")
    parser.set_defaults(func=main)


def main(args: argparse.Namespace) -> int:
    """The command."""
    return check(args.plans)


def check(plans: Sequence[str]) -> int:
    """Check every plan, also after one that is not good."""
    failed, library = False, Library()
    for word in plans:
        try:
            path = library.plan(word)
            plan = checked_plan(path, library)
        except UserError as error:
            failed = True
            print(error, file=sys.stderr)  # bare, so that editors and CI find file:line:column
            continue
        kernels = len({cell.kernel.name for cell in plan.cells})
        print(f"{path}: good, {say_count(len(plan.cells), 'cell')} on {say_count(kernels, 'kernel')}")
    return UserError.exit_code if failed else 0
