"""The tutorials, typed as they stand there, on real kernels."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import tutorial

pytestmark = [pytest.mark.real, pytest.mark.timeout(900)]


def type_in(place: Path, lines: list[str]) -> str:
    """The lines in a shell that stops at the first one that fails."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    env = os.environ | {"PATH": path, "KZRAM_CACHE": os.environ.get("KZRAM_CACHE", "")}
    env = {name: value for name, value in env.items() if value}
    done = subprocess.run(
        ("bash", "-ec", "\n".join(lines)), cwd=place, env=env, capture_output=True, text=True, timeout=800, check=False
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def test_my_reproducer_as_a_plan(tmp_path: Path) -> None:
    tutorial.write(tmp_path)
    (tmp_path / "race").unlink()
    lines = tutorial.typed(tutorial.PLAN)
    upto = lines.index("kzram-ci run evidence.yaml")
    assert lines[upto - 1] == "kzram-ci run repro.yaml"
    out = type_in(tmp_path, lines[:upto])
    assert "2 cells: 2 ok" in out
    [run] = (tmp_path / "runs").iterdir()
    results = [json.loads(line) for line in (run / "results.jsonl").read_text().splitlines()]
    assert {one["id"]: one["judgement"]["outcome"] for one in results} == {
        "stock/race": "oops",
        "saved-clen/race": "pass",
    }
    shutil.rmtree(run)
