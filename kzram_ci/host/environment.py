"""What `environment.json` holds about the host: enough to know, a year later, what a result came from."""

from __future__ import annotations

import os
import platform
import shutil
from typing import Any

import kzram_ci
from kzram_ci.base import budget, proc
from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import KzramError
from kzram_ci.model.arch import ARCHS
from kzram_ci.vm import binary

TOOLS = ("gcc", "ld", "make", "git")


def describe() -> dict[str, Any]:
    """Host, kernel, CPUs, memory in MiB: what can be had without starting a program. Never fails."""
    return {
        "kzram_ci": kzram_ci.__version__,
        "python": platform.python_version(),
        "host": {
            "system": " ".join(platform.uname()[i] for i in (0, 2, 4)),
            "cpus": budget.cpus(),
            "memory_mib": budget.memory().total,
            "load": round(os.getloadavg()[0], 2),
        },
    }


def tools() -> dict[str, Any]:
    """Versions of the programs a result depends on, "" where missing. Starts each of them. Never fails."""
    qemu = {row.qemu: found for row in ARCHS if (found := binary.look_for(row))}
    programs = qemu | {tool: shutil.which(tool) or "" for tool in TOOLS}
    return {"tools": {name: _version(path) for name, path in programs.items()}}


def _version(path: str) -> str:
    if not path:
        return ""
    try:
        return proc.run((path, "--version"), deadline=Deadline.after(10)).text().splitlines()[0]
    except (KzramError, IndexError):
        return ""
