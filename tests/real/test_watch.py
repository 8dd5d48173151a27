"""A real watch: a branch that was good moves on to a commit that crashes; one report names the culprit, and only one.

Kernels are found by key, as those of the bisection's test: a second run of this test only boots.
"""

from __future__ import annotations

import json
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from types import ModuleType

import pytest

from kzram_ci.base import git
from kzram_ci.base.cache import cache_root
from kzram_ci.base.clock import Deadline
from kzram_ci.cli.main import main

pytestmark = [pytest.mark.real, pytest.mark.timeout(3600)]
PLAN = """\
name: watched
kernels:
  - {name: plain, base: stock, series: []}
machine: {memory: 512M, cpus: 2, boot-timeout: 120s}
tests:
  race:
    workload: anonmutate
    zram: {size: 256M, algorithm: lzo-rle}
    args: {pages: 4096, mutators: 2, keep-going: true}
    fault: {kind: failslab, probability: 50}
    stop: {zram.writestall: 20000}      # long enough for a bad kernel to crash in nearly every boot
    sample: 50ms
    duration: 90s
    expect: {floors: {zram.writestall: 1000}}
"""


def ask(repository: Path, *words: str) -> str:
    return git.run(*words, directory=repository, deadline=Deadline.after(120)).text()


def test_what_is_new_is_run_and_a_finding_is_bisected_and_told_once(
    grown: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "watched.yaml").write_text(PLAN)
    source: Path = grown.grow(cache_root())
    repository = tmp_path / "linux.git"
    git.run(
        "clone", "--quiet", "--shared", "--bare", str(source), str(repository), cwd=tmp_path,
        deadline=Deadline.after(120),
    )  # fmt: skip
    log = ask(repository, "log", "--format=%H %s", "short").splitlines()
    at = next(number for number, line in enumerate(log) if line.endswith(grown.CULPRIT))
    bad, good = (log[number].split()[0] for number in (at - 1, at + 4))  # a short search; two do not build
    ask(repository, "branch", "--force", "work", good)
    # without a sandbox: its kernels have a slot of their own, which would be one more clean build
    how = ("--once", "--no-history", "--budget", "20m", "--quiet", "--no-sandbox")
    words = ("watch", str(repository), "work", "watched.yaml", *how)
    assert main(words) == 0, capsys.readouterr().err
    outbox = next(tmp_path.glob("runs/watch-work-*")) / "outbox"
    assert not outbox.exists()

    ask(repository, "branch", "--force", "work", bad)
    assert main(words) == 1, capsys.readouterr().err
    (file,) = outbox.glob("*.json")
    report = json.loads(file.read_text())
    assert (report["last_good"], report["commit"]) == (good, bad)
    assert report["bisected"]["subject"] == grown.CULPRIT
    mail = message_from_bytes(file.with_suffix(".eml").read_bytes(), policy=default)
    assert report["bisected"]["commit"] in mail.get_content()
    assert (Path(report["run"]) / report["found"][0]["file"]).is_file()

    assert main(words) == 0, capsys.readouterr().err
    assert list(outbox.glob("*.json")) == [file]
