"""`kzram-ci mechanism`: what a kernel's source says about the overrun, and what a test must expect of it."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING, Any

from kzram_ci.base.errors import UserError

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from kzram_ci.kernel.mechanism import Facts
    from kzram_ci.model.kernel import KernelSpec

EXAMPLE = """\
example:
  kzram-ci mechanism stock-6.1
  kzram-ci mechanism directory:../linux       # your own tree, dirty or not
  kzram-ci mechanism saved-clen-7.3 --json | jq .skipped
"""
WORKLOADS = ("anonmutate", "directmutate", "pressure")


def add_parser(subparsers: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe the command."""
    parser = subparsers.add_parser(
        "mechanism",
        help="what a kernel's source says about the overrun, and what to expect",
        description="Look into a kernel's source: is there a second compression, what guards against the overrun,\n"
        "which fault injection works. With file and line, and what a test must therefore expect.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("kernel", metavar="KERNEL", help="name of a kernel, or a source such as directory:PATH")
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.set_defaults(func=main)


def main(args: argparse.Namespace) -> int:
    """Print facts and what follows from them."""
    from functools import partial

    from kzram_ci.cli.progress import watch
    from kzram_ci.kernel.workshop import KernelContext, facts_for
    from kzram_ci.model.cell import Plan
    from kzram_ci.plan.kernels import load_kernel
    from kzram_ci.plan.library import find_kernel, known_kernels
    from kzram_ci.run.retarget import named

    load = partial(load_kernel, find_kernel=find_kernel, known_kernels=known_kernels())
    (spec,) = named(args.kernel, load, ())
    if spec.source.ready:
        raise UserError(f"{spec.source.words()} has no source to look into", hint="kzram-ci mechanism directory:PATH")
    with watch(Plan(name="mechanism", cells=()), sys.stderr) as listener:
        facts = facts_for(spec, KernelContext(listener=listener))
    if args.json:
        print(json.dumps(as_json(spec, facts), indent=2))
    else:
        print("\n".join(as_lines(spec, facts)))
    return 0


def as_json(spec: KernelSpec, facts: Facts) -> dict[str, Any]:
    """Facts, amplifier, expectations by workload; `skipped` holds the reason when the series have no meaning."""
    from kzram_ci.kernel import mechanism
    from kzram_ci.model import codec

    return {
        "kernel": spec.name,
        "source": spec.source.words(),
        "series": list(spec.series),
        "facts": {name: codec.to_json(fact) for name, fact in facts.items()},
        "amplifier": codec.to_json(mechanism.amplifier(facts)),
        "expected": {name: codec.to_json(mechanism.expected(facts, spec.series, name)) for name in WORKLOADS},
        "skipped": mechanism.meaning(facts, spec.series),
    }


def as_lines(spec: KernelSpec, facts: Facts) -> list[str]:
    """For people: a fact a line, then what follows."""
    from kzram_ci.kernel import mechanism

    lines = [f"{spec.name}: {spec.source.words()}; series {' '.join(spec.series) or 'none'}", ""]
    for fact in facts.values():
        shown = f"  {fact.line}" if fact.line else ""
        lines.append(f"{fact.name:<19} {fact.value or 'no':<16} {fact.where}{shown}")
        lines += [f"{'':<36} {fact.why}"] if fact.why else []
    tool = mechanism.amplifier(facts)
    at_boot = f", booted with {tool.cmdline}" if tool.cmdline else ""
    lines += ["", f"amplifier: {tool.kind}{at_boot}: {tool.because}"]
    if reason := mechanism.meaning(facts, spec.series):
        return [*lines, f"skipped: {reason}"]
    for workload in WORKLOADS:
        want = mechanism.expected(facts, spec.series, workload)
        lines.append(f"expected of {workload}: {want.outcome}: {want.because}")
    return lines
