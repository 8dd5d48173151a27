"""`kzram-ci plan`: the cells a plan would run, what is expected of each, and what it will cost."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from kzram_ci.base.errors import KzramError
from kzram_ci.base.units import say_duration
from kzram_ci.cli.kernel_option import KERNEL_HELP, Selection, chosen
from kzram_ci.kernel.mechanism import Facts
from kzram_ci.model import codec
from kzram_ci.model.cell import Plan
from kzram_ci.model.kernel import KernelSpec
from kzram_ci.plan import cost
from kzram_ci.plan.library import find_kernel, find_plan, known_kernels
from kzram_ci.plan.load import load_plan

EXAMPLE = """\
example: kzram-ci plan testplans/overrun.yaml
         kzram-ci plan overrun --kernel 'un*' --json
         kzram-ci plan overrun --kernel git:../linux@v6.13
"""


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
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.set_defaults(func=main)


def _plan_build() -> cost.PlanBuild:
    """The build cache's answer. What it cannot tell (a source that was never fetched) counts as not built."""
    from kzram_ci.kernel.workshop import KernelContext, plan_build

    context = KernelContext()

    def ask(spec: Any) -> tuple[str, bool]:
        try:
            return plan_build(spec, context)
        except KzramError:
            return cost.unknown(spec)

    return ask


def _suited(plan: Plan) -> Plan:
    """The plan as a run will find it: what a source leaves no meaning is skipped, what it needs to boot is there."""
    from kzram_ci.kernel import mechanism
    from kzram_ci.kernel.workshop import KernelContext, facts_at_hand

    context = KernelContext()

    def ask(spec: KernelSpec) -> Facts | None:
        try:
            return facts_at_hand(spec, context)
        except KzramError:
            return None

    told = {spec.name: ask(spec) for spec in plan.kernels()}
    known = {name: facts for name, facts in told.items() if facts is not None}
    cells = (
        mechanism.suited(cell, known[cell.kernel.name]) if cell.kernel.name in known else cell for cell in plan.cells
    )
    return replace(plan, cells=tuple(cells))


def main(args: argparse.Namespace, plan_build: cost.PlanBuild | None = None) -> int:
    """Print the plan; `plan_build` tells whether a kernel is cached."""
    plan = load_plan(find_plan(args.plan), find_kernel=find_kernel, known_kernels=known_kernels())
    plan = _suited(chosen(plan, Selection(kernels=tuple(args.kernel), tests=tuple(args.test), cells=tuple(args.cell))))
    builds = cost.build_costs(plan, plan_build or _plan_build())
    if args.json:
        print(json.dumps(as_json(plan, builds), indent=2))
    else:
        print("\n".join(as_lines(plan, builds)))
    return 0


def as_json(plan: Plan, builds: Sequence[cost.BuildCost]) -> dict[str, Any]:
    """The plan for programs: cells as the model has them, with their limit in seconds, and the builds."""
    cells = [{**codec.to_json(cell), "at_most_seconds": cost.cell_seconds(cell)} for cell in plan.cells]
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
    state = {True: "cached", False: "to build, about "}
    lines += _table(
        ("kernel", "key", "build"),
        [
            (b.kernel, b.key[:16] or "unknown", state[b.cached] + ("" if b.cached else say_duration(b.seconds)))
            for b in builds
        ],
    )
    boots = sum(cost.cell_seconds(cell) for cell in plan.cells)
    making = sum(build.seconds for build in builds)
    count = len([cell for cell in plan.cells if not cell.skip])
    lines += ["", f"{count} cells, at most {say_duration(boots)} one after another; builds {say_duration(making)}"]
    return lines


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in (head, *rows)
    ]
