"""Cells from a saved guest, in real QEMU: no boot, differences where they must be, nothing rotten used."""

import os
import pwd
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from builders import a_cell, a_workload, an_image

from kzram_ci.base.cache import cache_root
from kzram_ci.base.clock import Deadline
from kzram_ci.guest import conf as guest_conf
from kzram_ci.kernel.workshop import KernelContext, image_for
from kzram_ci.model.cell import Cell
from kzram_ci.model.events import Event, Note
from kzram_ci.model.evidence import Evidence
from kzram_ci.model.kernel import KernelImage
from kzram_ci.model.machine import Accel, MachineSpec, Snapshot
from kzram_ci.plan.kernels import load_kernel
from kzram_ci.results.layout import CellDir
from kzram_ci.run.guest_image import rootfs_for
from kzram_ci.run.job import CellJob
from kzram_ci.run.saved_guest import PART
from kzram_ci.run.stages import QemuBoot
from kzram_ci.vm import accel, confine, snapshot
from kzram_ci.vm.qemu import Machine

pytestmark = pytest.mark.real
CELL = a_cell(
    machine=MachineSpec(memory_mib=256, snapshot=Snapshot.ON), workload=a_workload(program="none", duration_s=60)
)
# 16 random bytes and the time, in the guest
DRAW = "od -An -tx1 -N16 /dev/urandom; date +now=%s"


@pytest.fixture(scope="module")
def image() -> KernelImage:
    if ready := os.environ.get("KZRAM_TEST_KERNEL"):
        return an_image("test", image=ready)
    from kzram_ci.base.library import Library

    return image_for(load_kernel("stock", Library()), KernelContext())


Start = Callable[..., Evidence]


@pytest.fixture
def start(tmp_path: Path, image: KernelImage, monkeypatch: pytest.MonkeyPatch) -> Start:
    """Run a cell whose workload is DRAW; saved guests are kept below tmp_path."""
    real = guest_conf.cell_conf

    def with_command(*args: Any, **fields: Any) -> str:
        return real(*args, **{**fields, "command": DRAW})

    monkeypatch.setattr(guest_conf, "cell_conf", with_command)
    rootfs = rootfs_for("x86_64", KernelContext())
    choice = accel.choose(Accel.AUTO, "x86_64", cache=cache_root(), deadline=Deadline.after(60))

    def run(name: str, cell: Cell = CELL, events: list[Event] | None = None) -> Evidence:
        place = CellDir(path=tmp_path / name, relative=name)
        job = CellJob(cell=cell, kernel=image, rootfs=rootfs, accel=choice, place=place)
        listener = (events if events is not None else []).append
        return QemuBoot(cache=tmp_path / "cache")(job, Deadline.after(300), listener)

    return run


def drawn(directory: Path) -> tuple[str, int]:
    text = (directory / "control.log").read_text()
    bytes_, now = re.search(r'"text":" ?((?:[0-9a-f]{2} ?){16})"', text), re.search(r"now=(\d+)", text)
    assert bytes_, text
    assert now, text
    return bytes_[1], int(now[1])


def test_cells_of_one_saved_guest_have_the_time_and_random_numbers_of_their_own(start: Start, tmp_path: Path) -> None:
    from kzram_ci.base import clock

    before = clock.now_utc().timestamp()
    found = [start(name) for name in ("a", "b", "c")]
    assert [(each.restored, each.booted, each.exit_code, each.qemu_exit) for each in found] == [(True, True, 0, 0)] * 3
    entries = [path for path in (tmp_path / "cache" / PART).iterdir() if path.is_dir()]
    assert len(entries) == 1  # booted once
    draws = [drawn(tmp_path / name) for name in ("a", "b", "c")]
    assert len({random for random, _ in draws}) == 3
    assert all(before - 2 <= now <= clock.now_utc().timestamp() + 2 for _, now in draws)
    console = (tmp_path / "c" / "console.log").read_text(errors="replace")
    assert "Linux version" in console  # what was said at the boot is part of it
    assert "Power down" in console


@pytest.mark.parametrize("disk_mib", [0, 64])
def test_qemu_has_no_rights_of_root_where_it_saves_and_restores(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, disk_mib: int
) -> None:
    """As in every boot: the state comes and goes by a connection that it is handed, and the files are not its own."""
    users: list[tuple[str, set[str]]] = []

    def watched(what: str, work: Callable[..., None]) -> Callable[..., None]:
        def wrapped(machine: Machine, state: Path, deadline: Deadline) -> None:
            assert machine._child is not None
            status = Path(f"/proc/{machine._child.pid}/status")
            work(machine, state, deadline)
            users.append((what, set(re.findall(r"\nUid:\t(\d+)\t(\d+)\t(\d+)", status.read_text())[0])))

        return wrapped

    for what in ("save", "restore"):
        monkeypatch.setattr(snapshot, what, watched(what, getattr(snapshot, what)))
    cell = replace(CELL, machine=replace(CELL.machine, disk_mib=disk_mib))
    found = [start(name, cell) for name in ("a", "b")]
    assert [(each.restored, each.booted, each.exit_code) for each in found] == [(True, True, 0)] * 2
    uid = pwd.getpwnam(confine.USER).pw_uid if confine.may_change_user() else os.getuid()
    assert users == [("save", {str(uid)}), ("restore", {str(uid)}), ("restore", {str(uid)})]
    (entry,) = (path for path in (tmp_path / "cache" / PART).iterdir() if path.is_dir())
    for path in (entry, *entry.iterdir()):
        assert path.stat().st_uid == os.getuid(), path
        assert not path.stat().st_mode & 0o022, path


def test_a_damaged_one_is_made_anew_and_what_does_not_come_up_is_thrown_away(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start("first")
    (entry,) = (path for path in (tmp_path / "cache" / PART).iterdir() if path.is_dir())
    good = (entry / "state").read_bytes()
    with (entry / "memory").open("r+b") as memory:
        memory.seek(20 << 20)
        memory.write(b"\xff")
    assert start("second").restored
    assert (entry / "state").read_bytes() != good  # another boot's
    # as if QEMU were another than the one that saved it, and nothing showed that
    monkeypatch.setattr("kzram_ci.run.saved_guest.whole", lambda saved: True)
    (entry / "state").write_bytes(good[: len(good) // 2])
    events: list[Event] = []
    third = start("third", events=events)
    assert (third.restored, third.booted, third.exit_code) == (False, True, 0)
    assert any(isinstance(event, Note) and "thrown away" in event.text for event in events)
    assert not entry.exists()
