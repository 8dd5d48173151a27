"""What a saved guest depends on, and how damage to it is found; tests/real/test_saved_guests.py starts cells."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from builders import a_cell, a_rootfs, a_workload, an_accel, an_image

from kzram_ci.base import cache, files
from kzram_ci.guest import conf
from kzram_ci.model.cell import Cell
from kzram_ci.model.machine import Dump, MachineSpec, Snapshot
from kzram_ci.model.root import RootKind, RootSpec
from kzram_ci.run import snapshot

ON = a_cell(machine=MachineSpec(snapshot=Snapshot.ON))


@pytest.fixture(autouse=True)
def a_qemu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    program = tmp_path / "bin" / "qemu-system-x86_64"
    program.parent.mkdir()
    program.write_text("1")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    return program


def key(cell: Cell = ON, **given: Any) -> str:
    values = {"image": an_image(), "rootfs": a_rootfs(), "accel": an_accel(), **given}
    return snapshot.key(cell, values["image"], values["rootfs"], values["accel"])


def of_machine(**fields: Any) -> Cell:
    return replace(ON, machine=replace(ON.machine, **fields))


def test_the_cell_itself_is_sent_later_and_not_part_of_the_key() -> None:
    assert key(replace(ON, seed=7, workload=a_workload(program="pressure", duration_s=9))) == key()
    assert key(of_machine(boot_seconds=9.0, console_limit_mib=1)) == key()


@pytest.mark.parametrize(
    "cell",
    [
        of_machine(cpus=1),
        of_machine(memory_mib=99),
        of_machine(disk_mib=1),
        of_machine(cmdline=("nokaslr",)),
        of_machine(dump=Dump.ON_CRASH),
    ],
    ids=("cpus", "memory", "disk", "cmdline", "dump"),
)
def test_another_machine_is_another_guest(cell: Cell) -> None:
    assert key(cell) != key()


def test_another_kernel_root_file_system_or_qemu_is_another_guest(a_qemu: Path) -> None:
    base = key()
    assert key(image=an_image(key="1" * 64)) != base
    assert key(rootfs=a_rootfs(key="s")) != base
    assert key(accel=an_accel(cpu="max")) != base
    a_qemu.write_text("another")
    assert key() != base


def test_a_kernel_with_modules_has_those_that_the_workload_needs() -> None:
    image = an_image(modules="/nowhere")
    assert key(replace(ON, workload=a_workload(program="pressure")), image=image) != key(image=image)


def test_per_seed_every_seed_has_its_own() -> None:
    cell = of_machine(snapshot=Snapshot.PER_SEED)
    assert key(cell) != key(replace(cell, seed=cell.seed + 1))


def test_arguments_of_the_plans_may_attach_anything_so_such_cells_boot() -> None:
    assert snapshot.possible(ON)
    assert not snapshot.possible(of_machine(qemu_args=("-device", "x")))
    assert not snapshot.possible(of_machine(root=RootSpec(kind=RootKind.DEBIAN)))
    assert not snapshot.possible(of_machine(snapshot=Snapshot.OFF))


def saved(tmp_path: Path) -> snapshot.Saved:
    entry = tmp_path / "entry"
    entry.mkdir()
    with (entry / "memory").open("wb") as memory:
        memory.truncate(64 << 20)
        memory.seek(5 << 20)
        memory.write(b"data")
    (entry / "state").write_bytes(b"state")
    sums = {name: snapshot._digest(entry / name) for name in ("memory", "state")}
    files.write_json(entry / cache.MANIFEST, {"complaint": "", **sums})
    return snapshot.Saved(entry=entry)


@pytest.mark.parametrize("name", ["memory", "state", cache.MANIFEST])
@pytest.mark.parametrize("how", ["cut", "flipped", "gone"])
def test_damage_is_found(tmp_path: Path, name: str, how: str) -> None:
    there = saved(tmp_path)
    assert snapshot._whole(there)
    path = there.entry / name
    if how == "gone":
        path.unlink()
    elif how == "cut":
        with path.open("r+b") as handle:
            handle.truncate(path.stat().st_size // 2)
    else:
        with path.open("r+b") as handle:
            handle.seek(9 if name == cache.MANIFEST else 2)
            handle.write(b"\x07")
    assert not snapshot._whole(there)


def test_holes_and_zeros_are_the_same(tmp_path: Path) -> None:
    there = saved(tmp_path)
    with there.memory.open("r+b") as memory:
        memory.seek(30 << 20)
        memory.write(bytes(1 << 20))
    assert snapshot._whole(there)


def test_a_kernel_that_complained_is_remembered_and_has_no_files(tmp_path: Path) -> None:
    files.write_json(tmp_path / cache.MANIFEST, {"complaint": "WARNING in x"})
    assert snapshot._whole(snapshot.Saved(entry=tmp_path))


def test_what_a_waiting_guest_reads() -> None:
    sent = conf.sent("A='ü'\n", seconds=1700000000, entropy="00ff")
    assert sent == b"7 1700000000 00ff\nA='\xc3\xbc'\n"
    assert conf.parked_conf(("/lib/a.ko", "/lib/b.ko")) == "MODULES='/lib/a.ko /lib/b.ko'\nPARK='1'\n"
