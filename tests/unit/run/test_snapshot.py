"""What a saved guest depends on, and how damage to it is found; tests/real/test_saved_guests.py starts cells."""

import os
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from builders import a_cell, a_kernel, a_rootfs, a_workload, an_accel, an_image

from kzram_ci.base import cache, files
from kzram_ci.base.clock import Deadline
from kzram_ci.guest import conf
from kzram_ci.model.cell import Cell
from kzram_ci.model.events import Event, Note
from kzram_ci.model.evidence import Evidence
from kzram_ci.model.machine import Accel, Dump, MachineSpec, Snapshot
from kzram_ci.model.root import RootKind, RootSpec
from kzram_ci.model.source import ImageSource
from kzram_ci.results.layout import CellDir
from kzram_ci.run import saved_guest, snapshot, stages
from kzram_ci.run.job import CellJob
from kzram_ci.run.saved_guest import Saved
from kzram_ci.run.stages import QemuBoot

ON = a_cell(machine=MachineSpec(snapshot=Snapshot.ON))
AUTO = a_cell(machine=MachineSpec())


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


def test_a_host_that_rebooted_may_be_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache is carried to other hosts, and a guest has measured how fast its processor counts."""
    before = key()
    (tmp_path / "boot_id").write_text("another\n")
    monkeypatch.setattr(snapshot, "BOOT_ID", tmp_path / "boot_id")
    assert key() != before


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


def saved(tmp_path: Path) -> Saved:
    entry = tmp_path / "entry"
    entry.mkdir()
    with (entry / "memory").open("wb") as memory:
        memory.truncate(64 << 20)
        memory.seek(5 << 20)
        memory.write(b"data")
    (entry / "state").write_bytes(b"state")
    sums = {name: saved_guest.digest(entry / name) for name in ("memory", "state")}
    files.write_json(entry / cache.MANIFEST, {"complaint": "", **sums})
    return Saved(entry=entry)


@pytest.mark.parametrize("name", ["memory", "state", cache.MANIFEST])
@pytest.mark.parametrize("how", ["cut", "flipped", "gone"])
def test_damage_is_found(tmp_path: Path, name: str, how: str) -> None:
    there = saved(tmp_path)
    assert saved_guest.whole(there)
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
    assert not saved_guest.whole(there)


def test_holes_and_zeros_are_the_same(tmp_path: Path) -> None:
    there = saved(tmp_path)
    with there.memory.open("r+b") as memory:
        memory.seek(30 << 20)
        memory.write(bytes(1 << 20))
    assert saved_guest.whole(there)


def test_a_kernel_that_complained_is_remembered_and_has_no_files(tmp_path: Path) -> None:
    files.write_json(tmp_path / cache.MANIFEST, {"complaint": "WARNING in x"})
    assert saved_guest.whole(Saved(entry=tmp_path))


def test_what_a_waiting_guest_reads() -> None:
    sent = conf.sent("A='ü'\n", seconds=1700000000, entropy="00ff")
    assert sent == b"7 1700000000 00ff\nA='\xc3\xbc'\n"
    assert conf.parked_conf(("/lib/a.ko", "/lib/b.ko")) == "MODULES='/lib/a.ko /lib/b.ko'\nPARK='1'\n"


def place(tmp_path: Path, cell: Cell, **accel: Any) -> Saved | None:
    return snapshot.place_of(cell, an_image(), a_rootfs(), accel=an_accel(**accel), root=tmp_path)


def test_auto_is_the_default_and_restores_where_that_was_measured(tmp_path: Path) -> None:
    assert AUTO.machine.snapshot is Snapshot.AUTO
    assert place(tmp_path, AUTO) == place(tmp_path, ON)  # one guest for both
    ready = a_kernel(source=ImageSource(path="/boot/vmlinuz"))
    for unmeasured in (
        replace(AUTO, machine=replace(AUTO.machine, arch="arm64")),
        replace(AUTO, kernel=ready),
        replace(AUTO, workload=a_workload(program="fsmutate")),
        replace(AUTO, workload=replace(AUTO.workload, duration_s=snapshot.SHORTEST - 1)),
        replace(AUTO, machine=replace(AUTO.machine, root=RootSpec(kind=RootKind.DEBIAN))),
    ):
        assert place(tmp_path, unmeasured) is None
    assert place(tmp_path, AUTO, accel=Accel.KVM) is None
    assert place(tmp_path, replace(ON, kernel=ready), accel=Accel.KVM) is not None


def ask(tmp_path: Path, cell: Cell, others: int) -> Saved | None:
    there = place(tmp_path, cell)
    assert there is not None
    deadline = Deadline.after(9)
    return snapshot.saved_for(there, cell, an_image(), a_rootfs(), accel=an_accel(), others=others, deadline=deadline)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the guests that were booted to be saved."""
    names: list[str] = []

    def boot_and_save(directory: Path, *given: Any) -> str:
        names.append(directory.name)
        for name in ("memory", "state"):
            (directory / name).write_bytes(b"x")
        return ""

    monkeypatch.setattr(snapshot, "_boot_and_save", boot_and_save)
    monkeypatch.setattr(snapshot, "_failed", Counter[str]())
    return names


