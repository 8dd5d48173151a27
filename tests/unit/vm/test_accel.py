import os
import shutil
from pathlib import Path

import pytest

from kzram_ci.base import proc
from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import InfraError
from kzram_ci.model.arch import Arch, arch_of
from kzram_ci.model.kernel import KernelImage
from kzram_ci.model.machine import Accel, AccelChoice
from kzram_ci.vm import accel, tiny_guest
from kzram_ci.vm.argv import TINY_GUEST_EXIT, tiny_guest_argv


class Prover:
    def __init__(self, answer: str) -> None:
        self.answer = answer
        self.calls = 0

    def __call__(self, row: Arch, image: KernelImage | None, deadline: Deadline) -> str:
        self.calls += 1
        return self.answer


@pytest.fixture(autouse=True)
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host of our architecture with a /dev/kvm that opens and some QEMU."""
    monkeypatch.setattr(accel, "KVM", tmp_path / "kvm")
    (tmp_path / "kvm").touch()
    (tmp_path / "qemu").touch()
    monkeypatch.setattr(accel, "find", lambda row: str(tmp_path / "qemu"))
    monkeypatch.setattr(accel, "arch_of", lambda name: _native(arch_of(name)))


def _native(row: Arch) -> Arch:
    from dataclasses import replace

    return replace(row, uname=(os.uname().machine,)) if row.name == "x86_64" else row


def choose(tmp_path: Path, prover: Prover, wanted: Accel = Accel.AUTO, arch: str = "x86_64") -> AccelChoice:
    return accel.choose(wanted, arch, cache=tmp_path / "cache", deadline=Deadline.after(60), prover=prover)


def test_kvm_that_ran_a_guest_is_used_and_remembered(tmp_path: Path) -> None:
    prover = Prover("")
    first, second = choose(tmp_path, prover), choose(tmp_path, prover)
    assert first == AccelChoice(accel=Accel.KVM, why="a tiny guest ran under KVM", proved=True)
    assert second.why == "a tiny guest ran under KVM (remembered)"
    assert prover.calls == 1


def test_kvm_that_hangs_means_tcg_at_once_the_next_time(tmp_path: Path) -> None:
    prover = Prover("/dev/kvm opens, and then a guest under KVM hangs")
    first, second = choose(tmp_path, prover), choose(tmp_path, prover)
    assert first.accel is second.accel is Accel.TCG
    assert "hangs; multi-threaded TCG instead" in first.why
    assert "(remembered)" in second.why
    assert prover.calls == 1


def test_a_changed_host_is_asked_again(tmp_path: Path) -> None:
    prover = Prover("")
    choose(tmp_path, prover)
    (tmp_path / "qemu").write_text("another version")
    choose(tmp_path, prover)
    (tmp_path / "kvm").chmod(0o600)
    choose(tmp_path, prover)
    assert prover.calls == 3


def test_a_broken_note_is_no_answer(tmp_path: Path) -> None:
    prover = Prover("")
    for text in ("{", "[]", '{"key": 1}'):
        note = tmp_path / "cache" / "accel" / "x86_64.json"
        note.parent.mkdir(parents=True, exist_ok=True)
        note.write_text(text)
        choose(tmp_path, prover)
    assert prover.calls == 3


def test_kvm_asked_for_and_not_proved_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InfraError, match=r"accel: kvm is requested, but it hangs.*use accel: auto"):
        choose(tmp_path, Prover("it hangs"), Accel.KVM)


def test_tcg_asked_for_asks_nobody(tmp_path: Path) -> None:
    prover = Prover("")
    assert choose(tmp_path, prover, Accel.TCG).accel is Accel.TCG
    assert prover.calls == 0


def test_no_device_no_proof(tmp_path: Path) -> None:
    (tmp_path / "kvm").unlink()
    prover = Prover("")
    assert "cannot be opened: No such file" in choose(tmp_path, prover).why
    assert prover.calls == 0


def test_another_architecture_cannot_use_kvm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prover = Prover("")
    assert "KVM cannot run riscv64" in choose(tmp_path, prover, arch="riscv64").why
    assert prover.calls == 0


class TestProof:
    """The proof itself, with a stand-in for QEMU."""

    @pytest.fixture
    def qemu(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        program = tmp_path / "bin" / "qemu-system-x86_64"
        program.parent.mkdir()
        monkeypatch.setenv("PATH", str(program.parent), prepend=":")
        return program

    def prove(self, qemu: Path, script: str, seconds: float = 30) -> str:
        qemu.write_text(f"#!/bin/sh\n{script}\n")
        qemu.chmod(0o755)
        return accel.prove(arch_of("x86_64"), None, Deadline.after(seconds))

    def test_right_exit(self, qemu: Path) -> None:
        assert self.prove(qemu, f"exit {TINY_GUEST_EXIT}") == ""

    def test_a_guest_that_resets_at_once_proves_nothing(self, qemu: Path) -> None:
        assert "tiny guest did not run (QEMU ended with 0)" in self.prove(qemu, "exit 0")

    def test_hang(self, qemu: Path) -> None:
        assert self.prove(qemu, "exec sleep 60", seconds=0.3).endswith("a guest under KVM hangs")


@pytest.mark.real
def test_the_tiny_guest_really_runs_under_tcg(tmp_path: Path) -> None:
    row = arch_of("x86_64")
    if shutil.which(row.qemu) is None:
        pytest.fail(f"{row.qemu} is missing: make setup")
    rom = tmp_path / "rom"
    rom.write_bytes(tiny_guest.rom())
    done = proc.run(tiny_guest_argv(row, Accel.TCG, str(rom)), deadline=Deadline.after(60), check=False)
    assert done.code == TINY_GUEST_EXIT, done.stderr


def test_the_rom_is_what_qemu_wants() -> None:
    rom = tiny_guest.rom()
    assert len(rom) == 0x10000
    assert rom[0xFFF0] == 0xE9  # the reset vector jumps
    assert rom == tiny_guest.rom()
