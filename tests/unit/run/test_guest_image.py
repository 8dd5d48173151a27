"""The guest's initramfs with the mkfs of a kind of file system behind it."""

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
import requires

from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import UserError
from kzram_ci.kernel.context import Context
from kzram_ci.kernel.source import programs
from kzram_ci.model.arch import arch_of
from kzram_ci.model.events import Note
from kzram_ci.model.filesystem import kind_of
from kzram_ci.model.kernel import RootfsImage
from kzram_ci.run import guest_image

EXT4 = kind_of("ext4")


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A host whose mkfs.ext4 is a program of ours, linked as any program is."""
    path = tmp_path / "mkfs.ext4"
    source = b"int main(void) { return 0; }"
    subprocess.run((requires.tool("gcc"), "-x", "c", "-", "-o", str(path)), input=source, check=True)
    place = programs.Place(root=Path("/"), path=path, origin="a test")
    monkeypatch.setattr(programs, "installed", lambda name, root=Path("/"): place)
    return path


def made(tmp_path: Path, told: list[object] | None = None) -> RootfsImage:
    plain = tmp_path / "plain.cpio"
    plain.write_bytes(b"0" * 512)
    context = Context(
        cache=tmp_path / "cache",
        deadline=Deadline.after(60),
        listener=lambda event: None if told is None else told.append(event),
    )
    return guest_image._with_tools(RootfsImage(key="plain", path=str(plain)), "x86_64", EXT4, context)


def test_the_program_and_its_libraries_lie_where_no_shell_takes_its_own_applet(tmp_path: Path, host: Path) -> None:
    told: list[object] = []
    image = made(tmp_path, told)
    data = Path(image.path).read_bytes()
    assert data.startswith(b"0" * 512)
    for name in (b"usr/lib/kzram/mkfs.ext4\0", b"usr/lib/kzram/libc.so.6\0", b"ld-linux"):
        assert name in data
    assert host.read_bytes() in data
    assert Note(subject="guest", text="mkfs.ext4 of a test") in told


def test_another_program_is_another_image(tmp_path: Path, host: Path) -> None:
    first = made(tmp_path)
    assert made(tmp_path) == first
    host.write_bytes(host.read_bytes() + b"\0")
    assert made(tmp_path).key != first.key


def test_a_program_for_another_architecture(tmp_path: Path, host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row = replace(arch_of("x86_64"), elf_machine="EM_ARM", bits=32)
    monkeypatch.setattr(guest_image, "arch_of", lambda name: row)
    with pytest.raises(UserError, match="is not built for x86_64"):
        made(tmp_path)


def test_a_program_that_is_none(tmp_path: Path, host: Path) -> None:
    host.write_bytes(b"#!/bin/sh\n")
    with pytest.raises(UserError, match=r"mkfs\.ext4: not an ELF file"):
        made(tmp_path)
