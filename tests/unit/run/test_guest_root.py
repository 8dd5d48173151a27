"""The root of a guest's programs: what a command line and a plan mean, and what the guest's image then is."""

from pathlib import Path

import pytest
from builders import a_rootfs

from kzram_ci.base.errors import UserError
from kzram_ci.base.grammar.problems import GrammarErrors
from kzram_ci.base.library import Library
from kzram_ci.kernel.workshop import KernelContext
from kzram_ci.model.root import RootKind, RootSpec
from kzram_ci.run.checks import checked_plan
from kzram_ci.run.guest_root import root_of, with_root

PLAN = """\
name: p
kernels: [{name: k, base: stock, add_config: [rootdisk]}, stock]
tests:
  t: {workload: anonmutate, kernels: %s, rootfs: %s}
"""


def test_words_of_the_command_line(tmp_path: Path) -> None:
    disk = tmp_path / "disk.img"
    disk.write_bytes(b"")
    assert root_of("") is None
    debian = RootSpec(kind=RootKind.DEBIAN, suite="sid", packages=("gdb", "strace"))
    assert root_of("debian:sid+gdb+strace") == debian
    assert debian.words() == "debian:sid+gdb+strace"
    assert root_of("debian:") == RootSpec(kind=RootKind.DEBIAN, suite="trixie")
    assert root_of(f"image:{disk}") == root_of(str(disk)) == RootSpec(kind=RootKind.IMAGE, path=str(disk))
    with pytest.raises(UserError, match="gone does not exist"):
        root_of("image:gone")


@pytest.mark.parametrize(("head", "kind"), [(b"QFI\xfb\0\0\0\3", "qcow2"), (b"\0" * 512, "raw")])
def test_an_image_of_ones_own(tmp_path: Path, head: bytes, kind: str) -> None:
    disk = tmp_path / "disk"
    disk.write_bytes(head)
    spec = RootSpec(kind=RootKind.IMAGE, path=str(disk))
    context = KernelContext(cache=tmp_path / "cache")
    made = with_root(a_rootfs(), spec, "x86_64", context)
    assert (made.disk, made.disk_format) == (str(disk), kind)
    assert made.key != a_rootfs().key, "a result depends on it"
    assert with_root(a_rootfs(), None, "x86_64", context) == a_rootfs()
    disk.unlink()
    with pytest.raises(UserError, match="disk does not exist"):
        with_root(a_rootfs(), spec, "x86_64", context)


def plan(tmp_path: Path, kernels: str, rootfs: str) -> RootSpec | None:
    file = tmp_path / "p.yaml"
    file.write_text(PLAN % (kernels, rootfs))
    return checked_plan(file, Library()).cells[0].machine.root


@pytest.mark.parametrize(
    ("rootfs", "spec"),
    [
        ("{kind: debian}", RootSpec(kind=RootKind.DEBIAN, suite="trixie")),
        ("{suite: sid, packages: [gdb]}", RootSpec(kind=RootKind.DEBIAN, suite="sid", packages=("gdb",))),
        ("{kind: image, path: d.qcow2}", RootSpec(kind=RootKind.IMAGE, path="d.qcow2")),
        ("{kind: initramfs}", None),
    ],
)
def test_a_plan(tmp_path: Path, rootfs: str, spec: RootSpec | None) -> None:
    assert plan(tmp_path, "k", rootfs) == spec


@pytest.mark.parametrize(
    ("kernels", "rootfs", "line"),
    [
        ("stock", "{kind: debian}", "tests.t.rootfs: the config of stock has no file system for it: add_config: [roo"),
        ("k", "{kind: image}", "tests.t.rootfs: an image needs a path"),
        ("k", "{kind: debian, packages: ['a b']}", "tests.t.rootfs.packages[0]: "),
        ("k", "{kind: debain}", "tests.t.rootfs.kind: unknown value 'debain'; allowed: initramfs, debian"),
        ("k", "{kind: debian}, machine: {snapshot: on}", "a saved guest has no root of its own"),
    ],
)
def test_a_plan_that_is_wrong(tmp_path: Path, kernels: str, rootfs: str, line: str) -> None:
    with pytest.raises(GrammarErrors) as caught:
        plan(tmp_path, kernels, rootfs)
    assert line in str(caught.value)
