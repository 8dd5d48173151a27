"""`kzram-ci validate`: check plans, print every error of all of them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kzram_ci.base.errors import UserError
from kzram_ci.base.library import Library
from kzram_ci.base.units import say_count
from kzram_ci.run import good_plans
from kzram_ci.run.good_plans import Good

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
            good = _good(path, library)
        except UserError as error:
            failed = True
            print(error, file=sys.stderr)  # bare, so that editors and CI find file:line:column
            continue
        print(f"{path}: good, {say_count(good.cells, 'cell')} on {say_count(good.kernels, 'kernel')}")
    return UserError.exit_code if failed else 0


def _good(path: Path, library: Library) -> Good:
    """What is known of a plan, from the cache if nothing changed since. Raises UserError with all that is wrong."""
    state = good_plans.seen(path, library)
    if (found := good_plans.known(state)) is not None:
        return found
    from kzram_ci.run.checks import checked_plan  # late: half of what a check costs is imports

    plan = checked_plan(path, library)
    good = Good(cells=len(plan.cells), kernels=len({cell.kernel.name for cell in plan.cells}))
    if not any(cell.workload.own for cell in plan.cells):
        good_plans.keep(state, path, library, good)
    return good
