import argparse
import os
from pathlib import Path

import pytest

from kzram_ci.base import clock, files
from kzram_ci.base.cache import MANIFEST, mark_used
from kzram_ci.base.clock import Deadline
from kzram_ci.cli import cache
from kzram_ci.host.cache_gc import Entry, entries, remove, select

DAY = 86_400.0


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KZRAM_CACHE", str(tmp_path))
    return tmp_path


def put(root: Path, name: str, *, days: float, size: int = 100_000) -> Path:
    path = root / name
    path.mkdir(parents=True)
    (path / "bzImage").write_bytes(os.urandom(size))
    (path / MANIFEST).write_text("{}")
    stamp = clock.now_utc().timestamp() - days * DAY
    for item in (path / "bzImage", path / MANIFEST, path):
        os.utime(item, (stamp, stamp))
    return path


def run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    cache.add_parser(parser.add_subparsers())
    args = parser.parse_args(("cache", *words))
    code: int = args.func(args)
    return code


def test_entries_are_listed_least_recently_used_first(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(root, "kernels/aaaa", days=3)
    put(root, "slots/bbbb", days=9)
    (root / "kernels" / "aaaa.lock").touch()
    found = entries(root)
    assert [entry.name for entry in found] == ["slots/bbbb", "kernels/aaaa"]
    assert 100_000 <= found[0].size < 150_000
    assert 8.9 < found[0].age() / DAY < 9.1
    assert run("ls") == 0
    assert "9.0 d  slots/bbbb" in capsys.readouterr().out


def test_hard_links_count_once(root: Path) -> None:
    one = put(root, "slots/one", days=1)
    (root / "slots" / "two").mkdir()
    os.link(one / "bzImage", root / "slots" / "two" / "bzImage")
    assert sum(entry.size for entry in entries(root)) < 150_000


def test_reading_the_manifest_is_use(root: Path) -> None:
    path = put(root, "kernels/aaaa", days=50)
    os.utime(path / MANIFEST)
    assert entries(root)[0].age() < DAY


def test_taking_the_lock_is_use(root: Path) -> None:
    put(root, "slots/aaaa", days=50)
    with files.lock(root / "slots" / "aaaa.lock", Deadline.after(5)):
        pass
    assert entries(root)[0].age() < DAY


def test_what_a_run_used_a_minute_ago_stays_whatever_its_age(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Under relatime the access time of a kernel that was read today is no news of it."""
    names = ("kernels/aaaa", "downloads/debian-x", "rootfs/bbbb", "sources/cccc")
    for name in names:
        put(root, name, days=50, size=2_000_000)
        mark_used(root / name)
    note = root / "accel" / "x86_64.json"
    files.write_json(note, {})
    (root / "ccache-bin").mkdir()
    (root / "ccache-bin" / "gcc").symlink_to("/usr/bin/ccache")
    put(root, "kernels/unused", days=50)
    assert run("gc", "--dry-run", "--max-size", "0") == 0
    told = capsys.readouterr().out
    assert "would remove kernels/unused" in told
    assert told.count("would remove") == 1
    assert {"accel/x86_64.json", "ccache-bin/gcc"} <= {entry.name for entry in entries(root)}


def test_compilers_that_were_not_called_for_long_go_as_links(root: Path) -> None:
    (root / "ccache-bin").mkdir()
    link = root / "ccache-bin" / "gcc"
    link.symlink_to(root / "compiler")
    (root / "compiler").touch()
    os.utime(link, (0, 0), follow_symlinks=False)
    assert run("gc", "--older-than", "10d") == 0
    assert not link.is_symlink()
    assert (root / "compiler").exists()
    mark_used(link)  # gone: no error


def test_gc_by_age_and_by_size(root: Path) -> None:
    for name, days in (("old", 40), ("middle", 20), ("young", 2)):
        put(root, f"kernels/{name}", days=days)
    found = entries(root)
    assert [e.path.name for e in select(found, older_than=30 * DAY, max_bytes=None)] == ["old"]
    assert [e.path.name for e in select(found, older_than=30 * DAY, max_bytes=150_000)] == ["old", "middle"]
    assert [e.path.name for e in select(found, older_than=30 * DAY, max_bytes=10**9)] == ["old"]


def test_what_was_used_just_now_stays_whatever_the_limits(root: Path) -> None:
    put(root, "kernels/fresh", days=0.01)
    assert select(entries(root), older_than=0, max_bytes=0) == ()


def test_what_a_killed_build_left_goes_after_a_day(root: Path) -> None:
    put(root, "kernels/.abcd.tmp", days=2)
    put(root, "kernels/whole", days=2)
    assert [e.path.name for e in select(entries(root), older_than=30 * DAY, max_bytes=None)] == [".abcd.tmp"]


def test_a_locked_entry_stays(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = put(root, "kernels/aaaa", days=90)
    lock = root / "kernels" / "aaaa.lock"
    with files.lock(lock, Deadline.after(5)):
        os.utime(lock, (0, 0))  # a build that has held its lock for long
        assert run("gc", "--max-size", "0") == 0
        assert path.is_dir()
    assert "kept kernels/aaaa: in use" in capsys.readouterr().out
    os.utime(lock, (0, 0))
    assert run("gc", "--older-than", "10d") == 0
    assert not path.exists()
    assert [p.name for p in (root / "kernels").iterdir()] == ["aaaa.lock"]


def test_dry_run_touches_nothing(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = put(root, "kernels/aaaa", days=90)
    assert run("gc", "--dry-run") == 0
    assert path.is_dir()
    assert "would remove kernels/aaaa" in capsys.readouterr().out


def test_symlinks_are_removed_not_followed(root: Path) -> None:
    target = root / "precious"
    target.mkdir()
    (target / "file").touch()
    (root / "downloads").mkdir()
    (root / "downloads" / "link").symlink_to(target)
    assert remove(entries(root)[0])
    assert (target / "file").exists()
    assert not (root / "downloads" / "link").is_symlink()


def test_an_entry_that_went_away_is_no_error(tmp_path: Path) -> None:
    assert remove(Entry(part="kernels", path=tmp_path / "gone", size=1, used=0.0))


@pytest.mark.parametrize("text", ["", "-1", "12q", "G"])
def test_bad_sizes_and_ages_are_usage_errors(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    for option in ("--max-size", "--older-than"):
        with pytest.raises(SystemExit) as stopped:
            run("gc", f"{option}={text}")
        assert stopped.value.code == 2
    assert f"argument {option}: " in capsys.readouterr().err


def test_an_empty_cache_is_fine(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("ls") == run("gc") == run("ls", "--json") == 0
    assert "0 B  in kernels" in capsys.readouterr().out
