"""Real trials on 6.12 without stable pages: the remedies fix it, and what only looks like one does not.

Kernels are found by key, so a second run of this test only boots.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kzram_ci.base import budget
from kzram_ci.cli.main import main

pytestmark = [pytest.mark.real, pytest.mark.timeout(3600)]
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


def test_stable_pages_fix_swap_and_leave_direct_writes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, tests = trial(shipped("stable-page-v3"), tmp_path, capsys, "--test", SWAP, "--test", DIRECT)
    assert (code, tests) == (1, {SWAP: "fixed", DIRECT: "not fixed"})


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
