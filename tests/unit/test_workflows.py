"""The workflows are data that only a server runs: what they name must at least be there."""

import re
from pathlib import Path

import pytest
import requires
import yaml

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
TARGETS = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def steps(path: Path) -> list[str]:
    jobs = yaml.safe_load(path.read_text())["jobs"].values()
    return [step["run"] for job in jobs for step in job["steps"] if "run" in step]


def test_there_are_workflows() -> None:
    assert {path.name for path in WORKFLOWS} == {"check.yml", "nightly.yml"}


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_what_a_workflow_runs_exists(path: Path) -> None:
    said = "\n".join(steps(path))
    named = set(re.findall(r"(?m)^make ([a-z]+)", said))
    assert named
    assert named <= TARGETS
    assert all((ROOT / name).exists() for name in re.findall(r"(?:tests|\.ci|bench)/[\w./]+", said))


def test_what_a_ci_requires_are_kinds_of_things() -> None:
    texts = [path.read_text() for path in (*WORKFLOWS, ROOT / ".ci" / "run")]
    values = [value for text in texts for value in re.findall(r"KZRAM_REQUIRE(?:: |:-)([\w,]+)", text)]
    assert len(values) == 3
    assert all(requires.required(value) for value in values)


def test_the_nights_plans_ship() -> None:
    text = (ROOT / ".github" / "workflows" / "nightly.yml").read_text()
    (plans,) = re.findall(r"'\[(.*?)\]'\) \}\}", text)
    names = re.findall(r'"(\w+)"', plans)
    assert len(names) >= 2
    assert all((ROOT / "testplans" / f"{name}.yaml").is_file() for name in names)
