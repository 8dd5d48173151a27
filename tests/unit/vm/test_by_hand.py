"""qemu.txt runs by hand: with a QEMU that only notes how it was called, and what it was given."""

import shlex
import subprocess
from pathlib import Path

import pytest

from kzram_ci.model.machine import Accel, MachineSpec
from kzram_ci.vm.argv import CellPaths, alone_argv, argv
from kzram_ci.vm.by_hand import exact, script

SPEC = MachineSpec(disk_mib=3, cmdline=("quiet", "word=it's"), qemu_args=("-device", "virtio-rng-pci"))


@pytest.fixture
def qemu(tmp_path: Path) -> Path:
    program = tmp_path / "bin" / "qemu"
    program.parent.mkdir()
    program.write_text(
        f"""#!/bin/sh
printf '%s\\n' "$@" >{tmp_path}/words
cp initrd.img {tmp_path}/seen-initrd
stat -c %s disk.img >{tmp_path}/disk
pwd >{tmp_path}/work
echo '{{"ev":"exit","code":0}}' >control.log
exit 3
"""
    )
    program.chmod(0o755)
    return program


def written(tmp_path: Path, qemu: Path, *, spec: MachineSpec = SPEC) -> Path:
    cell = tmp_path / "cells" / "a b, c"
    cell.mkdir(parents=True)
    (tmp_path / "rootfs").write_bytes(b"root1")
    (tmp_path / "rootfs").chmod(0o444)  # as in the cache
    (tmp_path / "bzImage").touch()
    (cell / "cell.cpio").write_bytes(b"cell")
    paths = CellPaths(qmp="/s/qmp", control="/s/control", serial="/s/serial", console="/c/console.log", disk="/c/d.img")
    words = argv(spec, Accel.TCG, kernel="/k", initrd="/c/initrd.img", paths=paths)
    alone = alone_argv(
        spec, Accel.TCG, kernel=str(tmp_path / "bzImage"), initrd="initrd.img", control="control.log", disk="disk.img"
    )
    text = script(
        words,
        (str(qemu), *alone[1:]),
        kernel=str(tmp_path / "bzImage"),
        rootfs=str(tmp_path / "rootfs"),
        archive="cell.cpio",
        initrd="initrd.img",
        control="control.log",
        disk=("disk.img", spec.disk_mib),
    )
    assert shlex.split(exact(text)) == list(words)
    (cell / "qemu.txt").write_text(text)
    return cell / "qemu.txt"


def run(file: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(["sh", str(file)], check=False, capture_output=True, text=True, cwd="/", timeout=20)


def test_the_file_boots_the_same_machine_without_us(tmp_path: Path, qemu: Path) -> None:
    file = written(tmp_path, qemu)
    moved = tmp_path / "elsewhere"
    file.parent.rename(moved)  # an attempt is moved into a folder of its own
    done = run(moved / "qemu.txt")
    assert (done.returncode, done.stderr) == (3, "")
    assert done.stdout == '{"ev":"exit","code":0}\n'
    words = (tmp_path / "words").read_text().splitlines()
    assert words[words.index("-kernel") + 1] == str(tmp_path / "bzImage")
    assert words[words.index("-append") + 1].endswith("quiet word=it's")
    assert words[-2:] == ["-device", "virtio-rng-pci"]
    assert "mon:stdio" in words
    assert not any("socket" in word for word in words)
    assert (tmp_path / "seen-initrd").read_bytes() == b"root1\0\0\0cell"
    assert (tmp_path / "disk").read_text() == f"{3 << 20}\n"
    assert not Path((tmp_path / "work").read_text().strip()).exists()  # nothing is left behind


def test_what_is_gone_is_named(tmp_path: Path, qemu: Path) -> None:
    file = written(tmp_path, qemu)
    (tmp_path / "rootfs").unlink()
    done = run(file)
    assert done.returncode == 69
    assert done.stderr == f"{tmp_path / 'rootfs'} is gone; repro.sh makes it again\n"
    assert not (tmp_path / "words").exists()


def test_the_two_machines_differ_in_their_channels_only(tmp_path: Path) -> None:
    paths = CellPaths(qmp="/s/qmp", control="/s/c", serial="/s/s", console="/c", disk="disk.img")
    ours = argv(SPEC, Accel.TCG, kernel="/k", initrd="/i", paths=paths)
    rooted = alone_argv(SPEC, Accel.TCG, kernel="/k", initrd="/i", control="/log", root=("/r.qcow2", "qcow2"))
    assert "file=/r.qcow2,if=none,id=root,format=qcow2,snapshot=on,cache=unsafe" in rooted
    alone = alone_argv(SPEC, Accel.TCG, kernel="/k", initrd="/i", control="/log", disk="disk.img")
    missing = [word for word in ours if word not in alone]
    assert all("qmp" in word or "console" in word or "socket" in word or word == "-mon" for word in missing), missing
    assert [word for word in alone if word not in ours] == ["mon:stdio", "file,id=control,path=/log"]


def test_an_older_file_is_the_command_itself() -> None:
    assert exact("qemu-system-x86_64 -m 768\n") == "qemu-system-x86_64 -m 768"
