"""Real trials on 6.12 without stable pages: the remedies fix it, and what only looks like one does not.

Kernels are found by key, so a second run of this test only boots.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import requires

from kzram_ci.base import budget, git
from kzram_ci.base.cache import cache_root
from kzram_ci.base.clock import Deadline
from kzram_ci.cli.main import main

pytestmark = [pytest.mark.real, pytest.mark.timeout(3600)]
WHO = {"NAME": "T", "EMAIL": "t@example.org", "DATE": "2026-11-28T12:00:00Z"}
ROOT = Path(__file__).resolve().parents[2]
SWAP, DIRECT = "anonmutate-window", "directmutate-failslab"


def shipped(series: str) -> str:
    """The patch of a variant, which is a mail as git writes it."""
    (patch,) = (ROOT / "kernels/patches" / series / "6.12").glob("*.patch")
    return str(patch)


def made(series: str) -> str:
    return str(ROOT / "tests/real/series" / f"{series}.mbox")


def trial(
    series: str, runs: Path, capsys: pytest.CaptureFixture[str], *options: str
) -> tuple[int, dict[str, Any], dict[str, str]]:
    """The exit code, the answer, and the answer of each test."""
    code = main(("try", series, "--base", "unstable", "--runs", str(runs), "--json", *options))
    out, err = capsys.readouterr()
    assert out, err
    data: dict[str, Any] = json.loads(out)
    return code, data, {test["test"]: test["answer"] for test in data["tests"]}


@pytest.mark.parametrize("series", ["saved-clen", "emergency-class", "saved-clen-emergency"])
def test_each_remedy_in_zram_is_a_fix(series: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, data, tests = trial(shipped(series), tmp_path, capsys, "--test", SWAP, "--test", DIRECT, "--test", "pressure")
    assert code == 0, data["why"]
    assert tests == {SWAP: "fixed", DIRECT: "fixed", "pressure": "nothing new"}
    # races or boots: a boot of before may crash before its races are sampled, and then boots are the unit
    for test in data["tests"][:2]:
        assert test["chance"] <= 0.01
        assert test["before"]["crashed"] >= 4 and test["after"]["crashed"] == 0
    assert not data["new"]


def repository(grown: ModuleType, where: Path) -> Path:
    """A repository of 6.12 with two commits more: `bug` drops stable pages, `fix` is saved-clen on top of that."""
    path, index = where / "linux.git", where / "index"
    who = {f"GIT_{role}_{key}": text for role in ("AUTHOR", "COMMITTER") for key, text in WHO.items()}

    def ask(*words: str, at: Path = path) -> str:
        return git.run(*words, cwd=at, index=index, env=who, deadline=Deadline.after(120)).text().strip()

    ask("clone", "--quiet", "--shared", "--bare", str(grown.grow(cache_root())), str(path), at=where)
    ask("read-tree", "base")
    parent = "base"
    for name, series in (("bug", "unstable"), ("fix", "saved-clen")):
        ask("apply", "--cached", shipped(series))
        parent = ask("commit-tree", "-p", parent, "-m", f"zram: {series}", ask("write-tree"))
        ask("branch", name, parent)
    (where / "fix.mbox").write_text(ask("format-patch", "--stdout", "--thread", "--base=bug", "bug..fix") + "\n")
    return path


def test_a_commit_that_was_exported_as_mail_fixes_the_tree_that_it_names(
    grown: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A plain git tree that carries the bug, the fix exported on top of it: the mail's base-commit finds the tree."""
    path = repository(grown, tmp_path)
    words = ("try", str(tmp_path / "fix.mbox"), "--repo", str(path), "--test", SWAP, "--runs", str(tmp_path), "--json")
    code = main(words)
    out, err = capsys.readouterr()
    assert code == 0, out + err
    data = json.loads(out)
    assert data["answer"] == "fixed" and data["tests"][0]["chance"] <= 0.01
    assert any(note.startswith("base: base-commit ") for note in data["notes"])
    assert data["kernels"][0]["source"].startswith(f"git:{path}@")


