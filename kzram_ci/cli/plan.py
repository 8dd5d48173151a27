"""`kzram-ci plan`: the cells a plan would run, what is expected of each, and what it will cost."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from typing import Any

from kzram_ci.base.units import say_count, say_duration
from kzram_ci.base.values import dataclass
from kzram_ci.cli.kernel_option import ARCHS_HELP, KERNEL_HELP, PATCH_HELP, add_arch, patches_of
from kzram_ci.model import codec
from kzram_ci.model.cell import Plan
from kzram_ci.plan import cost
from kzram_ci.run.preview import preview
from kzram_ci.run.selection import Selection

EXAMPLE = """\
example: kzram-ci plan testplans/overrun.yaml
         kzram-ci plan overrun --kernel 'un*' --json
         kzram-ci plan overrun --kernel git:../linux@v6.13
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRequest:
    """A plan, and the part of it to show."""

    plan: str
    selection: Selection = Selection()
    as_json: bool = False


def add_parser(subparsers: Any) -> None:
    """Add the command to the parser."""
    parser = subparsers.add_parser(
        "plan",
        help="show the cells a plan would run, and what each costs",
        description="Show the cells a plan would run, what is expected of each, and what builds and boots will cost.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("plan", metavar="PLAN", help="file, or name of a plan that ships")
    parser.add_argument("--kernel", action="append", default=[], metavar="GLOB|SOURCE", help=KERNEL_HELP)
    parser.add_argument("--test", action="append", default=[], metavar="GLOB", help="only these tests")
    parser.add_argument("--cell", action="append", default=[], metavar="ID", help="only these cells")
    parser.add_argument("--patch", action="append", default=[], metavar="[NAME=]FILE", help=PATCH_HELP)
    add_arch(parser, ARCHS_HELP, several=True)
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.set_defaults(func=main, only_looks=True)


def main(args: argparse.Namespace) -> int:
    """The command."""
    selection = Selection(
        kernels=tuple(args.kernel),
        tests=tuple(args.test),
        cells=tuple(args.cell),
        patches=patches_of(args.patch),
        archs=tuple(args.arch),
    )
    return show(PlanRequest(plan=args.plan, selection=selection, as_json=args.json))


def show(request: PlanRequest) -> int:
    """Print the plan. Raises UserError."""
    plan, builds = preview(request.plan, request.selection)
    if request.as_json:
        print(json.dumps(as_json(plan, builds), indent=2))
    else:
        print("\n".join(as_lines(plan, builds)))
    return 0


def as_json(plan: Plan, builds: Sequence[cost.BuildCost]) -> dict[str, Any]:
    """The plan for programs: cells as the model has them, with their limit in seconds, and the builds."""
    cells = [{**codec.to_json(cell), "at_most_seconds": cost.cell_seconds(cell)} for cell in plan.cells]
    for cell in cells:
        del cell["cases"]  # one of them is what the cell is
    return {
        "name": plan.name,
        "description": plan.description,
        "path": plan.path,
        "cells": cells,
        "kernels": [codec.to_json(build) for build in builds],
    }


def as_lines(plan: Plan, builds: Sequence[cost.BuildCost]) -> list[str]:
    """The plan for people."""
    rows = [
        (
            f"{cell.id}{' *' if cell.control else ''}",
            cost.expect_words(cell),
            cost.stop_words(cell) + (f", {cell.repeats} times" if cell.repeats > 1 else ""),
        )
        for cell in plan.cells
    ]
    lines = [f"{plan.name}: {plan.description}" if plan.description else plan.name, ""]
    lines += _table(("cell (* control)", "expected", "ends at"), rows)
    lines += [""]
    lines += _table(("kernel", "key", "build"), [(b.kernel, b.key[:16] or "unknown", _state(b)) for b in builds])
    boots = sum(cost.cell_seconds(cell) for cell in plan.cells)
    making = sum(build.seconds for build in builds)
    count = len([cell for cell in plan.cells if not cell.skip])
    lines += [
        "",
        f"{say_count(count, 'cell')}, at most {say_duration(boots)} one after another; builds {say_duration(making)}",
    ]
    return lines


def _state(build: cost.BuildCost) -> str:
    if build.cached:
        return "cached"
    return f"to build, about {say_duration(build.seconds)}" if build.seconds else "to fetch, nothing to build"


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in (head, *rows)
    ]
