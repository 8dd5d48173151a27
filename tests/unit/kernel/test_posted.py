"""Series as git writes them and lists deliver them; each case begins with `git format-patch` of a real repository."""

import base64
import contextlib
import gzip
import mailbox
import quopri
import random
import re
import subprocess
from collections.abc import Callable
from email import message_from_bytes
from email.message import Message
from email.mime.message import MIMEMessage
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from pathlib import Path

import pytest

from kzram_ci.kernel import diff
from kzram_ci.kernel.letter import MOST_BYTES
from kzram_ci.kernel.posted import Posted, read

TEXT = "int first;\n\n\tint second; /* é */\n\nint last;\n"
STEPS = ("\tint second = 2; /* é */", "\tint second = 3; /* é = */")
Git = Callable[..., bytes]


@pytest.fixture(scope="module")
def git(tmp_path_factory: pytest.TempPathFactory) -> Git:
    """A repository: `base`, then three commits that change a.c, add b.c and change both."""
    where = tmp_path_factory.mktemp("repo")

    def run(*words: str) -> bytes:
        settings = ("-c", "user.name=Ä Author", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
        return subprocess.run(("git", *settings, *words), cwd=where, check=True, capture_output=True).stdout

    run("init", "-q", "-b", "main")
    (where / "a.c").write_text(TEXT)
    run("add", "-A"), run("commit", "-qm", "start"), run("tag", "base")
    (where / "a.c").write_text(TEXT.replace("\tint second; /* é */", STEPS[0]))
    run("commit", "-qam", "a: begin at two [1/9]\n\nFrom there on:\n\n  diff of old and new follows")
    (where / "b.c").write_text("int b;\n")
    run("add", "-A"), run("commit", "-qm", "b: new")
    (where / "a.c").write_text(TEXT.replace("\tint second; /* é */", STEPS[1]))
    (where / "b.c").write_text("int b = 1;\n")
    run("commit", "-qam", "a, b: three")
    return run


@pytest.fixture
def applied(tmp_path: Path) -> Callable[[Posted], str]:
    """What a.c is after the whole series, by git's strict apply."""

    def apply(found: Posted) -> str:
        (tmp_path / "a.c").write_text(TEXT)
        for patch in found.patches:
            subprocess.run(("git", "apply", "-"), input=patch.text.encode(), cwd=tmp_path, check=True)
        return (tmp_path / "a.c").read_text()

    return apply


AFTER = TEXT.replace("\tint second; /* é */", STEPS[1])


def letters(git: Git, *options: str) -> list[bytes]:
    """The mails of the whole series, each as bytes without the line that mailboxes begin it with."""
    data = git("format-patch", "--stdout", "--thread", *options, "base..main")
    return [part.partition(b"\n")[2] for part in re.split(rb"(?m)^(?=From [0-9a-f]{40} Mon Sep 17)", data) if part]


def box(*mails: bytes) -> bytes:
    return b"".join(b"From mboxrd@z Thu Jan  1 00:00:00 1970\n" + mail.rstrip(b"\n") + b"\n\n" for mail in mails)


def from_box(*mails: bytes) -> Posted:
    return read([("t.mbox", box(*mails))])


def coded(mail: bytes, encoding: str, charset: str = "utf-8", crlf: bool = False) -> bytes:
    """The same mail in another transfer encoding."""
    message = message_from_bytes(mail)
    payload = message.get_payload(decode=True)
    assert isinstance(payload, bytes)
    raw = payload.decode().encode(charset)
    raw = raw.replace(b"\n", b"\r\n") if crlf else raw
    codes: dict[str, Callable[[bytes], bytes]] = {
        "quoted-printable": quopri.encodestring,
        "base64": base64.encodebytes,
        "8bit": bytes,
    }
    body = codes[encoding](raw)
    for name, value in (
        ("Content-Type", f"text/plain; charset={charset}"),
        ("Content-Transfer-Encoding", encoding),
        ("MIME-Version", "1.0"),
    ):
        del message[name]
        message[name] = value
    return head(message) + body


def head(message: Message) -> bytes:
    return b"".join(f"{name}: {value}\n".encode() for name, value in message.items()) + b"\n"


def attached(mail: bytes, kind: str, *, inline: bool = False) -> bytes:
    message, whole = message_from_bytes(mail), MIMEMultipart()
    for name in ("From", "Subject", "Message-Id", "Date"):
        whole[name] = message[name]
    text = payload(message)
    whole.attach(MIMEText(text if inline else "See the patch.\n", "plain", "utf-8"))
    if inline:
        whole.attach(MIMEText(f"<pre>{text}</pre>", "html", "utf-8"))
    whole.attach(MIMEText(text, kind, "utf-8"))
    return whole.as_bytes()


def payload(message: Message) -> str:
    raw = message.get_payload(decode=True)
    assert isinstance(raw, bytes)
    return raw.decode()


def flowed(mail: bytes, *, stuffed: bool, width: int = 0) -> bytes:
    """A mail as a mailer of format=flowed sends it: blanks at line ends lost, lines protected, long ones wrapped."""
    message = message_from_bytes(mail)
    lines = [line.rstrip(" ") for line in payload(message).split("\n")]
    if stuffed:
        lines = [f" {line}" if line.startswith((" ", "From ", ">")) else line for line in lines]
    if width:
        lines = [
            part
            for line in lines
            for part in ([line[:width] + " ", line[width:]] if len(line) > width and line[0] in " +-" else [line])
        ]
    del message["Content-Type"], message["Content-Transfer-Encoding"]
    message["Content-Type"] = "text/plain; charset=utf-8; format=flowed"
    message["Content-Transfer-Encoding"] = "8bit"
    return head(message) + "\n".join(lines).encode()


def changed(mails: list[bytes], change: Callable[[bytes], bytes]) -> list[tuple[str, bytes]]:
    """The mailbox of a series whose patches, but not its cover letter, were sent in another way."""
    return [("t.mbox", box(mails[0], *(change(mail) for mail in mails[1:])))]


def signed(mail: bytes, *, clear: bool = False) -> bytes:
    """A mail with a signature (PGP/MIME), or clear-signed: its lines that begin with a dash are escaped."""
    message, whole = message_from_bytes(mail), MIMEMultipart("signed", protocol="application/pgp-signature")
    text = payload(message)
    if clear:
        escaped = re.sub("(?m)^-", "- -", text)
        body = f"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n{escaped}-----BEGIN PGP SIGNATURE-----\n\naa\n"
        return head(message) + f"{body}-----END PGP SIGNATURE-----\n".encode()
    for name in ("From", "Subject", "Message-Id", "Date"):
        whole[name] = message[name]
    whole.attach(MIMEText(text, "plain", "utf-8"))
    whole.attach(MIMEText("-----BEGIN PGP SIGNATURE-----\n\n--- a/x\n+++ b/x\n", "plain", "utf-8"))
    return whole.as_bytes()


def forwarded(mails: list[bytes]) -> bytes:
    """The whole series as attachments of one mail."""
    whole = MIMEMultipart("mixed")
    whole["From"], whole["Subject"], whole["Message-Id"] = "f@example.org", "Fwd: that series", "<fwd@example.org>"
    whole.attach(MIMEText("See there.\n"))
    for mail in mails:
        whole.attach(MIMEMessage(message_from_bytes(mail)))
    return whole.as_bytes()


def subject(mail: bytes, pattern: bytes, with_what: bytes) -> bytes:
    """The mail with its subject changed."""
    return re.sub(rb"(?m)^(Subject: )" + pattern, rb"\1" + with_what, mail, count=1)


SENT: dict[str, Callable[[list[bytes]], list[tuple[str, bytes]]]] = {
    "one mailbox": lambda mails: [("t.mbox", box(*mails))],
    "out of order": lambda mails: [("t.mbox", box(*reversed(mails)))],
    "a file each": lambda mails: [(f"{number}.patch", mail) for number, mail in enumerate(mails)],
    "files out of order": lambda mails: [(f"{number}.patch", mail) for number, mail in enumerate(reversed(mails))],
    "packed": lambda mails: [("t.mbox.gz", gzip.compress(box(*mails)))],
    "packed in pieces": lambda mails: [("t.mbox.gz", b"".join(gzip.compress(box(mail)) for mail in mails))],
    "CRLF": lambda mails: [("t.mbox", box(*mails).replace(b"\n", b"\r\n"))],
    "quoted-printable": lambda mails: [("t.mbox", box(*(coded(mail, "quoted-printable") for mail in mails)))],
    "base64": lambda mails: [("t.mbox", box(*(coded(mail, "base64") for mail in mails)))],
    "base64 of CRLF": lambda mails: [("t.mbox", box(*(coded(mail, "base64", crlf=True) for mail in mails)))],
    "latin-1": lambda mails: [("t.mbox", box(*(coded(mail, "quoted-printable", "iso-8859-1") for mail in mails)))],
    "latin-1, 8 bit": lambda mails: [("t.mbox", box(*(coded(mail, "8bit", "iso-8859-1") for mail in mails)))],
    "attached as a patch": lambda mails: [
        ("t.mbox", box(mails[0], *(attached(mail, "x-patch") for mail in mails[1:])))
    ],
    "attached and in line": lambda mails: changed(mails, lambda mail: attached(mail, "x-diff", inline=True)),
    "signed": lambda mails: changed(mails, signed),
    "clear-signed": lambda mails: changed(mails, lambda mail: signed(mail, clear=True)),
    "forwarded as attachments": lambda mails: [("t.mbox", box(forwarded(mails)))],
    "with From lines in the text": lambda mails: changed(
        mails, lambda mail: mail.replace(b"\n\n", b"\n\nFrom: O Ther <o@example.org>\n\n", 1)
    ),
    "with another diff of each in its notes": lambda mails: changed(
        mails, lambda mail: mail.replace(b"\n---\n", b"\n---\nInterdiff:\n  diff --git a/a.c b/a.c\n  --- a/a.c\n\n", 1)
    ),
    "delivered twice": lambda mails: [("t.mbox", box(*mails, *mails))],
    "with the archive's footer": lambda mails: [
        ("t.mbox", box(*(mail + b"\n___\nlist mailing list\n" for mail in mails)))
    ],
    "flowed and stuffed": lambda mails: [
        ("t.mbox", box(mails[0], *(flowed(mail, stuffed=True) for mail in mails[1:])))
    ],
    "flowed, not stuffed": lambda mails: [
        ("t.mbox", box(mails[0], *(flowed(mail, stuffed=False) for mail in mails[1:])))
    ],
}


@pytest.mark.parametrize("name", SENT)
@pytest.mark.parametrize("options", [("--cover-letter",), ("--cover-letter", "-v3", "--rfc")], ids=["first", "v3 RFC"])
def test_a_series_arrives_however_it_was_sent(
    name: str, options: tuple[str, ...], git: Git, applied: Callable[[Posted], str]
) -> None:
    found = read(SENT[name](letters(git, *options)))
    assert [patch.name[:4] for patch in found.patches] == ["0001", "0002", "0003"]
    assert found.patches[0].name == "0001-a-begin-at-two-1-9.patch"  # brackets in a subject are not tags
    assert found.version == (3 if "-v3" in options else 1)
    assert applied(found) == AFTER
    assert found.title == "*** SUBJECT HERE ***"
    assert found.parent.message_id and found.link.endswith(found.parent.message_id)


def test_what_a_mailbox_of_a_maildir_reader_saves(git: Git, tmp_path: Path, applied: Callable[[Posted], str]) -> None:
    """Python's own writer of mailboxes, as mutt and Thunderbird write them, with a From line of an address."""
    saved = mailbox.mbox(tmp_path / "saved")
    for mail in letters(git):
        saved.add(message_from_bytes(mail))
    saved.close()
    assert applied(read([("saved", (tmp_path / "saved").read_bytes())])) == AFTER


def test_what_git_itself_writes(git: Git, applied: Callable[[Posted], str]) -> None:
    data = git("format-patch", "--stdout", "base..main")
    found = read([("series.mbox", data)])
    assert applied(found) == AFTER
    assert found.parent.message_id == "" and found.link == ""


def test_a_file_of_git_attached_in_a_mailbox_is_no_second_mail(git: Git) -> None:
    (file,) = letters(git, "-1")[:1]
    inner = b"From " + b"a" * 40 + b" Mon Sep 17 00:00:00 2001\n" + file
    outer = (
        b"From: a@example.org\nSubject: [PATCH] with an attachment\nMIME-Version: 1.0\n"
        b"Content-Type: multipart/mixed; boundary=B\n\n--B\nContent-Type: text/plain\n\nhello\n"
        b"--B\nContent-Type: text/x-patch\n\n" + inner + b"\n--B--\n"
    )
    assert len(from_box(outer).patches) == 1


def test_a_diff_without_any_mail(git: Git, applied: Callable[[Posted], str]) -> None:
    found = read([("fix.diff", git("diff", "base", "main"))])
    assert applied(found) == AFTER
    assert [patch.name for patch in found.patches] == ["fix.diff"]
    assert (found.title, found.link) == ("fix.diff", "")


def test_the_newest_version_counts_and_the_others_are_named(git: Git) -> None:
    old, new = letters(git, "--cover-letter", "-v2"), letters(git, "--cover-letter", "-v3")
    found = from_box(*new, *old)
    assert (found.version, len(found.patches)) == (3, 3)
    assert found.notes == ("v2 is left out: v3 is newer",)


def test_a_reply_with_a_diff_is_not_a_patch(git: Git) -> None:
    mails = letters(git, "--cover-letter")
    reply = re.sub(rb"(?m)^Subject: .*$", b"Subject: Re: [PATCH 2/3] b: new", mails[2], count=1)
    found = from_box(*mails, reply)
    assert len(found.patches) == 3
    assert found.notes == ("1 reply with a diff left out",)


TAGS = {
    b"[PATCH net-next v3 0%d/03 RESEND]": 3,
    b"[RFC] [PATCH v2 %d/3] [net]": 2,
    b"[linux-mm] [PATCHv4 %d/3]": 4,
    b"[PATCH V4 %d/3]": 4,
    b"[PATCH mm-unstable\n v3 %d/3]": 3,
    b"[PATCH 6.12.y v2 %d/3]": 2,
    b"[PATCH 5.4/5.10 %d/3]": 1,
    b"[PATCH 6.12 00%d/003]": 1,
    b"=?UTF-8?Q?=5BPATCH_v7_%d/3=5D?=": 7,
}


@pytest.mark.parametrize(("tags", "version"), TAGS.items(), ids=[tags.decode() for tags in TAGS])
def test_the_tags_of_a_series(tags: bytes, version: int, git: Git, applied: Callable[[Posted], str]) -> None:
    mails = [
        subject(mail, rb"\[PATCH \d/3\]", tags % number) for number, mail in enumerate(letters(git, "--cover-letter"))
    ]
    found = from_box(*mails)
    assert (found.version, len(found.patches), applied(found)) == (version, 3, AFTER)
    assert found.title == "*** SUBJECT HERE ***"


ANSWERS = (
    "Re:", "RE: [EXT] Re:", "Re[2]:", "Re^2:", "Antwort:", "Fwd:", "[External] Re:",
    "\u56de\u590d:", "Odp\uff1a",
)  # fmt: skip


@pytest.mark.parametrize("word", ANSWERS)
def test_an_answer_is_not_a_patch_in_whatever_language(word: str, git: Git) -> None:
    mails = letters(git, "--cover-letter")
    answer = subject(mails[2], rb"", f"{word} ".encode()).replace(b"Message-Id: <", b"Message-Id: <answer-")
    found = from_box(*mails, answer)
    assert len(found.patches) == 3
    assert found.notes == ("1 reply with a diff left out",)


def test_a_subject_that_begins_like_an_answer_is_a_patch(git: Git) -> None:
    """What stands behind the tags of a patch is the name of a part of the kernel."""
    for name in (b"re", b"wg", b"[RFC] re"):
        mail = subject(letters(git)[0], rb"\[PATCH 1/3\] a", b"[PATCH] " + name)
        assert len(from_box(mail).patches) == 1


def test_a_patch_that_answers_a_patch_is_left_out_and_named(git: Git) -> None:
    mails = letters(git, "--cover-letter")
    name = re.search(rb"(?mi)^Message-Id: (<.*>)", mails[2])
    assert name is not None
    fixup = (
        b"From: R <r@example.org>\nSubject: [PATCH] fix for b\nMessage-Id: <f@x>\nIn-Reply-To: " + name[1] + b"\n\n"
        b"---\ndiff --git a/b.c b/b.c\n--- a/b.c\n+++ b/b.c\n@@ -1 +1 @@\n-int b;\n+int c;\n"
    )
    found = from_box(*mails, fixup)
    assert len(found.patches) == 3
    assert found.notes == ("'fix for b', an answer to a patch, is left out",)
    apart = fixup.replace(name[1], b"<else@where>")
    with pytest.raises(ValueError, match="'fix for b' has no number"):
        from_box(*mails, apart)


def test_what_was_sent_again_counts_where_it_is_whole(git: Git, applied: Callable[[Posted], str]) -> None:
    mails = letters(git, "--cover-letter")
    again = [
        subject(mail, rb"\[PATCH", b"[RESEND PATCH").replace(b"Message-Id: <", b"Message-Id: <again-") for mail in mails
    ]
    wrong = [mail.replace(b"second = 3", b"second = 9") for mail in mails]
    found = from_box(*wrong, *again)
    assert applied(found) == AFTER
    assert "what was sent before its RESEND is left out" in found.notes
    assert len(from_box(*mails[:3], again[3]).patches) == 3  # a mail that had been lost


def test_one_patch_of_a_newer_version_is_not_a_series(git: Git) -> None:
    mails = letters(git, "--cover-letter")
    newer = subject(mails[2], rb"\[PATCH 2/3\]", b"[PATCH v2 2/3]").replace(b"Message-Id: <", b"Message-Id: <n-")
    with pytest.raises(ValueError, match=r"patch 1/3, 3/3 of v2 of the series is missing; if only some .* b4 am"):
        from_box(*mails, newer)
    alone = subject(newer, rb"\[PATCH v2 2/3\]", b"[PATCH v2]")
    with pytest.raises(ValueError, match=r"v2 of 'b: new' is one patch, and takes the place of 2/3 of v1"):
        from_box(*mails, alone)


def test_a_cover_letter_with_a_range_diff_is_not_a_patch(git: Git) -> None:
    mails = letters(git, "--cover-letter")
    shown = mails[0] + b"\n" + git("diff", "base", "main")
    assert len(from_box(shown, *mails[1:]).patches) == 3


def test_what_a_series_says_of_its_base(git: Git) -> None:
    base = git("rev-parse", "base").decode().strip()
    found = from_box(*letters(git, "--cover-letter", f"--base={base}"))
    assert found.base_commit == base
    needs = letters(git, "--cover-letter")
    needs[0] += b"\nchange-id: 20261128-clen-1\nprerequisite-patch-id: 0123\nprerequisite-patch-id: 4567\n"
    found = from_box(*needs)
    assert (found.base_commit, found.change_id) == ("", "20261128-clen-1")
    assert "2 prerequisite patches" in found.notes[0]


def test_who_is_answered(git: Git) -> None:
    mails = letters(git, "--cover-letter", "--to=b@example.org", "--cc=c@example.org")
    parent = from_box(*reversed(mails)).parent
    assert parent.subject == "[PATCH 0/3] *** SUBJECT HERE ***"
    assert parent.sender == "Ä Author <a@example.org>"
    assert (parent.to, parent.cc) == ("b@example.org", "c@example.org")
    single = from_box(letters(git)[0].replace(b"[PATCH 1/3]", b"[PATCH]")).parent
    assert single.subject.startswith("[PATCH] a: begin")
    assert "diff of old and new follows" in single.text and "@@" not in single.text


def without(*numbers: int) -> Callable[[list[bytes]], list[bytes]]:
    return lambda mails: [mail for number, mail in enumerate(mails) if number not in numbers]


def retitled(old: bytes, new: bytes, which: int) -> Callable[[list[bytes]], list[bytes]]:
    def change(mails: list[bytes]) -> list[bytes]:
        return [mail.replace(old, new) if number == which else mail for number, mail in enumerate(mails)]

    return change


REFUSED: dict[str, tuple[Callable[[list[bytes]], list[bytes]], str]] = {
    "a part in the middle": (without(2), "patch 2/3 of the series is missing"),
    "the last parts": (without(2, 3), "patch 2/3, 3/3 of the series is missing"),
    "the cover letter alone": (without(1, 2, 3), "no diff in it"),
    "two of one number": (retitled(b"PATCH 3/3", b"PATCH 2/3", 3), "two patches are 2/3"),
    "two series": (retitled(b"PATCH 3/3", b"PATCH 4/4", 3), "these are two series"),
    "one without a number": (retitled(b"PATCH 3/3", b"PATCH", 3), "has no number"),
    "a version of one patch only": (retitled(b"PATCH 2/3", b"PATCH v2 2/3", 2), "patch 1/3, 3/3 of v2 of the series"),
    "a series of a million": (retitled(b"PATCH 3/3", b"PATCH 3/1000000", 3), "two series"),
    "wrapped by a mailer": (
        lambda mails: [mails[0].replace(b"[PATCH 1/3]", b"[PATCH]").replace(b"/* \xc3\xa9 */", b"\n/* \xc3\xa9 */")],
        "looks like the rest of a line that a mailer wrapped",
    ),
    "cut short": (lambda mails: [mails[0].replace(b"[PATCH 1/3]", b"[PATCH]").split(b"+\tint")[0]], "a.c"),
    "a tree that it leaves": (retitled(b"b/a.c", b"b/../a.c", 0), "leaves the source tree"),
    "git's own directory": (retitled(b"a.c", b".git/config", 0), "git's own"),
    "git's own, in capitals, below": (retitled(b"a.c", b"x/.GIT/hooks/a", 0), "git's own"),
    "an absolute path": (retitled(b" b/a.c", b" b//etc/a.c", 0), "leaves the source tree"),
    "a symbolic link": (retitled(b"new file mode 100644", b"new file mode 120000", 1), "symbolic link"),
    "a link out of a file": (
        retitled(b"index ", b"old mode 100644\nnew mode 120000\nindex ", 0),
        "symbolic link",
    ),
    "a submodule": (retitled(b"new file mode 100644", b"new file mode 160000", 1), "submodule"),
    "quoted-printable that does not say so": (
        lambda mails: [
            head(message_from_bytes(mail)).replace(b"8bit", b"7bit")
            + quopri.encodestring(payload(message_from_bytes(mail)).encode())
            for mail in mails
        ],
        "looks like quoted-printable",
    ),
    "HTML and nothing else": (
        lambda mails: [
            head(message_from_bytes(mail)).rstrip(b"\n")
            + b"\nContent-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n"
            + f"<pre>{payload(message_from_bytes(mail))}</pre>".encode()
            for mail in mails
        ],
        "it was sent as HTML only",
    ),
    "paths without a and b": (
        lambda mails: [
            re.sub(rb"(?<= )[ab]/(?=[ab]\.c)", b"", mail.replace(b"[PATCH 1/3]", b"[PATCH]")) for mail in mails[:1]
        ],
        "git's diff.noprefix made it",
    ),
    "bytes of no declared charset": (retitled(b"\xc3\xa9", b"\xe9", 0), "not UTF-8"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_and_why(name: str, git: Git) -> None:
    change, why = REFUSED[name]
    covered = "part" in name or name.startswith(("the", "two", "one", "a version", "a series"))
    mails = letters(git, *(("--cover-letter",) if covered else ()))
    with pytest.raises(ValueError, match=re.escape(why)):
        from_box(*change(mails))


def test_flowed_damage_is_refused_with_its_reason(git: Git) -> None:
    broken = [flowed(mail, stuffed=False, width=20) for mail in letters(git)]
    with pytest.raises(ValueError, match=r"format=flowed, which wraps lines"):
        from_box(*broken)


def test_hostile_sizes() -> None:
    bomb = gzip.compress(b"\0" * (MOST_BYTES + 10))
    with pytest.raises(ValueError, match="unpacks to more than 32 MiB"):
        read([("bomb.mbox.gz", bomb)])
    with pytest.raises(ValueError, match="larger than 32 MiB"):
        read([("big.mbox", b"x" * (MOST_BYTES + 1))])
    with pytest.raises(ValueError, match="its end is missing"):
        read([("cut.gz", gzip.compress(b"some text that is longer than nothing" * 9)[:-9])])
    nested = b"Subject: x\nContent-Type: multipart/mixed; boundary=a\n\n" + b"".join(
        b"--a\nContent-Type: multipart/mixed; boundary=a%d\n\n--a%d\nContent-Type: message/rfc822\n\n" % (n, n)
        for n in range(3000)
    )
    with pytest.raises(ValueError, match=r"nest deeper|no diff in it|give one thread"):
        read([("nested", nested)])
    with pytest.raises(ValueError, match="give one thread"):
        from_box(*[b"Subject: hello\n\nhello\n"] * 2001)


def test_a_rename_and_a_mode_change_out_of_the_tree_are_refused() -> None:
    for text in (
        "diff --git a/a.c b/../b.c\nsimilarity index 100%\nrename from a.c\nrename to ../b.c\n",
        "diff --git a/../run b/../run\nold mode 100644\nnew mode 100755\n",
        "diff --git a/.git/hooks/pre-commit b/.git/hooks/pre-commit\nold mode 100644\nnew mode 100755\n",
    ):
        with pytest.raises(ValueError, match=r"leaves the source tree|git's own"):
            read([("x.patch", text.encode())])
        with pytest.raises(ValueError, match=r"leaves the source tree|git's own"):
            diff.touched(text)


def test_a_binary_change_is_refused() -> None:
    text = "diff --git a/x b/x\nnew file mode 100644\nindex 0000000..1111111\nGIT binary patch\nliteral 1\nIcmZ?\n\n"
    with pytest.raises(ValueError, match=r"no diff in it|binary"):
        read([("x.patch", text.encode())])


def test_blanks_that_a_mailer_changed_are_named() -> None:
    (change,) = diff.files("--- a/a.c\n+++ b/a.c\n@@ -1,2 +1,2 @@\n int a;\n-    int b;\n+\tint c;\n")
    assert "differs in blanks only" in diff.misfit(change.hunks[0], "int a;\n\tint b;\n")


PIECES = (
    b"\n", b"\r\n", b"From a@b Thu Jan  1 00:00:00 1970\n", b"[PATCH 2/3]", b"=?utf-8?b?////?=", b"=?\xe9?q?x?=",
    b"\xff\xfe", b"\0", b"--- a/../x\n+++ b/x\n", b"@@ -1,9999999999 +1 @@\n", b"diff --git a/x b/x\n",
    b"charset=rot13", b"charset=\"\xe9\"", b"Content-Transfer-Encoding: uuencode\n",
    b"Content-Type: multipart/mixed; boundary=\n", b"format=flowed",
)  # fmt: skip


def test_what_was_torn_is_read_or_refused(git: Git) -> None:
    """A thousand mailboxes, each torn in a few places: a series, or ValueError, and nothing else."""
    mails = letters(git)
    whole = [box(*mails), box(*(attached(mail, "x-patch", inline=True) for mail in mails))]
    whole += [box(forwarded(mails)), box(*map(signed, mails)), box(*(signed(mail, clear=True) for mail in mails))]
    chance = random.Random(15)
    for _ in range(1000):
        data = bytearray(chance.choice(whole))
        for _ in range(chance.randint(1, 6)):
            at = chance.randrange(len(data) + 1)
            data[at : at + chance.choice((0, 1, 40))] = chance.choice((*PIECES, bytes([chance.randrange(256)])))
        with contextlib.suppress(ValueError):
            assert read([("torn.mbox", bytes(data))]).patches
