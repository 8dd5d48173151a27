import http.server
import shutil
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from noted import notes
from tiny_source import write_archive, write_tree

from kzram_ci.base import clock
from kzram_ci.base.clock import Deadline
from kzram_ci.base.digest import digest_file
from kzram_ci.base.errors import InfraError, UserError
from kzram_ci.kernel import source
from kzram_ci.kernel.source import download
from kzram_ci.model.events import Event
from kzram_ci.model.kernel import ArchiveTree
from kzram_ci.model.source import RemoteTarball, SourceKind, source_of


@dataclass
class Server:
    """A web server that can cut an answer short, and tells what it was asked."""

    url: str
    ranges: list[str | None] = field(default_factory=list)
    break_after: int = 0  # bytes of the next answer only
    knows_ranges: bool = True
    drips: bool = False  # a byte at a time


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    root = tmp_path / "www"
    root.mkdir()
    archive = write_archive(tmp_path / "made")
    shutil.copy(archive, root / "linux-6.12.1.tar.xz")

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers.get("Range")
            state.ranges.append(wanted)
            path = root / self.path.lstrip("/")
            if not path.is_file():
                self.send_error(404)
                return
            data = path.read_bytes()
            start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and state.knows_ranges else 0
            if start >= len(data):
                self.send_error(416)
                return
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(data) - start))
            self.end_headers()
            cut, state.break_after = state.break_after or len(data), 0
            rest = data[start : start + cut]
            for at in range(0, len(rest), 1 if state.drips else len(rest)):
                try:
                    self.wfile.write(rest[at : at + (1 if state.drips else len(rest))])
                except OSError:
                    return  # the reader left
                if state.drips:
                    clock.sleep(0.02)

        def log_message(self, *words: object) -> None:
            pass

    httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state = Server(url=f"http://127.0.0.1:{httpd.server_address[1]}/linux-6.12.1.tar.xz")
    thread = threading.Thread(target=httpd.serve_forever, daemon=True)
    thread.start()
    yield state
    httpd.shutdown()
    httpd.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "_PAUSE_SECONDS", 0.0)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


def sha(tmp_path: Path) -> str:
    return digest_file(tmp_path / "www" / "linux-6.12.1.tar.xz")


def fetch(tmp_path: Path, events: list[Event] | None = None, **fields: str) -> ArchiveTree:
    ref = source_of(SourceKind.TARBALL, fields)
    listener = (events if events is not None else []).append
    tree = source.fetch(ref, source.Context(cache=tmp_path / "cache", deadline=Deadline.after(60), listener=listener))
    assert isinstance(tree, ArchiveTree)
    return tree


@pytest.mark.parametrize("suffix", [".tar.xz", ".tar.gz", ".tar.bz2", ".tar.zst", ".tar"])
def test_path(tmp_path: Path, suffix: str) -> None:
    write_tree(tmp_path / "linux-6.12.1")
    archive = tmp_path / f"any-name{suffix}"
    subprocess.run(("tar", "-caf", archive, "-C", tmp_path, "linux-6.12.1"), check=True)
    tree = fetch(tmp_path, path=str(archive), sha256=digest_file(archive))
    assert (tree.version, tree.archive) == ("6.12.1", str(archive))
    assert tree.identity == f"tarball:{digest_file(archive)}"


def test_another_digest_is_refused(tmp_path: Path, server: Server) -> None:
    with pytest.raises(UserError, match="wanted 0000"):
        fetch(tmp_path, url=server.url, sha256="0" * 64)
    assert not list((tmp_path / "cache" / "downloads").rglob("*.tar.xz")), "what is wrong is not kept"


def test_what_holds_no_kernel(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a")
    subprocess.run(("tar", "-cf", tmp_path / "a.tar", "-C", tmp_path, "a.txt"), check=True)
    with pytest.raises(UserError, match="holds no kernel source"):
        fetch(tmp_path, path=str(tmp_path / "a.tar"), sha256=digest_file(tmp_path / "a.tar"))


def test_url(tmp_path: Path, server: Server) -> None:
    events: list[Event] = []
    tree = fetch(tmp_path, events, url=server.url, sha256=sha(tmp_path))
    assert tree.version == "6.12.1"
    assert any("downloading" in text for text in notes(events))
    assert fetch(tmp_path, url=server.url, sha256=sha(tmp_path)) == tree
    assert server.ranges == [None], "fetched once"


@pytest.mark.parametrize("knows_ranges", [True, False])
def test_an_answer_cut_short_is_resumed(tmp_path: Path, server: Server, knows_ranges: bool) -> None:
    server.break_after, server.knows_ranges = 100, knows_ranges
    assert fetch(tmp_path, url=server.url, sha256=sha(tmp_path)).version == "6.12.1"
    assert server.ranges == [None, "bytes=100-"]


def test_a_part_from_an_earlier_run_is_used(tmp_path: Path, server: Server) -> None:
    digest = sha(tmp_path)
    whole = (tmp_path / "www" / "linux-6.12.1.tar.xz").read_bytes()
    part = tmp_path / "cache" / "downloads" / f"tarball-{digest[:16]}" / "linux-6.12.1.tar.xz.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(whole[:50])
    fetch(tmp_path, url=server.url, sha256=digest)
    assert server.ranges == ["bytes=50-"]
    other = part.with_name("linux-6.12.1.tar.xz")
    other.unlink()
    part.write_bytes(whole)  # complete, only its last step was missing
    fetch(tmp_path, url=server.url, sha256=digest)


def test_no_such_file_and_no_server(tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "TRIES", 2)
    with pytest.raises(UserError, match="404"):
        fetch(tmp_path, url=f"{server.url}.asc", sha256="0" * 64)
    with pytest.raises(InfraError, match="try again"):
        fetch(tmp_path, url="http://127.0.0.1:9/x.tar", sha256="0" * 64)
    with pytest.raises(UserError, match="not a URL to download from"):
        fetch(tmp_path, url="rsync://x/x.tar", sha256="0" * 64)


def test_local_tells_what_is_here(tmp_path: Path, server: Server) -> None:
    ref = RemoteTarball(url=server.url, sha256=sha(tmp_path))
    assert source.local(ref, source.Context(cache=tmp_path / "cache", deadline=Deadline.after(60))) is None
    fetch(tmp_path, url=server.url, sha256=sha(tmp_path))
    assert source.local(ref, source.Context(cache=tmp_path / "cache", deadline=Deadline.after(60))) is not None


def test_a_server_that_drips_does_not_outlast_the_deadline(tmp_path: Path, server: Server) -> None:
    server.drips = True
    ref = RemoteTarball(url=server.url, sha256=sha(tmp_path))
    began = clock.monotonic()
    with pytest.raises(InfraError, match="did not come before the deadline"):
        source.fetch(ref, source.Context(cache=tmp_path / "cache", deadline=Deadline.after(1)))
    assert clock.monotonic() - began < 10
