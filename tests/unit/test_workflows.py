"""The workflows are data that only a server runs: what they name must at least be there."""

import os
import re
import subprocess
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
    assert {path.name for path in WORKFLOWS} == {"check.yml", "container.yml", "nightly.yml", "release.yml"}


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_what_a_workflow_runs_exists(path: Path) -> None:
    said = "\n".join(steps(path))
    named = set(re.findall(r"(?m)^make ([a-z]+)", said))
    assert named or "podman build" in said
    assert named <= TARGETS
    assert all((ROOT / name).exists() for name in re.findall(r"(?:tests|\.ci|bench|scripts)/[\w./]+", said))


def test_who_may_write_runs_nothing_of_the_repository() -> None:
    jobs = {
        (path.stem, name): job for path in WORKFLOWS for name, job in yaml.safe_load(path.read_text())["jobs"].items()
    }
    may = {name: job["permissions"] for name, job in jobs.items() if "permissions" in job}
    assert may == {
        ("nightly", "issues"): {"contents": "read", "issues": "write"},
        ("release", "forge"): {"contents": "write"},
        ("release", "pypi"): {"id-token": "write"},
    }
    for name in ("forge", "pypi"):
        job = jobs["release", name]
        assert job["needs"] == "build"
        assert not [step for step in job["steps"] if "checkout" in step.get("uses", "")]
        assert not re.search(r"make |pip |python|\$\{\{", "\n".join(step.get("run", "") for step in job["steps"]))


def test_what_a_ci_requires_are_kinds_of_things() -> None:
    texts = [path.read_text() for path in (*WORKFLOWS, ROOT / ".ci" / "run")]
    values = [value for text in texts for value in re.findall(r"KZRAM_REQUIRE(?:: |:-)([\w,]+)", text)]
    assert len(values) == 3
    assert all(requires.required(value) for value in values)


def test_the_action_names_what_is_there_and_uses_what_it_takes() -> None:
    action = yaml.safe_load((ROOT / "action.yml").read_text())
    text = (ROOT / "action.yml").read_text()
    assert set(re.findall(r"inputs\.(\w+)", text)) == set(action["inputs"])
    assert set(re.findall(r"steps\.(\w+)\.", text)) <= {step.get("id") for step in action["runs"]["steps"]}
    assert set(re.findall(r"make .* ([a-z]+)$", text, re.MULTILINE)) <= TARGETS
    assert all((ROOT / name).is_file() for name in re.findall(r"\$GITHUB_ACTION_PATH/(\.ci/[\w-]+)", text))
    # words of a caller reach the shell by the environment only: as text of a script they would be run
    assert not [step for step in action["runs"]["steps"] if "inputs." in step.get("run", "")]


@pytest.mark.parametrize(
    ("chromium", "apt_get", "browser"),
    [
        ("echo '<p>up</p>'", "exit 100", True),
        ("", "exit 100", False),
        (
            "",
            '[ $1 = update ] || { printf "#!/bin/sh\\necho \\"<p>up\\"\\n" >$BIN/chromium; chmod +x $BIN/chromium; }',
            True,
        ),
        ("", "exit 0", False),
        ("echo 'No usable sandbox!' >&2; exit 1", "exit 100", False),
    ],
    ids=("there", "source-does-not-answer", "installed", "has-none", "does-not-start"),
)
def test_a_browser_is_required_of_a_ci_that_has_one(tmp_path: Path, chromium: str, apt_get: str, browser: bool) -> None:
    """And one that has none goes on without: a package source must not decide over a change."""
    stand_ins = {"make": 'echo "$* with $KZRAM_REQUIRE"', "apt-get": apt_get, "chromium": chromium}
    for name, body in stand_ins.items():
        if body:
            (tmp_path / name).write_text(f"#!/bin/sh\n{body}\n")
            (tmp_path / name).chmod(0o755)
    for name in ("bash", "sh", "dirname", "env", "timeout", "tail", "chmod"):
        (tmp_path / name).symlink_to(requires.tool(name))
    done = subprocess.run(
        ("bash", ROOT / ".ci" / "run"), env={"PATH": str(tmp_path), "BIN": str(tmp_path)}, capture_output=True,
        text=True, check=True, timeout=120,
    )  # fmt: skip
    *before, last = done.stdout.splitlines()
    assert last.startswith("test with tools,")
    assert last.endswith(",browser") is browser
    assert ("kzram-ci: there is no chromium here that starts: tests in a browser are skipped" in before) is not browser


STAND_IN = """#!/bin/sh
echo "$@" >> calls
case $1 in
run)
    mkdir -p runs/1-a runs/2-b
    touch runs/1-a/plan.json runs/2-b/plan.json
    echo summary > runs/2-b/summary.md
    exit 1 ;;
compare) echo "regressed x"; exit 1 ;;
esac
"""


def test_a_ci_s_run_reports_the_newest_run_and_ends_as_it_did(tmp_path: Path) -> None:
    program, summary, output = tmp_path / "kzram-ci", tmp_path / "summary", tmp_path / "output"
    program.write_text(STAND_IN)
    program.chmod(0o755)
    given = {"KZRAM_CI": str(program), "PLAN": "overrun", "ARGUMENTS": "--kernel a*  --jobs 1"}
    places = {"GITHUB_STEP_SUMMARY": str(summary), "GITHUB_OUTPUT": str(output), "PATH": os.environ["PATH"]}
    done = subprocess.run(
        (ROOT / ".ci" / "plan",), cwd=tmp_path, env=given | places, check=False, timeout=60, stdout=subprocess.PIPE
    )
    assert done.returncode == 1
    assert (tmp_path / "calls").read_text().splitlines() == [
        "run overrun --runs runs --kernel a* --jobs 1",
        "report runs/2-b --annotations",
        "compare last-good runs/2-b",
    ]
    assert summary.read_text() == "summary\n"
    assert b"regressed x" in done.stdout
    assert output.read_text() == "report=runs/2-b/report.html\n"


def test_the_nights_plans_ship() -> None:
    text = (ROOT / ".github" / "workflows" / "nightly.yml").read_text()
    (plans,) = re.findall(r"'\[(.*?)\]'\) \}\}", text)
    names = re.findall(r'"(\w+)"', plans)
    assert len(names) >= 2
    assert all((ROOT / "testplans" / f"{name}.yaml").is_file() for name in names)
