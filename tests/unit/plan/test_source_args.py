from pathlib import Path

import pytest

from kzram_ci.base.errors import UserError
from kzram_ci.model.source import SourceKind, source_of
from kzram_ci.plan.source_args import is_source, label, parse, split

HERE = Path("/home/me/work")
SHA = "ab" * 32


@pytest.mark.parametrize(
    ("word", "fields"),
    [
        ("git:../linux@v6.13", {"path": "/home/me/linux", "ref": "v6.13"}),
        ("git:../linux", {"path": "/home/me/linux", "ref": "HEAD"}),
        ("git:.@origin/main", {"path": "/home/me/work", "ref": "origin/main"}),
        ("git:.@HEAD@{1}", {"path": "/home/me/work", "ref": "HEAD@{1}"}),
        ("git:https://git.example.org/linux.git@v6.13", {"url": "https://git.example.org/linux.git", "ref": "v6.13"}),
        ("git:https://me@git.example.org/linux", {"url": "https://me@git.example.org/linux", "ref": "HEAD"}),
        ("git:git@example.org:me/linux.git@topic", {"url": "git@example.org:me/linux.git", "ref": "topic"}),
        ("directory:.", {"path": "/home/me/work"}),
        ("directory:/src/linux@home", {"path": "/src/linux@home"}),
        (f"tarball:linux.tar.xz#sha256={SHA}", {"path": "/home/me/work/linux.tar.xz", "sha256": SHA}),
        (f"tarball:https://example.org/l.tar#sha256={SHA}", {"url": "https://example.org/l.tar", "sha256": SHA}),
        ("debian:linux-source-6.1", {"package": "linux-source-6.1"}),
        ("debian:linux-image-cloud-amd64@trixie", {"package": "linux-image-cloud-amd64", "suite": "trixie"}),
        ("image:/boot/vmlinuz-6.1.0", {"path": "/boot/vmlinuz-6.1.0"}),
        ("image:bzImage#modules=m&config=c", {"path": "/home/me/work/bzImage", "modules": "/home/me/work/m",
                                              "config": "/home/me/work/c"}),
    ],
)  # fmt: skip
def test_parse(word: str, fields: dict[str, str]) -> None:
    assert parse(word, HERE) == source_of(SourceKind(word.partition(":")[0]), fields)


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("git:", "is not a source"),
        ("svn:x", "'svn' is not a kind of source"),
        ("tarball:linux.tar.xz", "no sha256"),
        ("tarball:linux.tar.xz#sha256=12", "no sha256"),
        ("image:x#suite=y", "'suite=y' does not apply to image:"),
        ("image:x#modules=", "does not apply"),
    ],
)
def test_what_is_not_well_formed(word: str, told: str) -> None:
    with pytest.raises(UserError, match=told) as caught:
        parse(word, HERE)
    assert caught.value.hint


def test_globs_and_sources_are_told_apart() -> None:
    globs, sources = split(["stock", "git:../linux@v6.13", "un*"], HERE)
    assert globs == ("stock", "un*")
    assert [source.words() for source in sources] == ["git:/home/me/linux@v6.13"]
    assert not is_source("stock")


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("../linux", "--kernel directory:../linux, or git:../linux@REF"),
        (".", "--kernel directory:., or git:.@REF"),
        ("~/linux", "--kernel directory:~/linux"),
        ("dir:../linux", "--kernel directory:../linux"),
        ("gti:../linux@v6.13", "--kernel git:../linux@v6.13"),
        ("https://git.example.org/linux.git", "--kernel git:https://git.example.org/linux.git"),
        ("./linux-6.12.tar.xz", "--kernel tarball:./linux-6.12.tar.xz#sha256=DIGEST"),
        ("/boot/vmlinuz-6.1.0", "--kernel image:/boot/vmlinuz-6.1.0"),
        ("arch/x86/boot/bzImage", "--kernel image:arch/x86/boot/bzImage"),
    ],
)
def test_a_path_without_a_kind_suggests_the_source_it_is(word: str, meant: str) -> None:
    with pytest.raises(UserError, match="is neither the name of a kernel nor a source") as caught:
        split([word], HERE)
    assert caught.value.hint.startswith(meant)


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("git:../linux@v6.13", "v6.13"),
        ("git:../linux@origin/main", "origin-main"),
        ("git:../linux", "linux"),
        ("directory:/src/linux-next/", "linux-next"),
        ("debian:linux-source-6.1@bookworm", "linux-source-6.1-bookworm"),
        ("image:/boot/vmlinuz-6.1.0", "vmlinuz-6.1.0"),
    ],
)
def test_label(word: str, name: str) -> None:
    assert label(parse(word, HERE)) == name
