from dataclasses import replace
from pathlib import Path

import pytest
import store_server
from builders import a_cell, a_rootfs, a_workload, an_accel, an_image
from fake_stages import GOOD, boot

from kzram_ci.base.errors import InfraError
from kzram_ci.farm.parcel import Packed, Parcel, at_home, bound_here, brought, pack, sent_off, unpack
from kzram_ci.model.evidence import MemoryDump
from kzram_ci.model.machine import MachineSpec, Share
from kzram_ci.model.workload import OwnTest, SentFile
from kzram_ci.results.layout import CellDir
from kzram_ci.results.rundir import born
from kzram_ci.run.job import CellJob
from kzram_ci.store.shared import NO_STORES, Shelf, Stores

KEY = "ab" * 32


def entry(cache: Path, kind: str, **files: str) -> Path:
    place = cache / kind / KEY
    place.mkdir(parents=True)
    for name, text in {"manifest.json": "{}", **files}.items():
        (place / name).write_text(text)
    return place


def job_in(cache: Path) -> CellJob:
    kernel, rootfs = entry(cache, "kernels", bzImage="boot me", vmlinux="elf"), entry(cache, "rootfs")
    (rootfs / "initramfs.cpio").write_text("guest")
    return CellJob(
        cell=a_cell(),
        kernel=an_image(key=KEY, image=str(kernel / "bzImage"), vmlinux=str(kernel / "vmlinux")),
        rootfs=a_rootfs(path=str(rootfs / "initramfs.cpio")),
        accel=an_accel(),
        place=CellDir(path=cache / "cell", relative="cells/t"),
    )


def test_a_directory_comes_back_as_it_was(tmp_path: Path) -> None:
    there = tmp_path / "there"
    (there / "attempt-1").mkdir(parents=True)
    (there / "attempt-1" / "console.log").write_bytes(b"\0\xff" * 5000)
    (there / "run.sh").write_text("#!/bin/sh\n")
    (there / "run.sh").chmod(0o755)
    (there / "link").symlink_to("/etc/passwd")
    packed, left_out = pack(there)
    assert not left_out
    unpack(packed, tmp_path / "here")
    found = sorted(path.relative_to(tmp_path / "here").as_posix() for path in (tmp_path / "here").rglob("*"))
    assert found == ["attempt-1", "attempt-1/console.log", "run.sh"]
    assert (tmp_path / "here" / "attempt-1" / "console.log").read_bytes() == b"\0\xff" * 5000
    assert (tmp_path / "here" / "run.sh").stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("name", ["../out", "/etc/out", "a/../../out", "", ".", "a//b", "a\0b"])
def test_a_file_of_a_worker_stays_in_its_cell(tmp_path: Path, name: str) -> None:
    with pytest.raises(InfraError, match="a worker sent a file with the name"):
        unpack((Packed(path=name, data=b""),), tmp_path / "cell")
    assert [path.name for path in tmp_path.rglob("*") if path.name == "out"] == []


def test_what_is_too_large_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kzram_ci.farm.parcel.MOST_BYTES", 100)
    (tmp_path / "vmcore").write_bytes(b"x" * 1000)
    (tmp_path / "console.log").write_bytes(b"y")
    packed, left_out = pack(tmp_path)
    assert ([one.path for one in packed], left_out) == (["console.log"], ("vmcore",))


def test_a_job_finds_its_files_on_another_machine(tmp_path: Path) -> None:
    store_server.needed("fsspec")
    here, there, url = tmp_path / "here", tmp_path / "there", str(tmp_path / "store")
    job = job_in(here)
    assert bound_here(job, here) == ""
    sent_off(job, here, Shelf(Stores(write=url)), pytest.fail)
    parcel = Parcel(job=job, boot=boot, cache=str(here), stores=Stores(write=url), version="1")
    found = brought(parcel, there, Shelf(Stores(read=(url,))), pytest.fail)
    assert Path(found.kernel.image) == there / "kernels" / KEY / "bzImage"
    assert Path(found.kernel.image).read_text() == "boot me"
    assert Path(found.kernel.vmlinux).read_text() == "elf"
    assert Path(found.rootfs.path).read_text() == "guest"
    assert found.kernel.modules == ""
    with pytest.raises(InfraError, match=r"no store has kernels/ab\w+, which this worker lacks"):
        brought(parcel, tmp_path / "third", NO_STORES, pytest.fail)


def test_what_cannot_be_stored_is_the_hosts_matter(tmp_path: Path) -> None:
    job = job_in(tmp_path)
    with pytest.raises(InfraError, match="could not be left in"):
        sent_off(job, tmp_path, NO_STORES, pytest.fail)


def test_a_cell_that_names_files_of_this_host_stays(tmp_path: Path) -> None:
    job = job_in(tmp_path)
    own = OwnTest(sent=(SentFile(path="/bin/x", source="/home/me/x", sha256="0" * 64),))
    bound = {
        "shares": replace(job.cell, machine=MachineSpec(shares=(Share(directory="/srv", mount="/mnt/srv"),))),
        "qemu_args": replace(job.cell, machine=MachineSpec(qemu_args=("-drive", "file=/x.img"))),
        "sends": replace(job.cell, workload=a_workload(own=own)),
    }
    for words, cell in bound.items():
        assert words in bound_here(replace(job, cell=cell), tmp_path)
    ready = replace(job, kernel=replace(job.kernel, image="/boot/vmlinuz"))
    assert bound_here(ready, tmp_path) == "/boot/vmlinuz is not in a store"


def test_a_dump_is_opened_with_the_symbols_of_this_machine(tmp_path: Path) -> None:
    job = job_in(tmp_path)
    dump = MemoryDump(file="vmcore", bytes=300 << 20, vmlinux="/there/vmlinux")
    result = replace(born(job.cell, relative="cells/t"), evidence=replace(GOOD, dump=dump))
    home = at_home(result, job, ())
    assert home.evidence.dump is not None
    assert home.evidence.dump.vmlinux == job.kernel.vmlinux
    lost = at_home(result, job, ("vmcore",)).evidence
    assert lost.dump is None
    assert lost.dump_missing == "the memory (300 MiB) is too large to come back from the worker"
