"""Where a series comes from: files, directories, archives on the network (one of our own), b4 (a stand-in), git."""

from __future__ import annotations

import gzip
import shutil
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from kzram_ci.base.errors import InfraError, UserError
from kzram_ci.trial.session import inbox
from kzram_ci.trial.session.inbox import Delivery, deliver

DIFF = "diff --git a/a.c b/a.c\n--- a/a.c\n+++ b/a.c\n@@ -1 +1 @@\n-int a;\n+int b;\n"


def mail(number: int, total: int, body: str = DIFF) -> bytes:
    name = f"{number}.{total}@example.org"
    subject = f"[PATCH {number}/{total}] a: step {number}"
    return f"From: A <a@example.org>\nSubject: {subject}\nMessage-ID: <{name}>\n\nWhy.\n---\n{body}".encode()


def box(*mails: bytes) -> bytes:
    return b"".join(b"From mboxrd@z Thu Jan  1 00:00:00 1970\n" + item + b"\n" for item in mails)


SERIES = box(mail(0, 2, ""), mail(1, 2), mail(2, 2))


def came(*words: str | Path, stdin: Callable[[], bytes] = lambda: b"") -> Delivery:
    return deliver(tuple(map(str, words)), repository=Path(), since="", stdin=stdin)


def names(found: Delivery) -> list[str]:
    return [patch.name for patch in found.posted.patches]


BOTH = ["0001-a-step-1.patch", "0002-a-step-2.patch"]


class Archive(BaseHTTPRequestHandler):
    """Answers as an archive does, and as one that keeps robots out does."""

    answers: ClassVar[dict[str, tuple[int, bytes]]] = {}

    def do_GET(self) -> None:
        code, data = self.answers.get(self.path, (404, b"nothing"))
        self.send_response(code)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def archive(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")  # without a b4 that the host may have
    monkeypatch.setattr(shutil, "which", lambda tool, path=None: None)
    monkeypatch.setenv("KZRAM_CACHE", str(tmp_path / "cache"))
    server = ThreadingHTTPServer(("127.0.0.1", 0), Archive)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    place = f"http://127.0.0.1:{server.server_address[1]}"
    monkeypatch.setattr(inbox, "ARCHIVE", f"{place}/all")
    Archive.answers = {
        "/all/1.2@example.org/t.mbox.gz": (200, gzip.compress(SERIES)),
        "/all/0.2@example.org/t.mbox.gz": (200, gzip.compress(SERIES)),
        "/linux-mm/1.2@example.org/t.mbox.gz": (200, gzip.compress(SERIES)),
        "/plain.patch": (200, mail(1, 1)),
        "/project/mm/patch/1.2@example.org/mbox/": (200, SERIES),
        "/all/robots@example.org/t.mbox.gz": (200, b"<!doctype html><html>Making sure you are not a bot"),
        "/all/gone@example.org/t.mbox.gz": (403, b"no"),
    }
    yield place
    server.shutdown()
    server.server_close()


def test_a_message_id_and_its_addresses(archive: str) -> None:
    for word in (
        "1.2@example.org",
        "<1.2@example.org>",
        f"{archive}/linux-mm/1.2@example.org/",
        f"{archive}/linux-mm/1.2%40example.org/T/#u",
        f"{archive}/r/1.2@example.org",
        "https://patch.msgid.link/1.2@example.org",
        "https://msgid.link/1.2@example.org",
        "https://lkml.kernel.org/r/1.2@example.org",
        f"{archive}/project/mm/patch/1.2@example.org/mbox/",
    ):
        assert names(came(word)) == BOTH, word
    assert names(came(f"{archive}/plain.patch")) == ["0001-a-step-1.patch"]


def test_the_cover_letter_that_b4_review_hands_on(archive: str) -> None:
    assert names(came("-", stdin=lambda: mail(0, 2, ""))) == BOTH


def test_an_archive_that_keeps_robots_out_is_told(archive: str) -> None:
    with pytest.raises(InfraError, match="a page for browsers came in place of the mailbox") as caught:
        came("robots@example.org")
    assert "kzram-ci[lore]" in caught.value.hint and "save the thread's mbox" in caught.value.hint
    with pytest.raises(UserError, match="403") as refused:
        came("gone@example.org")
    assert "kzram-ci[lore]" in refused.value.hint


def test_b4_is_asked_where_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A stand-in: what it is called with is what b4 documents, and a mailbox is in the directory (test_trial_b4)."""
    (tmp_path / "series").write_bytes(SERIES)
    tool = tmp_path / "b4"
    asked = '[ "$1 $2 $3 $5" = "am -c -o 1.2@example.org" ]'
    script = f'{asked} && exec cp {tmp_path}/series "$4/v1.mbx"\necho no >&2; exit 1\n'
    tool.write_text(f"#!/bin/sh\n{script}")
    tool.chmod(0o755)
    monkeypatch.setattr(shutil, "which", lambda name, path=None: str(tool) if name == "b4" else None)
    assert names(came("1.2@example.org")) == BOTH
    with pytest.raises(InfraError, match="no"):
        came("other@example.org")


def test_files_directories_and_standard_input(tmp_path: Path) -> None:
    one, two = tmp_path / "b.patch", tmp_path / "a.patch"
    one.write_bytes(mail(1, 2)), two.write_bytes(mail(2, 2))
    assert names(came(two, one)) == names(came(tmp_path)) == BOTH
    assert names(came("-", stdin=lambda: SERIES)) == BOTH
    maildir = tmp_path / "box"
    for folder in ("cur", "new", "tmp"):
        (maildir / folder).mkdir(parents=True)
    (maildir / "cur" / "1:2,S").write_bytes(mail(1, 2))
    (maildir / "new" / "2").write_bytes(mail(2, 2))
    assert names(came(maildir)) == BOTH
    quilt = tmp_path / "quilt"
    quilt.mkdir()
    (quilt / "z.patch").write_text(DIFF)
    (quilt / "a.patch").write_text(DIFF.replace("int b", "int c").replace("int a", "int b"))
    (quilt / "series").write_text("# mine\nz.patch\na.patch -p1\n")
    assert ["int b" in patch.text.split("+int")[0] for patch in came(quilt).posted.patches] == [False, True]


def test_what_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "half.patch").write_bytes(mail(1, 2))
    (tmp_path / "quilt").mkdir()
    (tmp_path / "quilt" / "series").write_text("../half.patch\n")
    for words, why in (
        ((), "no series"),
        ((tmp_path / "empty",), "holds no patches"),
        ((tmp_path / "half.patch",), "patch 2/2 of the series is missing"),
        ((tmp_path / "quilt",), "leads out of"),
        ((tmp_path / "none.patch", tmp_path / "half.patch"), "No such file"),
    ):
        with pytest.raises(UserError, match=why):
            came(*words)
