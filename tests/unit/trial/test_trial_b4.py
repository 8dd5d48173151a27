"""Real b4, against an archive of our own: the thread that it puts together, and what b4 review makes of the answer."""

from __future__ import annotations

import gzip
import importlib
import importlib.util
import json
import re
import threading
from collections.abc import Iterator
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import unquote

import git_tree
import pytest
import requires
from trial_rig import BUG, Rig

from kzram_ci.base.errors import InfraError, UserError
from kzram_ci.trial.reports import show
from kzram_ci.trial.reports.answer import b4_failure
from kzram_ci.trial.session.inbox import Delivery, deliver

FIXED = BUG.replace("CRASHES", "0")
VERSIONS = {2: (BUG + "int two;\n", FIXED), 3: (BUG + "int three;\n", FIXED)}


class Archive(BaseHTTPRequestHandler):
    """public-inbox as b4 asks it: a thread by message id, and a search whose hits come as a mailbox."""

    threads: ClassVar[dict[str, bytes]] = {}
    found: ClassVar[bytes] = b""

    def do_GET(self) -> None:
        name = unquote(self.path.split("/")[2]) if self.path.count("/") > 1 else ""
        data = self.found if "x=m" in self.path else self.threads.get(name, b"")
        self.send_response(200 if data else 404)
        body = gzip.compress(data) if data else b"nothing"
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rig:
    if importlib.util.find_spec("b4") is None:
        requires.lacking("lore", "b4 is not installed in this Python")
    monkeypatch.setenv("KZRAM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "b4-cache"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "b4-data"))
    monkeypatch.chdir(tmp_path)
    return Rig(tmp_path)


@pytest.fixture
def archive(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[int, list[bytes]]]:
    """The mails of two versions of a series, in an archive that b4 is told to ask."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Archive)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    place = f"http://127.0.0.1:{server.server_address[1]}"
    settings = rig.root / "gitconfig"
    rows = {"midmask": f"{place}/all/%s", "linkmask": f"{place}/all/%s", "searchmask": f"{place}/all/?x=m&t=1&q=%s"}
    lines = "".join(f'  {key} = "{value}"\n' for key, value in rows.items())
    settings.write_text(f"[user]\n  name = T Ester\n  email = t@example.net\n[b4]\n{lines}")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(settings))
    mails = {version: posted(rig, version, *texts) for version, texts in VERSIONS.items()}
    base = git_tree.git(rig.repo, "rev-parse", "v1").strip().encode()
    mails[3][0] += b"\nbase-commit: " + base + b"\nchange-id: 20261128-a-1\n"
    Archive.threads = {name_of(mail): box(*thread, *replies(thread)) for thread in mails.values() for mail in thread}
    Archive.found = box(*mails[2], *mails[3], *replies(mails[3]))
    yield mails
    server.shutdown()
    server.server_close()


def posted(rig: Rig, version: int, *texts: str) -> list[bytes]:
    """The mails of a series as git sends them, the cover letter first."""
    rig.patch(*texts)
    options = ("--cover-letter", "--cover-from-description=subject", f"-v{version}", "--thread", "--stdout")
    data = git_tree.git(rig.repo, "format-patch", *options, f"{rig.base}..series").encode()
    data = data.replace(b"*** SUBJECT HERE ***", b"a: no crash").replace(b".git.", f".v{version}.git.".encode())
    return [part.partition(b"\n")[2] for part in re.split(rb"(?m)^(?=From [0-9a-f]{40} Mon Sep 17)", data) if part]


def name_of(mail: bytes) -> str:
    found = re.search(rb"(?mi)^Message-ID: <(.*)>", mail)
    assert found is not None
    return found[1].decode()


def replies(thread: list[bytes]) -> tuple[bytes, ...]:
    """A tag for the first patch, and a counterproposal with a diff of its own."""
    one, two = EmailMessage(), EmailMessage()
    for number, (mail, text) in enumerate(((one, "Tested-by: R <r@example.net>\n"), (two, "What about\n" + DIFF)), 1):
        mail["From"] = "R <r@example.net>"
        mail["To"] = "a@example.org"
        mail["Subject"] = f"Re: [PATCH v3 {number}/2] a: step {number}"
        mail["Date"] = "Sat, 28 Nov 2026 10:00:00 +0000"
        mail["Message-ID"] = f"<reply{number}.{name_of(thread[number])}>"
        mail["In-Reply-To"] = mail["References"] = f"<{name_of(thread[number])}>"
        mail.set_content(f"On that day A wrote:\n> Why it is right.\n\n{text}")
    return one.as_bytes(), two.as_bytes()


DIFF = "diff --git a/a.c b/a.c\n--- a/a.c\n+++ b/a.c\n@@ -1 +1 @@\n-x\n+y\n"


def box(*mails: bytes) -> bytes:
    return b"".join(b"From mboxrd@z Thu Jan  1 00:00:00 1970\n" + mail.rstrip(b"\n") + b"\n\n" for mail in mails)


def came(word: str, stdin: bytes = b"") -> Delivery:
    return deliver((word,), repository=Path(), since="", stdin=lambda: stdin)


def test_b4_brings_the_newest_version_with_its_cover_letter_and_tags(archive: dict[int, list[bytes]]) -> None:
    found = came(name_of(archive[2][1])).posted
    assert (found.version, found.title) == (3, "a: no crash")
    assert [patch.name for patch in found.patches] == ["0001-a-step-1.patch", "0002-a-step-2.patch"]
    assert "int three" in found.patches[0].text and "Tested-by: R <r@example.net>" in found.patches[0].text
    # what the cover letter says of the base, and who is answered
    assert found.base_commit and found.change_id == "20261128-a-1"
    assert found.parent.message_id == name_of(archive[3][0])


def test_what_b4_review_hands_on_is_the_whole_series(archive: dict[int, list[bytes]]) -> None:
    """The cover letter; where there is none, the first patch."""
    for given in archive[3][:2]:
        assert len(came("-", given).posted.patches) == 2
    with pytest.raises(UserError, match="patch 2/2 of v3 of the series is missing"):
        (Path.cwd() / "one.patch").write_bytes(archive[3][1])
        came("one.patch")


def test_what_b4_does_not_find_is_told(archive: dict[int, list[bytes]]) -> None:
    with pytest.raises((UserError, InfraError), match=r"nothing\.there@example\.org") as caught:
        came("nothing.there@example.org")
    assert "b4 am" in caught.value.hint
    Archive.threads[name_of(archive[2][0])] = box(*archive[2][:2])
    Archive.found = b""
    with pytest.raises(UserError, match="patch 2/2 of v2 of the series is missing"):
        came(name_of(archive[2][0]))


def test_b4_review_reads_the_answer(rig: Rig, archive: dict[int, list[bytes]]) -> None:
    """By the code with which b4 runs a check: the command's standard output, through a program that prints it."""
    checks = importlib.import_module("b4.review.checks")
    found = rig.run(rig.patch(FIXED))
    texts = {
        "pass": show.shown(found, "b4", directory="x"),
        "fail": json.dumps(b4_failure("patch 2/2 does not build")),
    }
    for status, text in texts.items():
        (rig.root / "answer").write_text(text)
        (rig.root / "check").write_text(f"#!/bin/sh\ncat > given\ncat {rig.root}/answer\nexit 1\n")
        (rig.root / "check").chmod(0o755)
        mail = EmailMessage()
        mail["Subject"] = "[PATCH 0/2] a"
        (row,) = checks._run_external_cmd([str(rig.root / "check")], mail, str(rig.root))
        assert (row["tool"], row["status"]) == ("kzram-ci", status)
        assert row["summary"] and row["details"]
        assert all(isinstance(value, str) for value in row.values())
