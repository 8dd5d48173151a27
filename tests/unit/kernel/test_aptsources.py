"""Mirrors come from the host's apt configuration; no archive host stands in the code."""

import re
from pathlib import Path

import pytest

import kzram_ci
from kzram_ci.kernel.source.aptsources import Repository, choose, deb822, mirror_for, one_line, sibling

LIST = """\
# deb http://old.example.org/debian bookworm main
deb http://m.example.org/debian bookworm main contrib # the mirror
deb [arch=amd64 signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] https://s.example.org/debian-security \
bookworm-security main
deb-src http://m.example.org/debian bookworm main
deb [signed-by=/etc/apt/keyrings/docker.asc] https://docker.example.org/linux/debian bookworm stable
"""
SOURCES = """\
Types: deb deb-src
URIs: http://m.example.org/debian http://n.example.org/debian
# a comment
Suites: bookworm bookworm-updates
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 -----END PGP PUBLIC KEY BLOCK-----

Types: deb
URIs: http://off.example.org/debian
Suites: trixie
Components: main
Enabled: no

Types: deb-src
URIs: http://src.example.org/debian
Suites: trixie
Components: main
"""


def repository(uri: str, suite: str, signed_by: str = "", components: tuple[str, ...] = ("main",)) -> Repository:
    return Repository(uri=uri, suite=suite, components=components, signed_by=signed_by)


def test_one_line() -> None:
    keys = "/usr/share/keyrings/debian-archive-keyring.gpg"
    assert one_line(LIST) == (
        repository("http://m.example.org/debian", "bookworm", components=("main", "contrib")),
        repository("https://s.example.org/debian-security", "bookworm-security", keys),
        repository("https://docker.example.org/linux/debian", "bookworm", "/etc/apt/keyrings/docker.asc", ("stable",)),
    )


def test_deb822() -> None:
    found = deb822(SOURCES)
    assert [(entry.uri, entry.suite) for entry in found] == [
        ("http://m.example.org/debian", "bookworm"),
        ("http://m.example.org/debian", "bookworm-updates"),
        ("http://n.example.org/debian", "bookworm"),
        ("http://n.example.org/debian", "bookworm-updates"),
    ]
    assert "PGP PUBLIC KEY" in found[0].signed_by


@pytest.mark.parametrize(
    ("suite", "mirror"),
    [
        ("bookworm", "http://m.example.org/debian"),
        ("trixie", "http://m.example.org/debian"),
        ("bookworm-security", "https://s.example.org/debian-security"),
        ("trixie-security", "https://s.example.org/debian-security"),
        ("bookworm-backports", "http://m.example.org/debian"),
    ],
)
def test_a_suite_comes_from_where_its_like_does(suite: str, mirror: str) -> None:
    assert mirror_for(suite, one_line(LIST)) == mirror


def test_a_security_suite_without_a_mirror_lies_beside_the_others() -> None:
    assert mirror_for("trixie-security", deb822(SOURCES)) == "http://m.example.org/debian-security/"
    only = (repository("http://s.example.org/debian-security", "bookworm-security"),)
    assert mirror_for("trixie", only) == "http://s.example.org/debian/"


def test_other_archives_with_debians_suite_names_are_not_debians() -> None:
    others = (
        repository("https://packages.example.org/prod", "bookworm", "/etc/apt/keyrings/example.gpg"),
        repository("https://docker.example.org/linux/debian", "bookworm", components=("stable",)),
        repository("http://archive.example.org/ubuntu", "noble"),
        repository("cdrom:[Debian]/", "bookworm"),
    )
    assert mirror_for("trixie", others) == ""
    ours = repository("http://m.example.org/deb", "bookworm", "/usr/share/keyrings/debian-archive-keyring.gpg")
    assert mirror_for("trixie", (*others, ours)) == "http://m.example.org/deb"


def test_mirrors_that_are_named_outright() -> None:
    assert choose((), "trixie") == ""
    assert choose(("http://m/debian",), "trixie") == "http://m/debian"
    assert choose(("http://m/debian/",), "trixie-security") == "http://m/debian-security/"
    assert choose(("http://m/debian", "http://s/security"), "trixie-security") == "http://s/security"
    assert sibling("http://m/debian-security/", "sid") == "http://m/debian/"


def test_no_archive_host_stands_in_the_code() -> None:
    # kernel.org's two are where a release and a mail are at home, not a mirror that a host may have another of
    known = r"www\.w3\.org|json-schema\.org|drgn\.readthedocs\.io|example\.org|HOST\b"
    others = rf"cdn\.kernel\.org|lore\.kernel\.org|{known}"
    urls = re.compile(rf"https?://(?!{others})[\w.-]+|\bdeb\.debian|security\.debian")
    root = Path(kzram_ci.__file__).parent
    found = [f"{path.name}: {match[0]}" for path in root.rglob("*.py") for match in urls.finditer(path.read_text())]
    assert not found
