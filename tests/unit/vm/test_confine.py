"""Which confinement QEMU gets: what works on this host, and what its machine allows."""

import os
from pathlib import Path

import pytest
import requires

from kzram_ci.base import proc
from kzram_ci.model.machine import Dump, MachineSpec, Share
from kzram_ci.vm import confine
from kzram_ci.vm.confine import confinement, may_change_user


@pytest.fixture
def qemu(tmp_path: Path) -> Path:
    """A QEMU that works with the words in `knows`."""
    program = tmp_path / "qemu"
    program.write_text(
        f"#!/bin/sh\nread line\n[ $line = quit ] || exit 1\n"
        f'for known in "$(cat {tmp_path}/knows)"; do case "$*" in *$known*) exit 0 ;; esac; done\nexit 1\n'
    )
    program.chmod(0o755)
    return program


@pytest.mark.parametrize(
    ("knows", "root", "words"),
    [
        ("-run-with", True, ("-run-with", "user=nobody")),
        ("-runas", True, ("-runas", "nobody")),
        ("elevateprivileges=deny", True, ("-sandbox", confine._SAME_USER[0][1])),
        ("-", False, ("-sandbox", confine._SAME_USER[0][1])),
        ("nothing", True, ()),
        ("nothing", False, ()),
    ],
)
def test_the_first_that_works(
    qemu: Path, knows: str, root: bool, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    (qemu.parent / "knows").write_text(knows)
    monkeypatch.setattr(confine, "may_change_user", lambda: root)
    assert confinement(str(qemu), MachineSpec())[-2:] == words


@pytest.mark.parametrize(
    "spec",
    [
        MachineSpec(shares=(Share(directory="/x", mount="/mnt"),)),
        MachineSpec(dump=Dump.ON_CRASH),
        MachineSpec(qemu_args=("-s",)),
    ],
)
def test_who_opens_files_later_keeps_its_user(qemu: Path, spec: MachineSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    (qemu.parent / "knows").write_text("-")
    monkeypatch.setattr(confine, "may_change_user", lambda: True)
    assert confinement(str(qemu), spec) == confine._SAME_USER[0]


def test_a_qemu_that_hangs_or_is_gone_is_not_confined(qemu: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    qemu.write_text("#!/bin/sh\nexec sleep 60\n")
    monkeypatch.setattr(confine, "PROOF_SECONDS", 0.2)
    assert confinement(str(qemu), MachineSpec()) == ()
    assert confinement("/nowhere/qemu", MachineSpec()) == ()


@pytest.mark.parametrize(
    ("uid", "rights", "uid_map", "can"),
    [
        (0, "000001ffffffffff", "0 0 4294967295", True),
        (1000, "000001ffffffffff", "0 0 4294967295", False),
        (0, "0000000000000000", "0 0 4294967295", False),
        (0, "000001ffffffffff", "0 1000 1", False),  # a container that knows one user
        (0, "000001ffffffffff", "0 1000 1\n1 100000 65536", True),
        (0, "", "", False),
    ],
)
def test_who_can_become_another_user(
    uid: int, rights: str, uid_map: str, can: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    (tmp_path / "status").write_text(f"Name:\tx\nCapEff:\t{rights}\n")
    (tmp_path / "map").write_text(uid_map)
    assert may_change_user(tmp_path / "status", tmp_path / "map") is can


def test_the_qemu_of_this_host_is_confined(monkeypatch: pytest.MonkeyPatch) -> None:
    """What works is found by starting it; a distribution's QEMU has seccomp."""
    program = proc.which(requires.tool("qemu-system-x86_64"))
    words = confinement(program, MachineSpec())
    assert words[0] == "-sandbox"
    assert ("nobody" in words[-1]) is may_change_user()
