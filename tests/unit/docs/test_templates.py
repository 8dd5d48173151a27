"""What other CI systems and a container are given: it parses, names what is there, and has what a host needs."""

import re
from pathlib import Path
from typing import Any

import pytest
import shown
import yaml
from shown import ROOT

from kzram_ci.base.needs import NEEDS, Task

CONTAINERFILE = (ROOT / "Containerfile").read_text()
TEMPLATES = {path.name: path for path in (ROOT / "ci").iterdir()}


def test_each_is_named_on_the_page() -> None:
    page = (ROOT / "docs" / "ci.md").read_text()
    assert set(TEMPLATES) == {"gitlab-ci.yml", "Jenkinsfile", "buildkite.yml"}
    assert all(f"(../ci/{name})" in page for name in TEMPLATES)


@pytest.mark.parametrize("name", sorted(TEMPLATES))
def test_it_looks_at_the_host_first_and_keeps_what_came(name: str) -> None:
    text = TEMPLATES[name].read_text()
    called = [one.command for one in shown.shown() if one.where.startswith(f"ci/{name}:")]
    assert called[:2] == ["doctor", "run"]
    assert "runs/" in text
    if name.endswith(".yml"):
        assert isinstance(yaml.safe_load(text), dict)


def test_gitlab_reads_junit_and_tells_inconclusive_apart() -> None:
    job: dict[str, Any] = yaml.safe_load(TEMPLATES["gitlab-ci.yml"].read_text())["kzram-ci"]
    assert job["artifacts"]["reports"]["junit"] == "runs/*/junit.xml"
    assert job["artifacts"]["when"] == "always"
    assert job["allow_failure"] == {"exit_codes": 3}


def test_the_braces_of_the_pipeline_are_closed() -> None:
    text = re.sub(r"//.*|'[^']*'", "", TEMPLATES["Jenkinsfile"].read_text())
    depth = 0
    for sign in text:
        depth += (sign == "{") - (sign == "}")
        assert depth >= 0
    assert depth == 0


def installed() -> set[str]:
    last = CONTAINERFILE.split("FROM ")[-1].replace("\\\n", " ")
    return set(re.findall(r"--no-install-recommends ([^&]*)", last)[0].split())


def test_the_image_has_all_that_a_run_requires() -> None:
    tasks = (Task.FETCH, Task.BUILD, Task.BOOT)
    wanted = [need for need in NEEDS if need.task in tasks and need.required and need.arch in ("", "x86_64")]
    assert len(wanted) > 8
    missing = [need.what for need in wanted if not set(need.packages.apt.split()) <= installed() | {"apt", "dpkg"}]
    assert not missing


def test_the_image_s_user_is_not_root_and_what_is_copied_is_there() -> None:
    last = CONTAINERFILE.split("FROM ")[-1]
    assert re.findall(r"^USER (\S+)$", last, re.MULTILINE) == ["kzram"]
    ignore = (ROOT / ".containerignore").read_text().split()
    for words in re.findall(r"^COPY (?!--from)(.*)$", CONTAINERFILE, re.MULTILINE):
        for name in words.split()[:-1]:
            assert Path(ROOT, name).exists()
            assert f"!{name}" in ignore
