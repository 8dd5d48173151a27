"""A Debian as a disk image: what mmdebstrap is asked for, what becomes of its files, and of its errors."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import requires

from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import InfraError, UserError
from kzram_ci.guest import debian
from kzram_ci.guest.debian import Archive
from kzram_ci.model.root import RootKind, RootSpec

ARCHIVE = Archive(mirror="http://mirror/debian", keyring="/keys.gpg")
SPEC = RootSpec(kind=RootKind.DEBIAN, suite="trixie", packages=("strace", "gdb"))
MAKES_ONE = """\
#!/bin/sh
echo "$@" >>{log}
for last; do tar=$before; before=$last; done
mkdir -p {tree}/dev {tree}/bin && echo hi >{tree}/bin/sh && mkfifo {tree}/dev/odd
exec tar -cf "$tar" -C {tree} .
"""


@pytest.fixture
def mmdebstrap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in that makes a small tree; what it was asked for is in the log."""
    requires.tool("mke2fs")
    program = tmp_path / "bin" / "mmdebstrap"
    program.parent.mkdir()
    program.write_text(MAKES_ONE.format(log=tmp_path / "log", tree=tmp_path / "tree"))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)
    return program


def build(tmp_path: Path, spec: RootSpec = SPEC) -> Path:
    return debian.build(spec, ARCHIVE, arch="x86_64", cache=tmp_path / "cache", deadline=Deadline.after(60))


def test_it_is_made_once(tmp_path: Path, mmdebstrap: Path) -> None:
    image = build(tmp_path)
    again = RootSpec(kind=RootKind.DEBIAN, suite="trixie", packages=("gdb", "strace"))
    assert build(tmp_path, again) == image
    (asked,) = (tmp_path / "log").read_text().splitlines()
    assert "--mode=auto --variant=apt --architectures=amd64" in asked
    assert "--keyring=/keys.gpg" in asked
    assert "--quiet" not in asked, "apt would keep the reason of a failure to itself"
    assert "--include=strace,gdb trixie " in asked
    assert asked.endswith(" http://mirror/debian")
    debugfs = shutil.which("debugfs") or "/sbin/debugfs"
    shown = subprocess.run((debugfs, "-R", "cat /bin/sh", str(image)), capture_output=True, check=True).stdout
    assert shown == b"hi\n"
    assert b"odd" not in subprocess.run((debugfs, "-R", "ls /dev", str(image)), capture_output=True, check=True).stdout
    assert image.stat().st_size >= debian.ROOM_MIB << 20


@pytest.mark.parametrize(
    ("printed", "error", "why"),
    [
        (
            "E: Unable to locate package strase",
            UserError,
            r"debian:trixie\+strace\+gdb: Unable to locate package strase",
        ),
        ("W: x\nE: Failed to fetch http://mirror/x  404", InfraError, "Failed to fetch"),
        (
            "E: The repository no Release does not have a Release file.\nE: apt-get update failed",
            UserError,
            "The repository no Release does not have a Release file",
        ),
        (
            "E: setup failed: E: apt-get install x failed\nE: Unable to locate package x",
            UserError,
            ": Unable to locate",
        ),
        ("E: apt-get update failed\nE: run_chroot failed", UserError, "apt-get update failed"),
    ],
)
def test_an_error_names_its_cause(
    tmp_path: Path, mmdebstrap: Path, printed: str, error: type[Exception], why: str
) -> None:
    mmdebstrap.write_text(f"#!/bin/sh\necho '{printed}' >&2\nexit 25\n")
    with pytest.raises(error, match=why):
        build(tmp_path)
    assert not list((tmp_path / "cache" / "roots").glob("*/root.ext4"))


def test_without_mmdebstrap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="mmdebstrap not found") as caught:
        build(tmp_path)
    assert "mmdebstrap" in str(caught.value.hint)
