"""The keys and the line of a guest that is reached by ssh."""

import os
import shlex
import subprocess
from pathlib import Path

import requires
from builders import a_cell

from kzram_ci.guest.conf import cell_conf
from kzram_ci.model.machine import Accel, MachineSpec
from kzram_ci.model.root import RootKind, RootSpec
from kzram_ci.run import ssh
from kzram_ci.vm.argv import CellPaths, argv

PATHS = CellPaths(qmp="/s/qmp", control="/s/control", serial="/s/serial", console="/c/console.log", root="/r/disk")


def test_keys_are_fresh_and_the_host_is_pinned(tmp_path: Path) -> None:
    requires.tool("ssh-keygen")
    door = ssh.make(tmp_path)
    files = door.guest_files
    assert set(files) == {f"{ssh.PLACE}/{name}" for name in ("host_key", "authorized_keys", "sshd_config")}
    assert b"BEGIN OPENSSH PRIVATE KEY" in files[f"{ssh.PLACE}/host_key"]
    assert files[f"{ssh.PLACE}/authorized_keys"] == (door.directory / "key.pub").read_bytes()
    assert (door.directory / "key").stat().st_mode & 0o77 == 0
    known = (door.directory / "known_hosts").read_text()
    assert known.startswith(f"[127.0.0.1]:{door.port} ssh-ed25519 ")
    assert known.split()[2] in (door.directory / "host_key.pub").read_text()
    words = shlex.split(door.line())
    assert (words[:3], words[-1]) == (["ssh", "-p", str(door.port)], "root@127.0.0.1")
    again = ssh.make(tmp_path)
    assert again.guest_files != files
    asked = ("ssh", "-G", *words[1:])
    shown = subprocess.run(asked, capture_output=True, text=True, env={"PATH": os.environ["PATH"]}, check=True).stdout
    assert "stricthostkeychecking true\n" in shown
    assert f"userknownhostsfile {again.directory}/known_hosts\n" in shown


def test_one_port_of_the_loopback_and_no_way_out() -> None:
    root = RootSpec(kind=RootKind.DEBIAN, suite="trixie")
    plain = " ".join(argv(MachineSpec(root=root), Accel.TCG, kernel="k", initrd="i", paths=PATHS))
    assert "netdev" not in plain
    spec = MachineSpec(root=RootSpec(kind=RootKind.DEBIAN, suite="trixie", ssh_port=2222))
    words = argv(spec, Accel.TCG, kernel="k", initrd="i", paths=PATHS)
    assert words[words.index("-netdev") + 1] == "user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:2222-10.0.2.15:22"
    assert "SSH='1'\n" in cell_conf(a_cell(machine=spec), "abc")
    assert "SSH=" not in cell_conf(a_cell(machine=MachineSpec(root=root)), "abc")
