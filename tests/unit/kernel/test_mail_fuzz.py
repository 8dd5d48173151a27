"""Any mailbox: patches, or a ValueError that says what is wrong, in bounded time and memory."""

import base64
import gzip
import resource
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_mail import BODY, DIFF, box, mail

from kzram_ci.kernel import diff, letter, posted
from kzram_ci.kernel.mail import patches_in

QUICK = settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
# What mails are made of, in any order: headers in part, ends of parts, encodings, nesting
PIECES = [
    *(line + "\n" for line in BODY.split("\n")),
    "From mboxrd@z Thu Jan  1 00:00:00 1970\n",
    f"From {'0' * 40} Mon Sep 17 00:00:00 2001\n",
    ">From a\n",
    "From: A <a@example.org>\n",
    "Subject: [PATCH v2 2/3] x\n",
    "Subject: [PATCH 0/3] x\n",
    "Subject: Re: [PATCH] x\n",
    "Subject: =?utf-8?q?=5BPATCH=5D?= =?x?b?====?=\n",
    "In-Reply-To: <a@b>\n",
    "Message-ID: <a@b>\n",
    "Content-Type: multipart/mixed; boundary=x\n",
    "Content-Type: multipart/signed; boundary=x\n",
    "Content-Type: multipart/mixed\n",
    "Content-Type: message/rfc822\n",
    "Content-Type: text/plain; charset=utf-16; format=flowed; delsp=yes\n",
    "Content-Type: text/plain; charset*=undefined''x\n",
    "Content-Type: text/html; charset=\n",
    "Content-Transfer-Encoding: base64\n",
    "Content-Transfer-Encoding: quoted-printable\n",
    "Content-Transfer-Encoding: x-uuencode\n",
    "begin 644 a\n",
    "-----BEGIN PGP SIGNED MESSAGE-----\n",
    "-----BEGIN PGP SIGNATURE-----\n",
    "--x\n",
    "--x--\n",
    "\n",
    "\n\n",
    " continued\n",
    "base-commit: 0000\n",
    "prerequisite-patch-id: x\n",
]
WHOLE = box(mail(BODY, "[PATCH 1/2] a", "quoted-printable"), mail(BODY, "[PATCH 2/2] b", "base64"), mail(BODY, "Re: x"))


def check(data: bytes) -> None:
    """Both readers of mail; what comes out of them is a diff that stays in the tree, or is refused as one."""
    posted.stands_for_series([("a", data)], part=True)
    try:
        found = [one.text for one in patches_in(data)]
    except ValueError as error:
        assert str(error)
        found = []
    try:
        found += [one.text for one in posted.read([("a", data)]).patches]
    except ValueError as error:
        assert str(error)
    for text in found:
        try:
            touched = diff.touched(text)
        except ValueError:
            continue
        assert not [path for path in touched if path.startswith("/") or ".." in path.split("/")]


@QUICK
@given(st.binary(max_size=600))
def test_bytes(data: bytes) -> None:
    check(data)


@QUICK
@given(st.lists(st.sampled_from(PIECES) | st.text(max_size=30), max_size=40), st.booleans())
def test_pieces_in_any_order(pieces: list[str], packed: bool) -> None:
    data = "".join(pieces).encode("utf-8", "surrogatepass")
    check(gzip.compress(data) if packed else data)


HEADS = (
    "From: A <a@example.org>",
    "Subject: [PATCH] x",
    "SUBJECT:  y  z ",
    "References: <a@b>\n <c@d>",
    "To:",
    "Cc: \t",
)
ODD = (
    " \n",
    "\t\n",
    "Subject:x\x0c",
    "Subject : x",
    "X-Y: a=?b",
    "Content-Type: text/plain",
    "mime-Version: 1.0",
    "-a: b",
    ":",
)


@QUICK
@given(
    st.lists(st.sampled_from(HEADS) | st.sampled_from(ODD) | st.sampled_from(PIECES), max_size=6),
    st.sampled_from([BODY, "", "\n", "\n-----BEGIN PGP SIGNED MESSAGE-----\n\n- -a\n-----BEGIN PGP SIGNATURE-----\n"]),
    st.binary(max_size=6),
)
def test_a_plain_mail_is_read_as_the_parser_of_mails_reads_it(heads: list[str], body: str, noise: bytes) -> None:
    data = "\n".join(["From: a", *heads, "", body]).encode("utf-8", "surrogatepass") + noise
    with pytest.MonkeyPatch.context() as patch:
        quick = letter.letters_in(data)
        patch.setattr(letter, "_plain_letter", lambda data: None)
        assert quick == letter.letters_in(data)


