"""What follows from a source's facts, for people and for programs. Pure."""

from __future__ import annotations

from typing import Any

from kzram_ci.kernel.mechanism import filesystem
from kzram_ci.kernel.mechanism.facts import Facts
from kzram_ci.kernel.mechanism.rules import amplifier, expected, meaning, openings
from kzram_ci.model import codec
from kzram_ci.model.kernel import KernelSpec

WORKLOADS = ("anonmutate", "directmutate", "pressure")


def as_json(spec: KernelSpec, facts: Facts) -> dict[str, Any]:
    """Facts, amplifier, expectations by workload; `skipped` holds the reason when the series have no meaning."""
    return {
        "kernel": spec.name,
        "source": spec.source.words(),
        "series": list(spec.series),
        "facts": {name: codec.to_json(fact) for name, fact in facts.items()},
        "amplifier": codec.to_json(amplifier(facts)),
        "expected": {name: codec.to_json(expected(facts, spec.series, name)) for name in WORKLOADS},
        "filesystem": codec.to_json(filesystem.answer(facts, spec.series)),
        "skipped": meaning(facts, spec.series),
    }


def as_lines(spec: KernelSpec, facts: Facts) -> list[str]:
    """A fact a line, then what follows."""
    lines = [f"{spec.name}: {spec.source.words()}; series {' '.join(spec.series) or 'none'}", ""]
    for fact in facts.values():
        shown = f"  {fact.line}" if fact.line else ""
        lines.append(f"{fact.name:<19} {fact.value or 'no':<16} {fact.where}{shown}")
        lines += [f"{'':<36} {fact.why}"] if fact.why else []
    tool = amplifier(facts)
    at_boot = f", booted with {tool.cmdline}" if tool.cmdline else ""
    lines += ["", f"amplifier: {tool.kind}{at_boot}: {tool.because}"]
    if reason := meaning(facts, spec.series):
        return [*lines, f"skipped: {reason}"]
    lines += [f"with {name}: {why}" for name, why in openings(facts, spec.series).items() if name in spec.series]
    for workload in WORKLOADS:
        want = expected(facts, spec.series, workload)
        bounds = [f"{name} >= {bound:,}" for name, bound in want.proof]
        bounds += [f"{name} <= {bound:,}" for name, bound in want.limits]
        shown = f" (to be seen by {', '.join(bounds)})" if bounds else ""
        lines.append(f"expected of {workload}: {want.outcome}: {want.because}{shown}")
    return lines + filesystem.as_lines(filesystem.answer(facts, spec.series))
