"""Kernels for architectures that are not the host's: whether they may be built, and runs of them."""

import json
import sys
from pathlib import Path
from typing import Any

import requires

from kzram_ci.base import proc
from kzram_ci.base.clock import Deadline
from kzram_ci.kernel.workshop import KernelContext, plan_build
from kzram_ci.model.arch import arch_of, needs_of
from kzram_ci.model.kernel import KernelSpec


def needs_tools(arch: str) -> None:
    """End this test where the architecture's QEMU or cross tools are missing."""
    for need in needs_of(arch_of(arch)):
        requires.tool(need.what, arch)


def at_hand(*kernels: KernelSpec) -> None:
    """These are built, or may be: a first build takes longer than all other tests of this kind."""
    for spec in kernels:
        if spec.arch not in requires.required() and not plan_build(spec, KernelContext())[1]:
            requires.lacking(spec.arch, f"{spec.name} is not built")


def run(runs: Path, *words: str) -> dict[str, dict[str, Any]]:
    """The results of a run that does what its plan expects, by cell."""
    argv = (sys.executable, "-m", "kzram_ci", "run", *words, "--runs", str(runs), "--no-history")
    done = proc.run(argv, deadline=Deadline.after(3000), check=False)
    assert done.code == 0, done.text() + done.stderr.decode()
    lines = (next(runs.iterdir()) / "results.jsonl").read_text().splitlines()
    return {result["id"]: result for result in map(json.loads, lines)}