def test_a_mail_of_git_is_a_plain_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("email.message_from_bytes", None)
    assert [
        found.subject for found in letter.letters_in(b"From: A <a@b>\nSubject: [PATCH]\n x\n\n" + DIFF.encode())
    ] == ["[PATCH] x"]


@QUICK
@given(st.integers(0, len(WHOLE)), st.integers(0, 12), st.binary(max_size=12), st.booleans())
def test_a_mailbox_with_damage(at: int, gone: int, noise: bytes, cut: bool) -> None:
    check(WHOLE[:at] + noise + (b"" if cut else WHOLE[at + gone :]))


CHARSETS = ("utf-8", "utf-7", "utf-16", "idna", "punycode", "undefined", "hex", "unicode_escape", "mbcs", "x\0y")


@QUICK
@given(st.sampled_from(CHARSETS), st.binary())
def test_any_charset(charset: str, content: bytes) -> None:
    coded = base64.encodebytes(content).decode()
    word = base64.b64encode(content).decode()
    head = f"From: a\nSubject: =?{charset}?b?{word}?= [PATCH]\nContent-Type: text/plain; charset={charset}\n"
    check(f"{head}Content-Transfer-Encoding: base64\n\n{coded}\n{DIFF}".encode())


def nested(depth: int) -> bytes:
    inner = mail(BODY)
    for _ in range(depth):
        inner = b"From: a\nContent-Type: message/rfc822\n\n" + inner
    return inner


def within(depth: int) -> bytes:
    heads = "".join(f'Content-Type: multipart/mixed; boundary="{at}"\n\n--{at}\n' for at in range(depth))
    return f"From: a\n{heads}\n{DIFF}".encode()


BOMBS = {
    "a series of a thousand million": box(mail(BODY, "[PATCH 1/999999999] a"), mail(BODY, "[PATCH 2/999999999] b")),
    "a number without end": mail(BODY, f"[PATCH {'9' * 9000}/{'9' * 9000}] a"),
    "a version without end": mail(BODY, f"[PATCH v{'9' * 9000}] a"),
    "mails in mails": nested(3000),
    "parts in parts": within(3000),
    "many mails": b"From a Thu Jan  1 00:00:00 1970\n\n" * 100_000,
    "many headers": b"From: a\n" * 200_000,
    "a header without end": b"Subject: [PATCH] " + b"=?utf-8?q?a?= " * 20_000 + b"\n\n" + BODY.encode(),
    "a subject of brackets": mail(BODY, "[a]" * 50_000 + "[PATCH"),
    "an answer to everything": b"From: a\nReferences: " + b"<a@b> " * 100_000 + b"\n\n" + BODY.encode(),
    "punycode": mail(BODY + "a" * 300_000 + "-" + "z" * 300_000, charset="utf-8").replace(b"utf-8", b"punycode"),
    "boundaries": b"From: a\nContent-Type: multipart/mixed; boundary=x\n\n" + b"--x\n" * 100_000,
    "parameters": b"From: a\nContent-Type: text/plain" + b"; a=b" * 50_000 + b"\n\n" + BODY.encode(),
    "a signature that does not end": b"-----BEGIN PGP SIGNED MESSAGE-----\n\n" * 30_000,
    "flowed": mail(" \n" * 300_000 + BODY).replace(b"utf-8", b"utf-8; format=flowed"),
    "gzip in gzip in gzip": gzip.compress(gzip.compress(gzip.compress(b"a" * 40_000_000))),
    "a hundred megabytes": gzip.compress(b"a" * 100_000_000),
}


@pytest.mark.parametrize("name", BOMBS)
def test_what_is_made_to_take_for_ever_does_not(name: str) -> None:
    data = BOMBS[name]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.process_time()
    check(data)
    assert time.process_time() - began < 20
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000  # KiB
