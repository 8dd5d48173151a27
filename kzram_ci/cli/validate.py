"""`kzram-ci validate`: check plans, print every error of all of them."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from kzram_ci.base.errors import UserError
from kzram_ci.base.grammar.problems import GrammarErrors
from kzram_ci.base.library import Library
from kzram_ci.base.units import say_count
from kzram_ci.cli.answers import VERSION
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
    parser.add_argument(
        "--json", action="store_true", help="for programs; also what is wrong, with file, line and column"
    )
    parser.set_defaults(func=main, only_looks=True)


def main(args: argparse.Namespace) -> int:
    """The command."""
    return check(args.plans, as_json=args.json)


def check(plans: Sequence[str], *, as_json: bool = False) -> int:
    """Check every plan, also after one that is not good."""
    failed, library, told = False, Library(), list[dict[str, Any]]()
    for word in plans:
        try:
            path = library.plan(word)
            good = _good(path, library)
        except UserError as error:
            failed = True
            told.append(_answer(word, problems=_problems(error)))
            if not as_json:
                print(error, file=sys.stderr)  # bare, so that editors and CI find file:line:column
            continue
        told.append(_answer(word, path=str(path), good=good))
        if as_json:
            continue
        print(f"{path}: good, {say_count(good.cells, 'cell')} on {say_count(good.kernels, 'kernel')}")
    if as_json:
        print(json.dumps({"version": VERSION, "plans": told}, indent=2))
    return UserError.exit_code if failed else 0


def _answer(word: str, *, path: str = "", good: Good | None = None, problems: Any = ()) -> dict[str, Any]:
    """What is known of a plan, for programs."""
    cells, kernels = (good.cells, good.kernels) if good is not None else (0, 0)
    told = {"plan": word, "good": good is not None, "path": path, "cells": cells, "kernels": kernels}
    return {**told, "problems": list(problems)}


def _problems(error: UserError) -> list[dict[str, Any]]:
    """What is wrong, each with its place; an error without one is of the file as a whole."""
    if isinstance(error, GrammarErrors):
        return [asdict(problem) for problem in error.errors]
    return [{"file": "", "line": 0, "column": 0, "path": "", "text": str(error)}]


def _good(path: Path, library: Library) -> Good:
    """What is known of a plan, from the cache if nothing changed since. Raises UserError with all that is wrong."""
    state = good_plans.seen(path, library)
    if (found := good_plans.known(state)) is not None:
        return found
    from kzram_ci.run.checks import checked_plan  # late: half of what a check costs is imports

    series = good_plans.known_series(state)
    plan = checked_plan(path, library, series=series)
    good = Good(cells=len(plan.cells), kernels=len({cell.kernel.name for cell in plan.cells}))
    if not any(cell.workload.own for cell in plan.cells):
        good_plans.keep(state, path, library, good, series)
    return good
