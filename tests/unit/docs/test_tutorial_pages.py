"""The tutorials: what they show is what lies in the repository, and both of a page's plans are good."""

from pathlib import Path

import pytest
import tutorial

from kzram_ci.cli import main


def test_the_script_is_the_one_that_is_linked() -> None:
    assert tutorial.blocks(tutorial.PLAN, "sh")[0] == (tutorial.REPRODUCER / "repro.sh").read_text()


def test_the_compiler_is_called_as_the_page_says() -> None:
    assert tutorial.typed(tutorial.PLAN)[0] == "gcc -O2 -static -pthread -o race race.c"


def test_the_plan_with_evidence_differs_as_it_says(tmp_path: Path) -> None:
    tutorial.write(tmp_path)
    before, after = ((tmp_path / name).read_text().splitlines() for name in ("repro.yaml", "evidence.yaml"))
    assert len(set(before) - set(after)) == 2  # the duration, and the control
    assert len(set(after) - set(before)) == 3  # and the stop


@pytest.mark.parametrize("name", ["repro.yaml", "evidence.yaml"])
def test_the_plans_are_good(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tutorial.write(tmp_path)
    assert main.main(["validate", str(tmp_path / name)]) == 0
    assert capsys.readouterr().out.endswith("good, 2 cells on 2 kernels\n")
