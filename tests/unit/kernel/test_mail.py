"""Patch files as they come from lists and web mailers, and what git itself makes of them."""

import base64
import gzip
import quopri
import subprocess
from pathlib import Path

import pytest

from kzram_ci.kernel import diff
from kzram_ci.kernel.mail import decoded, patches_in

DIFF = """\
diff --git a/a.c b/a.c
--- a/a.c
+++ b/a.c
@@ -1,3 +1,3 @@
 int first;
-int old = 0; /* é */
+int new = 1; /* = é */
 int last;
"""
BEFORE = "int first;\nint old = 0; /* é */\nint last;\n"
AFTER = "int first;\nint new = 1; /* = é */\nint last;\n"


def mail(body: str, subject: str = "[PATCH] fix it", encoding: str = "8bit", charset: str = "utf-8") -> bytes:
    raw = body.encode(charset)
    coded = {"8bit": raw, "quoted-printable": quopri.encodestring(raw), "base64": base64.encodebytes(raw)}[encoding]
    return (
        f"From: A <a@example.org>\nSubject: {subject}\nMIME-Version: 1.0\n"
        f"Content-Type: text/plain; charset={charset}\nContent-Transfer-Encoding: {encoding}\n\n"
    ).encode() + coded


def box(*mails: bytes) -> bytes:
    return b"".join(b"From mboxrd@z Thu Jan  1 00:00:00 1970\n" + item + b"\n" for item in mails)


BODY = f"Changelog.\n\n---\n a.c | 2 +-\n\n{DIFF}-- \n2.39\n"
CASES = {
    "a diff": DIFF.encode(),
    "a diff with CRLF": DIFF.replace("\n", "\r\n").encode(),
    "a mail": mail(BODY),
    "a mail with CRLF": mail(BODY).replace(b"\n", b"\r\n"),
    "quoted-printable": mail(BODY, encoding="quoted-printable"),
    "quoted-printable with CRLF": mail(BODY, encoding="quoted-printable").replace(b"\n", b"\r\n"),
    "base64": mail(BODY, encoding="base64"),
    "base64 of CRLF": mail(BODY.replace("\n", "\r\n"), encoding="base64"),
    "latin-1": mail(BODY, encoding="quoted-printable", charset="iso-8859-1"),
    "a mailbox": box(mail(BODY)),
    "a mailbox with CRLF": box(mail(BODY)).replace(b"\n", b"\r\n"),
    "a packed mailbox": gzip.compress(box(mail(BODY))),
    "an encoded subject": mail(BODY, subject="=?utf-8?q?=5BPATCH=5D_fix_=C3=A9?="),
}


@pytest.mark.parametrize("name", CASES)
def test_a_patch_applies_however_it_was_sent(name: str, tmp_path: Path) -> None:
    (found,) = patches_in(CASES[name])
    (tmp_path / "a.c").write_text(BEFORE)
    subprocess.run(("git", "apply", "-"), input=found.text.encode(), cwd=tmp_path, check=True)
    assert (tmp_path / "a.c").read_text() == AFTER


def test_what_is_plain_is_not_touched() -> None:
    formatted = f"From {'0' * 40} Mon Sep 17 00:00:00 2001\n".encode() + mail(BODY)
    assert decoded(DIFF.encode()) == DIFF
    assert decoded(formatted).endswith(BODY)


def test_the_patches_that_ship_keep_their_keys() -> None:
    """What a key covers is the diff: decoding may not change a byte of it."""
    shipped = sorted((Path(__file__).parents[3] / "kernels/patches").rglob("*.patch"))
    assert len(shipped) > 20
    for path in shipped:
        assert diff.body(decoded(path.read_bytes())) == diff.body(path.read_text()), path


def test_a_file_with_crlf_keeps_them() -> None:
    text = DIFF.replace(" int first;", " int first;\r").replace("-int old = 0;", "-int old = 0;\r")
    assert decoded(text.encode()) == text


def test_a_series_is_in_the_order_of_its_numbers() -> None:
    cover = mail("no diff here\n", "[PATCH v2 0/2] all of it")
    reply = mail(f"> quoted\n{DIFF}", "Re: [PATCH v2 1/2] one")
    found = patches_in(box(cover, mail(BODY, "[PATCH v2 2/2] two"), reply, mail(BODY, "[PATCH v2 1/2] one")))
    assert [(item.number, item.total, item.subject) for item in found] == [(1, 2, "one"), (2, 2, "two")]


def test_an_attachment() -> None:
    parts = (
        "From: a@example.org\nSubject: fix\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=B\n\n"
        "--B\nContent-Type: text/plain\n\nsee the patch\n"
        "--B\nContent-Type: text/x-patch; name=x.patch\nContent-Transfer-Encoding: base64\n\n"
        f"{base64.encodebytes(DIFF.encode()).decode()}--B--\n"
    )
    assert [item.text for item in patches_in(parts.encode())] == [DIFF]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "no diff in it"),
        (b"From: a\nSubject: b\n\nhello\n", "no diff in it"),
        (b"<!DOCTYPE html><html><pre>diff", "a web page"),
        (b"\xfd7zXZ\0rest", "packed with xz"),
        (b"\x1f\x8bnothing", "damaged gzip"),
        (box(mail(BODY, "[PATCH 1/2] a"), mail(BODY, "[PATCH v2 1/2] a")), "v1 and v2"),
        (box(mail(BODY, "[PATCH 1/4] a"), mail(BODY, "[PATCH 4/4] d")), "patch 2/4, 3/4 of the series is missing"),
    ],
)
def test_what_is_not_a_series_to_test(data: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        patches_in(data)


def test_one_mail_of_a_series_is_what_was_asked_for() -> None:
    assert patches_in(mail(BODY, "[PATCH 2/5] two"))[0].number == 2