def test_stable_pages_fix_swap_and_leave_direct_writes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, tests = trial(shipped("stable-page-v3"), tmp_path, capsys, "--test", SWAP, "--test", DIRECT)
    assert (code, tests) == (1, {SWAP: "fixed", DIRECT: "not fixed"})


def test_the_series_of_2016_on_the_kernel_it_was_sent_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """docs/try.md tells it: swap is fixed, by the last of the three patches, and O_DIRECT is not."""
    if not (tree := os.environ.get("KZRAM_LINE_4_9")):
        requires.lacking("lines", "no tree of 4.9; KZRAM_LINE_4_9=git:DIR@REF gives one")
    words = ("--base", tree, "--each", "--test", SWAP, "--test", DIRECT, "--runs", str(tmp_path), "--json")
    code = main(("try", made("v3-2016"), *words))
    out, err = capsys.readouterr()
    assert code == 1, out + err
    data = json.loads(out)
    assert {test["test"]: test["answer"] for test in data["tests"]} == {SWAP: "fixed", DIRECT: "not fixed"}
    assert {test["test"]: test["fixed_by_patch"] for test in data["tests"]} == {SWAP: 3, DIRECT: None}
    assert {step["what"] for step in data["prefixes"]} == {"crash"}  # one and two patches, in both tests
    assert data["tested_by"] == "" and data["series"]["link"] == ""


def test_a_developers_own_reproducer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A script that sets zram and failslab up itself and starts a compiled program; nothing in it knows kzram-ci."""
    for name in ("repro.sh", "race.c"):
        shutil.copy(ROOT / "tests/real/reproducer" / name, tmp_path)
    gcc = requires.tool("gcc")
    argv = (gcc, "-O2", "-static", "-pthread", "-o", str(tmp_path / "race"), str(tmp_path / "race.c"))
    subprocess.run(argv, check=True, timeout=60)
    words = ("--test", str(tmp_path / "repro.sh"), "--files", str(tmp_path / "race"))
    code, data, tests = trial(shipped("saved-clen"), tmp_path, capsys, *words)
    assert (code, tests) == (0, {"repro": "fixed"})
    assert "null_deref:obj_malloc" in data["tests"][0]["before"]["signatures"]
    assert not data["new"] and not data["not_counted"]


def test_a_patch_that_only_prints_is_no_fix(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, tests = trial(made("print-only"), tmp_path, capsys, "--test", SWAP)
    assert (code, tests) == (1, {SWAP: "not fixed"})


def test_a_patch_that_writes_nothing_proves_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two boots show it, long before their five minutes are over; those that run beside them are let to end."""
    code, data, tests = trial(made("hides"), tmp_path, capsys, "--test", SWAP)
    assert (code, tests) == (3, {SWAP: "cannot say"})
    assert "with the series: nothing was at stake: recompressions stayed at 0 (2 boots in a row)" in data["why"]
    assert data["tested_by"] == ""
    state = json.loads((Path(data["directory"]) / "state.json").read_text())
    after = [boot for boot in state["boots"] if boot["side"] == "after"]
    assert 2 <= len(after) <= 2 + budget.cpus() and all(boot["worked"] < 120 for boot in after)


def test_a_crash_elsewhere_is_a_finding_with_both_signatures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, data, _ = trial(made("elsewhere"), tmp_path, capsys, "--test", SWAP)
    assert code == 1
    assert any("madvise" in new["signature"] for new in data["new"]), data
    assert any("obj_malloc" in name or "zs_" in name for name in data["tests"][0]["before"]["signatures"])


def test_a_second_patch_that_does_not_build_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(("try", made("second-breaks"), "--base", "unstable", "--runs", str(tmp_path))) == 4
    assert "patch 2/2 (0002-zram-rename.patch)" in capsys.readouterr().err
