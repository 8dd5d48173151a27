import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kzram_ci.store.index import Index, Item, Wrong, index_name, parse, render, shared

KEY = "0123456789abcdef"
DIGEST = "a" * 64
MANIFEST = Item(path="manifest.json", size=2, sha256=DIGEST)
GOOD = Index(kind="kernels", key=KEY, files=(Item(path="bzImage", size=9, sha256=DIGEST), MANIFEST))


def with_file(**fields: Any) -> bytes:
    data = json.loads(render(GOOD))
    data["files"][0].update(fields)
    return json.dumps(data).encode()


def test_what_was_written_is_read() -> None:
    assert parse(render(GOOD), "kernels", KEY) == GOOD


@pytest.mark.parametrize(
    "path",
    [
        "../bzImage",
        "/etc/passwd",
        "modules/../../bzImage",
        "modules//x.ko",
        "modules/./x.ko",
        "modules/..",
        "modules/",
        "bzImage\n",
        "bzImage\0",
        ".config",
        "vmlinux-gdb.py",
        "scripts/gdb/linux/x.py",
        "Mödules/x.ko",
        "",
        7,
        None,
    ],
)
def test_a_file_has_a_plain_name_at_a_place_of_its_kind(path: Any) -> None:
    with pytest.raises(Wrong, match="no place in kernels"):
        parse(with_file(path=path), "kernels", KEY)


@pytest.mark.parametrize("size", [-1, 1 << 60, True, 1.5, "9", None])
def test_a_size_is_a_number_of_bytes(size: Any) -> None:
    with pytest.raises(Wrong):
        parse(with_file(size=size), "kernels", KEY)


@pytest.mark.parametrize("digest", ["A" * 64, "a" * 63, "../" + "a" * 61, 5])
def test_a_digest_is_a_sha256(digest: Any) -> None:
    with pytest.raises(Wrong, match="no digest"):
        parse(with_file(sha256=digest), "kernels", KEY)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"key": "f" * 16}, "something else"),
        ({"kind": "rootfs"}, "something else"),
        ({"format": 2}, "another format"),
        ({"files": []}, "no list"),
        ({"files": [{"path": "bzImage", "size": 1, "sha256": DIGEST}]}, "no manifest.json"),
        ({"files": [{"path": "manifest.json", "size": 1, "sha256": DIGEST}] * 2}, "twice"),
    ],
)
def test_an_index_is_of_one_entry(change: dict[str, Any], words: str) -> None:
    with pytest.raises(Wrong, match=words):
        parse(json.dumps({**json.loads(render(GOOD)), **change}).encode(), "kernels", KEY)


def test_a_file_is_not_a_directory_as_well() -> None:
    files = (Item(path="modules/a", size=1, sha256=DIGEST), Item(path="modules/a/b", size=1, sha256=DIGEST), MANIFEST)
    with pytest.raises(Wrong, match="directory as well"):
        parse(render(Index(kind="kernels", key=KEY, files=files)), "kernels", KEY)


def test_a_long_index_and_deep_json_are_refused() -> None:
    with pytest.raises(Wrong, match="too long"):
        parse(b" " * (9 << 20), "kernels", KEY)
    with pytest.raises(Wrong):
        parse(b"[" * 100_000, "kernels", KEY)


@given(st.binary(max_size=200) | st.recursive(st.none() | st.text(), st.lists).map(lambda v: json.dumps(v).encode()))
def test_any_bytes_are_an_index_or_wrong(data: bytes) -> None:
    with pytest.raises(Wrong):
        parse(data, "kernels", KEY)


@given(st.text(max_size=40))
def test_what_is_shared_stays_within_its_entry(path: str) -> None:
    if shared("kernels", path):
        assert not path.startswith("/")
        assert ".." not in path.split("/")


@pytest.mark.parametrize(("kind", "key"), [("kernels", "../../x"), ("scans", KEY), ("kernels", "short"), ("", KEY)])
def test_only_entries_of_a_kind_have_a_place(kind: str, key: str) -> None:
    with pytest.raises(ValueError, match="not an entry"):
        index_name(kind, key)
