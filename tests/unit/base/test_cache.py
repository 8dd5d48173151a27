"""Entries that are made once and answers that are asked once, and when they were used last."""

import os
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kzram_ci.base import clock, files
from kzram_ci.base.cache import MANIFEST, complete, entry_in_progress, mark_used, mark_used_by_path, once
from kzram_ci.base.clock import Deadline
from kzram_ci.base.digest import digest_files
from kzram_ci.base.errors import InfraError
from kzram_ci.base.memo import file_stamp, memoized, memoized_of, recall

OLD = 1_000_000.0


def maker(entry: Path, made: list[str]) -> Callable[[], None]:
    def make() -> None:
        clock.sleep(0.05)
        made.append("made")
        with entry_in_progress(entry) as temporary:
            files.write_json(temporary / MANIFEST, {})

    return make


def soon() -> Deadline:
    return Deadline.after(20)


def test_an_entry_is_made_once_by_many(tmp_path: Path) -> None:
    entry, made = tmp_path / "kernels" / "k", list[str]()
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: once(entry, maker(entry, made), soon()), range(8)))
    assert found == [entry] * 8
    assert made == ["made"]
    assert complete(entry)


def test_a_stale_entry_is_made_again_once(tmp_path: Path) -> None:
    entry, made = tmp_path / "k", list[str]()
    once(entry, maker(entry, made), soon())
    once(entry, maker(entry, made), soon(), stale=lambda: len(made) < 2)
    once(entry, maker(entry, made), soon(), stale=lambda: len(made) < 2)
    assert len(made) == 2


def test_what_fails_leaves_nothing_and_is_tried_again(tmp_path: Path) -> None:
    entry, made = tmp_path / "k", list[str]()

    def fail() -> None:
        with entry_in_progress(entry) as temporary:
            (temporary / "half").touch()
            raise InfraError("no")

    with pytest.raises(InfraError, match="no"):
        once(entry, fail, soon())
    assert not entry.exists()
    assert [path.name for path in tmp_path.iterdir()] == ["k.lock"]
    once(entry, maker(entry, made), soon())
    assert complete(entry)


def test_another_process_at_it_past_the_deadline(tmp_path: Path) -> None:
    with files.lock(tmp_path / "k.lock", soon()), pytest.raises(InfraError, match="another kzram-ci holds"):
        once(tmp_path / "k", lambda: None, Deadline.after(0))


def test_an_entry_of_another_user_that_may_not_be_read(tmp_path: Path) -> None:
    """It is neither missing nor damaged: it is not made again, and nothing of it is removed."""
    entry, image = tmp_path / "entry", tmp_path / "entry" / "image"
    entry.mkdir()
    (entry / MANIFEST).write_text("{}")
    image.write_bytes(b"a kernel")
    user = os.geteuid()
    try:
        for path, ask in ((entry, lambda: complete(entry)), (image, lambda: digest_files([image]))):
            path.chmod(0)
            if not user:
                os.seteuid(65534)
            with pytest.raises(InfraError, match=f"cannot read {re.escape(str(path))}.*: Permission denied") as caught:
                ask()
            assert "check the owner and the permissions" in caught.value.hint
            os.seteuid(user)
            path.chmod(0o755)
    finally:
        os.seteuid(user)
    assert image.read_bytes() == b"a kernel"


def test_what_a_killed_process_left_of_an_entry_goes_when_it_is_made(tmp_path: Path) -> None:
    """Of this entry alone: the next one may be in the making, under a lock of its own."""
    entry, other = tmp_path / "debian-linux-source-6.1", tmp_path / "debian-linux-source-6.12"
    left = []
    for each in (entry, other):
        with pytest.raises(KeyboardInterrupt), entry_in_progress(each) as place:
            (place / "memory").write_bytes(b"much")
            left.append(place.rename(place.with_name(f"{place.name[:-8]}abcd_123")))
            raise KeyboardInterrupt

    def make() -> None:
        with entry_in_progress(entry) as place:
            files.write_json(place / MANIFEST, {})

    assert all(path.is_dir() for path in left)
    once(entry, make, Deadline.after(5))
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == sorted((left[1].name, entry.name))


def test_use_is_noted_where_the_collector_looks(tmp_path: Path) -> None:
    entry = tmp_path / "k"
    once(entry, maker(entry, []), soon())
    for path in (entry, entry / MANIFEST):
        os.utime(path, (OLD, OLD))
    once(entry, maker(entry, []), soon())
    assert (entry / MANIFEST).stat().st_mtime > OLD
    mark_used(tmp_path / "not there")  # no error


def test_the_use_of_a_file_is_noted_for_its_entry_and_not_outside(tmp_path: Path) -> None:
    cache, manifest = tmp_path / "cache", tmp_path / "cache/downloads/debian-x" / MANIFEST
    image = manifest.parent / "deb/boot/vmlinuz"
    image.parent.mkdir(parents=True)
    for path in (manifest, tmp_path / "vmlinuz", image):
        path.touch()
        os.utime(path, (OLD, OLD))
        mark_used_by_path(cache, path)
    assert manifest.stat().st_mtime > OLD
    assert (tmp_path / "vmlinuz").stat().st_mtime == OLD


def test_an_answer_is_asked_once_for_a_stamp(tmp_path: Path) -> None:
    memory, asked = tmp_path / "scans" / "m.json", list[int]()

    def ask() -> dict[str, int]:
        asked.append(1)
        return {"answer": len(asked)}

    assert recall(memory, [1]) is None
    assert memoized(memory, [1], ask) == memoized(memory, [1], ask) == {"answer": 1}
    os.utime(memory, (OLD, OLD))
    assert recall(memory, [1]) == {"answer": 1}
    assert memory.stat().st_mtime > OLD, "an answer that is used is not old"
    assert recall(memory, [2]) is None
    assert memoized(memory, [2], ask) == {"answer": 2}


@pytest.mark.parametrize("text", ["", "{", "[]", '{"stamp": 1}', '"x"', "null"])
def test_a_damaged_memory_is_asked_again(tmp_path: Path, text: str) -> None:
    memory = tmp_path / "m.json"
    memory.write_text(text)
    assert memoized(memory, [1], lambda: "answer") == "answer"
    assert recall(memory, [1]) == "answer"


def test_a_file_that_changed_is_asked_again(tmp_path: Path) -> None:
    path, cache = tmp_path / "file", tmp_path / "cache"
    path.write_text("one")
    assert memoized_of(path, "text", path.read_text, cache) == "one"
    stamp = file_stamp(path)
    path.write_text("three")
    assert file_stamp(path) != stamp
    assert memoized_of(path, "text", path.read_text, cache) == "three"
    assert memoized_of(path, "length", lambda: path.stat().st_size, cache) == 5
    assert len(list((cache / "scans").iterdir())) == 2, "an old answer does not stay behind"
