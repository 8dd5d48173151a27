"""The power goes at any moment of a run: what was not pushed to the disk is lost, and nothing else is.

bench/power.py does the same at as many moments as there is time for.
"""

import sys
from pathlib import Path

import pytest
from house import OOPS

from kzram_ci.base import cache, files

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "bench"))
import power
import power_loss
from killable import verdicts
from power import Lab
from power_loss import Recorder


@pytest.mark.timeout(600)
def test_no_verdict_is_wrong_and_nothing_finished_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POWER_SHARE", "0.15")
    lab: Lab = power.lab_of(tmp_path)
    lab.house.plan(bad=f"FAKE oops {OOPS}")
    lab.recorded("run", "whole.yaml")
    wanted, states = verdicts(lab.roots[0]), sorted(lab.record.iterdir())
    assert len(wanted) == 2
    assert len(states) > 10
    for way, place in (("lost", 0.4), ("zeros", 0.8)):
        state = states[int(len(states) * place)]
        assert lab.wrong_at(state, way, wanted) == [], f"{state.name}, {way}"


@pytest.mark.parametrize(
    ("way", "left"), [("lost", b"old"), ("gone", b"old"), ("half", b"old n"), ("zeros", b"old\0\0\0\0")]
)
def test_only_what_was_pushed_is_kept(way: str, left: bytes, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    (disk / "a").write_bytes(b"old")
    recorder = Recorder(tmp_path / "states", [disk], 1.0)
    with (disk / "a").open("ab") as out:
        out.write(b" new")
    (disk / "b").write_bytes(b"never")
    (tmp_path / "states").mkdir()
    recorder.moment()
    power_loss.put_back(tmp_path / "states" / "00001", way, [disk])
    assert (disk / "a").read_bytes() == left
    assert (disk / "b").exists() == (way != "gone")


def test_an_entry_of_the_cache_has_its_name_when_its_content_is_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    entry = tmp_path / "kernels" / "k"

    def pushed(what: str, path: Path) -> None:
        order.append(f"{what} {'there' if entry.exists() else 'not there'} {(path / 'a').exists()}")

    monkeypatch.setattr(cache, "settle", lambda path: pushed("content", path))
    monkeypatch.setattr(cache, "keep_names", lambda path: pushed("name", path / "k"))
    with cache.entry_in_progress(entry) as directory:
        (directory / "a").write_text("x")
    assert order == ["content not there True", "name there True"]


def test_pushing_a_directory_that_is_gone_is_an_error_of_the_disk(tmp_path: Path) -> None:
    files.settle(tmp_path)
    files.keep_names(tmp_path)
    with pytest.raises(OSError, match="No such file"):
        files.settle(tmp_path / "none")