def test_a_boot_that_is_alone_is_not_worth_saving_but_takes_what_is_there(tmp_path: Path, made: list[str]) -> None:
    assert ask(tmp_path, AUTO, 0) is None
    assert not made
    assert ask(tmp_path, AUTO, 1) is not None
    assert ask(tmp_path, AUTO, 0) is not None
    assert len(made) == 1


def test_on_saves_also_for_one(tmp_path: Path, made: list[str]) -> None:
    assert ask(tmp_path, ON, 0) is not None
    assert len(made) == 1


def test_a_guest_that_cannot_be_saved_is_tried_twice(
    tmp_path: Path, made: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*given: Any) -> str:
        made.append("tried")
        raise snapshot.SnapshotUnusable("it never came to wait for a cell")

    monkeypatch.setattr(snapshot, "_boot_and_save", fails)
    starts, events, _ = booted(tmp_path, monkeypatch, Evidence(booted=True))
    assert starts == [False]
    assert events == [Note(subject="k", text="its cells boot: it never came to wait for a cell")]
    with pytest.raises(snapshot.SnapshotUnusable):  # told as well
        ask(tmp_path, AUTO, 2)
    assert [ask(tmp_path, AUTO, 2), ask(tmp_path, ON, 1)] == [None] * 2
    assert made == ["tried"] * 2


def booted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *found: Evidence | Exception, **fields: Any
) -> tuple[list[bool], list[Event], Evidence]:
    """Whether each start was from the saved guest, what was told, and the evidence."""
    starts, events, left = list[bool](), list[Event](), list(found)

    def boot_once(*given: Any, saved: Saved | None, **more: Any) -> Evidence:
        starts.append(saved is not None)
        answer = left.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(stages, "boot_once", boot_once)
    values: dict[str, Any] = {"cell": AUTO, "kernel": an_image(), "rootfs": a_rootfs(), "accel": an_accel()}
    job = CellJob(place=CellDir(path=tmp_path / "cell", relative="cell"), **{**values, "others": 1, **fields})
    return starts, events, QemuBoot(cache=tmp_path)(job, Deadline.after(9), events.append)


def test_what_does_not_come_up_is_thrown_away_and_the_cell_boots(
    tmp_path: Path, made: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    good = Evidence(booted=True, ready=True)
    starts, events, evidence = booted(tmp_path, monkeypatch, snapshot.SnapshotUnusable("no word"), good)
    assert starts == [True, False]
    assert evidence == good
    (note,) = events
    assert isinstance(note, Note)
    assert note.text == "boots: no word; the saved guest is thrown away"
    there = place(tmp_path, AUTO)
    assert there is not None
    assert not there.entry.exists()


def test_a_host_error_throws_away_what_the_guest_started_from(
    tmp_path: Path, made: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clock that the kernel misjudged when it booted is wrong in every guest that starts from it."""
    wrong = Evidence(booted=True, restored=True, host_error="the guest misjudged its clock")
    starts, events, evidence = booted(tmp_path, monkeypatch, wrong)
    assert (starts, evidence, len(events)) == ([True], wrong, 1)
    there = place(tmp_path, AUTO)
    assert there is not None
    assert not there.entry.exists()


def test_a_retry_of_a_restored_guest_boots(tmp_path: Path, made: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    starts, _, _ = booted(tmp_path, monkeypatch, Evidence(booted=True), afresh=True)
    assert starts == [False]
    assert not made


def test_what_was_not_used_for_longest_goes_when_there_is_too_much(tmp_path: Path) -> None:
    part = tmp_path / saved_guest.PART
    for number in range(4):
        entry = part / str(number)
        entry.mkdir(parents=True)
        (entry / "memory").write_bytes(b"x" * (1 << 20))
        files.write_json(entry / cache.MANIFEST, {})
        os.utime(entry / cache.MANIFEST, (number, number))
    os.utime(part / "1" / cache.MANIFEST, (9, 9))  # used since
    saved_guest.trim(part, part / "0", limit=(5 << 20) // 2)
    assert sorted(path.name for path in part.iterdir() if path.is_dir()) == ["0", "1"]
    saved_guest.trim(part, part / "0", limit=0)
    assert sorted(path.name for path in part.iterdir() if path.is_dir()) == ["0"]


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    old, new = tmp_path / ".0123.abc", tmp_path / ".4567.def"
    for entry in (old, new):
        entry.mkdir()
        (entry / "memory").write_bytes(b"x")
    os.utime(old, (1, 1))
    saved_guest.trim(tmp_path, tmp_path / "0")
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == [new.name]
