"""The tutorials as a reader does them: files as the page shows them, commands in their order."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import requires
from shown import ROOT

REPRODUCER = ROOT / "tests" / "real" / "reproducer"
PLAN = (ROOT / "docs" / "tutorial-plan.md").read_text()


def blocks(page: str, language: str) -> list[str]:
    """The blocks of a page in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)


def typed(page: str) -> list[str]:
    """What a reader types: the lines behind a prompt."""
    return [line[2:] for block in blocks(page, "console") for line in block.splitlines() if line.startswith("$ ")]


def write(place: Path) -> None:
    """What the reader of tutorial-plan.md has after its first two parts, and the plan of its fourth."""
    shutil.copy(REPRODUCER / "race.c", place)
    repro, evidence = blocks(PLAN, "yaml")
    (place / "repro.yaml").write_text(repro)
    (place / "evidence.yaml").write_text(evidence)
    script = place / "repro.sh"
    script.write_text(blocks(PLAN, "sh")[0])
    script.chmod(0o755)
    gcc = requires.tool("gcc")
    argv = (gcc, "-O2", "-static", "-pthread", "-o", "race", "race.c")
    subprocess.run(argv, cwd=place, check=True, timeout=60)
