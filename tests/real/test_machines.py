"""Real guests on workers in processes of their own."""

import json
from pathlib import Path

import pytest
import requires

from kzram_ci.cli.main import main
from kzram_ci.model.layout import CellFile

pytestmark = [pytest.mark.real, pytest.mark.timeout(1800)]


def test_the_smallest_plan_passes_on_two_workers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("distributed", "cryptography"):
        try:
            __import__(name)
        except ImportError:
            requires.lacking("cluster", f"no {name}")
    code = main(["run", "smoke", "--scheduler", "local:2", "--jobs", "2", "--runs", str(tmp_path), "--no-history"])
    assert code == 0, capsys.readouterr()
    (run,) = (path for path in tmp_path.iterdir() if path.is_dir())
    (row,) = map(json.loads, (run / "results.jsonl").read_text().splitlines())
    assert row["judgement"]["verdict"] == "ok"
    assert row["evidence"]["counters"]["recompressions"] >= 1000
    assert (run / row["directory"] / CellFile.CONSOLE).stat().st_size > 1000
