"""Entries through a directory and through a real server of S3."""

import json
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import store_server

from kzram_ci.base import proc
from kzram_ci.base.digest import sha256
from kzram_ci.base.errors import Interrupted, UserError
from kzram_ci.store import place
from kzram_ci.store.index import data_name, index_name
from kzram_ci.store.shared import Shelf, Stores, stores_of

KEY = "00112233445566778899aabbccddeeff"
FILES = {"manifest.json": b"{}", "bzImage": b"kernel" * 1000, "modules/lib/a.ko": b"module", "empty.diff": b""}

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(params=["directory", "s3"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    store_server.needed("fsspec")
    if request.param == "directory":
        yield f"file://{tmp_path}/store"
    else:
        with store_server.s3() as (where, _):
            yield where


def entry_in(cache: Path, files: dict[str, bytes] = FILES) -> Path:
    entry = cache / "kernels" / KEY
    for name, data in files.items():
        (entry / name).parent.mkdir(parents=True, exist_ok=True)
        (entry / name).write_bytes(data)
    return entry


def content(entry: Path) -> dict[str, bytes]:
    return {path.relative_to(entry).as_posix(): path.read_bytes() for path in entry.rglob("*") if path.is_file()}


def overwrite(url: str, name: str, data: bytes) -> None:
    fs, root = place._filesystem(place.Place(url).url, False)
    fs.pipe_file(f"{root}/{name}", data)


def names(url: str) -> list[str]:
    fs, root = place._filesystem(url, False)
    return [str(name) for name in fs.find(root)]


def test_an_entry_comes_back_from_another_machine(url: str, tmp_path: Path) -> None:
    told: list[str] = []
    there = entry_in(tmp_path / "a")
    (there / "vmlinux-gdb.py").write_text("import os")
    (there / "modules" / "build").symlink_to("/")
    assert Shelf(Stores(write=url)).put(there, told.append)
    here = tmp_path / "b" / "kernels" / KEY
    assert Shelf(Stores(read=(url,))).get(here, told.append) == url
    assert content(here) == FILES
    assert not told
    assert not [name for name in names(url) if name.endswith(".part")]


def test_what_is_there_is_not_written_again(url: str, tmp_path: Path) -> None:
    shelf = Shelf(Stores(write=url))
    assert shelf.put(entry_in(tmp_path / "a"), pytest.fail)
    before = names(url)
    changed = entry_in(tmp_path / "b", {**FILES, "bzImage": b"another"})
    assert Shelf(Stores(write=url)).put(changed, pytest.fail)
    assert names(url) == before


def test_the_index_comes_last(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A writer that dies in between leaves nothing that a reader sees; the next one ends it."""

    def die(self: place.Place, index: object) -> None:
        raise place.Lost("killed")

    told: list[str] = []
    with monkeypatch.context() as patch:
        patch.setattr(place.Place, "keep_index", die)
        assert not Shelf(Stores(write=url)).put(entry_in(tmp_path / "a"), told.append)
    assert "killed" in told[0]
    here = tmp_path / "b" / "kernels" / KEY
    assert Shelf(Stores(read=(url,))).get(here, told.append) == ""
    assert not here.exists()
    assert Shelf(Stores(write=url)).put(tmp_path / "a" / "kernels" / KEY, told.append)
    assert Shelf(Stores(read=(url,))).get(here, told.append) == url


@pytest.mark.parametrize("there", [b"kernel" * 999 + b"kernal", FILES["bzImage"] + b"more", b""])
def test_wrong_bytes_are_thrown_away(tmp_path: Path, there: bytes) -> None:
    store_server.needed("fsspec")
    not_taken(str(tmp_path / "store"), tmp_path, there)


def test_wrong_bytes_of_a_server_are_thrown_away(tmp_path: Path) -> None:
    with store_server.s3() as (url, _):
        not_taken(url, tmp_path, b"kernel" * 999 + b"kernal")


def not_taken(url: str, tmp_path: Path, there: bytes) -> None:
    told: list[str] = []
    Shelf(Stores(write=url)).put(entry_in(tmp_path / "a"), pytest.fail)
    overwrite(url, data_name(sha256(FILES["bzImage"])), there)
    here = tmp_path / "b" / "kernels" / KEY
    assert Shelf(Stores(read=(url,))).get(here, told.append) == ""
    assert len(told) == 1
    assert "bzImage has not the bytes" in told[0]
    assert told[0].endswith("thrown away, made here")
    assert not here.exists()
    assert not list(here.parent.iterdir())


def test_bytes_that_are_missing_are_wrong(url: str, tmp_path: Path) -> None:
    told: list[str] = []
    Shelf(Stores(write=url)).put(entry_in(tmp_path / "a"), pytest.fail)
    fs, root = place._filesystem(url, False)
    fs.rm(f"{root}/{data_name(sha256(FILES['bzImage']))}")
    assert Shelf(Stores(read=(url,))).get(tmp_path / "b" / "kernels" / KEY, told.append) == ""
    assert "bytes of bzImage are not there" in told[0]


def test_an_index_that_is_damaged_is_written_again(url: str, tmp_path: Path) -> None:
    told: list[str] = []
    Shelf(Stores(write=url)).put(entry_in(tmp_path / "a"), pytest.fail)
    overwrite(url, index_name("kernels", KEY), b'{"format": 1, "ki')
    here = tmp_path / "b" / "kernels" / KEY
    assert Shelf(Stores(read=(url,))).get(here, told.append) == ""
    assert "not JSON" in told[0]
    assert Shelf(Stores(write=url)).put(tmp_path / "a" / "kernels" / KEY, told.append)
    assert Shelf(Stores(read=(url,))).get(here, told.append) == url


def test_a_second_store_has_what_the_first_lacks(tmp_path: Path) -> None:
    store_server.needed("fsspec")
    Shelf(Stores(write=str(tmp_path / "second"))).put(entry_in(tmp_path / "a"), pytest.fail)
    both = Shelf(Stores(read=(str(tmp_path / "first"), str(tmp_path / "second"))))
    assert both.get(tmp_path / "b" / "kernels" / KEY, pytest.fail) == f"file://{tmp_path}/second"


def test_a_link_out_of_the_store_is_only_bytes_with_a_digest(tmp_path: Path) -> None:
    """A store in a directory may hold links: what they lead to is compared as any other bytes."""
    store_server.needed("fsspec")
    store, told = tmp_path / "store", list[str]()
    Shelf(Stores(write=str(store))).put(entry_in(tmp_path / "a"), pytest.fail)
    data = store / data_name(sha256(FILES["bzImage"]))
    data.unlink()
    data.symlink_to("/etc/passwd")
    here = tmp_path / "b" / "kernels" / KEY
    assert Shelf(Stores(read=(str(store),))).get(here, told.append) == ""
    assert "not the bytes" in told[0]


def test_an_index_that_leads_out_writes_nothing_outside(tmp_path: Path) -> None:
    store_server.needed("fsspec")
    store, told, evil = tmp_path / "store", list[str](), b"evil"
    Shelf(Stores(write=str(store))).put(entry_in(tmp_path / "a"), pytest.fail)
    name = store / index_name("kernels", KEY)
    data = json.loads(name.read_bytes())
    for path in ("../../../outside", f"{tmp_path}/outside", "modules/../../outside"):
        data["files"][0].update(path=path, size=len(evil), sha256=sha256(evil))
        name.write_text(json.dumps(data))
        overwrite(f"file://{store}", data_name(sha256(evil)), evil)
        here = tmp_path / "b" / "kernels" / KEY
        assert Shelf(Stores(read=(str(store),))).get(here, told.append) == ""
        assert "no place in kernels" in told.pop()
    assert not [path for path in tmp_path.rglob("outside")]


def test_a_file_never_grows_beyond_its_size(tmp_path: Path) -> None:
    """As much as the index says, and one look further: not what a server sends without end."""
    store_server.needed("fsspec")
    store, told = tmp_path / "store", list[str]()
    Shelf(Stores(write=str(store))).put(entry_in(tmp_path / "a"), pytest.fail)
    data = store / data_name(sha256(FILES["bzImage"]))
    data.unlink()
    data.symlink_to("/dev/zero")
    here = tmp_path / "b" / "kernels" / KEY
    assert Shelf(Stores(read=(str(store),))).get(here, told.append) == ""
    assert "not the bytes" in told[0]


def test_a_server_that_is_gone_costs_one_line(tmp_path: Path) -> None:
    told: list[str] = []
    with store_server.s3() as (url, _):
        Shelf(Stores(write=url)).put(entry_in(tmp_path / "a"), pytest.fail)
        with closing(socket.create_server(("127.0.0.1", 0))) as closed:
            port = closed.getsockname()[1]
        os.environ["AWS_ENDPOINT_URL"] = f"http://127.0.0.1:{port}"
        shelf = Shelf(Stores(write=url))
        for _ in range(3):
            assert shelf.get(tmp_path / "b" / "kernels" / KEY, told.append) == ""
            assert not shelf.put(tmp_path / "a" / "kernels" / KEY, told.append)
    assert len(told) == 1
    assert f"{url} does not answer" in told[0]


def test_a_server_that_says_nothing_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It accepts, and never answers: the deadline of the transfer holds, not the server's patience."""
    told: list[str] = []
    monkeypatch.setattr(place, "ANSWER_SECONDS", 0.5)
    with store_server.s3() as (url, _), closing(socket.create_server(("127.0.0.1", 0))) as silent:
        os.environ["AWS_ENDPOINT_URL"] = f"http://127.0.0.1:{silent.getsockname()[1]}"
        assert Shelf(Stores(read=(url,))).get(tmp_path / "b" / "kernels" / KEY, told.append) == ""
    assert "no answer before the deadline" in told[0]


def test_an_interrupt_ends_the_wait(tmp_path: Path) -> None:
    with store_server.s3() as (url, _), closing(socket.create_server(("127.0.0.1", 0))) as silent:
        os.environ["AWS_ENDPOINT_URL"] = f"http://127.0.0.1:{silent.getsockname()[1]}"
        timer = threading.Timer(0.5, proc.cancel_all)
        timer.start()
        try:
            with pytest.raises(Interrupted):
                Shelf(Stores(read=(url,))).get(tmp_path / "b" / "kernels" / KEY, pytest.fail)
        finally:
            timer.join()
            proc.resume_all()


def test_the_public_reads_without_credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with store_server.s3() as (url, _):
        Shelf(Stores(write=url)).put(entry_in(tmp_path / "a"), pytest.fail)
        store_server.make_public(url)
        for name in store_server.WORDS:
            monkeypatch.delenv(name)
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
        monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
        told: list[str] = []
        assert Shelf(Stores(read=(url,))).get(tmp_path / "b" / "kernels" / KEY, told.append) == url, told


def test_what_is_not_a_store_is_the_users_matter(tmp_path: Path) -> None:
    store_server.needed("fsspec")
    with pytest.raises(UserError, match="gopher://x is not a store"):
        Shelf(Stores(read=("gopher://x",))).get(tmp_path / "kernels" / KEY, pytest.fail)


def test_no_store_gives_nothing_and_takes_nothing(tmp_path: Path) -> None:
    shelf = Shelf(Stores())
    assert not shelf
    assert shelf.get(tmp_path / "kernels" / KEY, pytest.fail) == ""
    assert not shelf.put(entry_in(tmp_path), pytest.fail)


def test_a_password_is_not_shown() -> None:
    assert str(place.Place("s3://me:secret@bucket/x")) == "s3://bucket/x"


def test_stores_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KZRAM_STORE", "s3://ours")
    monkeypatch.setenv("KZRAM_STORE_READ", "https://a https://b")
    assert stores_of() == Stores(write="s3://ours", read=("https://a", "https://b"))
    assert stores_of("", ("/x",)) == Stores(read=("/x",))
