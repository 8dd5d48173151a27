import errno
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from kzram_ci.base import proc
from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import InfraError
from kzram_ci.model.arch import Arch, arch_of
from kzram_ci.model.kernel import KernelImage
from kzram_ci.model.machine import Accel, AccelChoice
from kzram_ci.vm import accel, tiny_guest
from kzram_ci.vm.accel import Refusal
from kzram_ci.vm.argv import TINY_GUEST_EXIT, tiny_guest_argv

HANGS = Refusal(why="no guest runs under KVM: it hangs", final=True)
MSR = Refusal(why="no guest runs under KVM: failed to set MSR 0x10a", detail="QEMU killed by signal 6\nAssertion …")


class Prover:
    """Answers by CPU model; None: a guest ran."""

    def __init__(self, *answers: Refusal | None) -> None:
        self.answers = list(answers)
        self.models: list[str] = []

    def __call__(self, row: Arch, cpu: str, image: KernelImage | None, deadline: Deadline) -> Refusal | None:
        self.models.append(cpu)
        return self.answers[(len(self.models) - 1) % len(self.answers)]


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
    prover = Prover(None)
    first, second = choose(tmp_path, prover), choose(tmp_path, prover)
    assert first == AccelChoice(accel=Accel.KVM, why="a tiny guest ran under KVM", proved=True, cpu="host")
    assert second.why == "a tiny guest ran under KVM (remembered)"
    assert second.cpu == "host"
    assert prover.models == ["host"]


def test_where_the_hosts_own_cpu_is_refused_a_plainer_one_is_tried(tmp_path: Path) -> None:
    prover = Prover(MSR, None)
    first, second = choose(tmp_path, prover), choose(tmp_path, prover)
    assert (first.accel, first.cpu) == (second.accel, second.cpu) == (Accel.KVM, "kvm64")
    assert first.detail == second.detail == f"-cpu host: {MSR.detail}", "why not the best one"
    assert str(first) == "kvm -cpu kvm64: a tiny guest ran under KVM"
    assert prover.models == ["host", "kvm64"]


def test_where_every_cpu_is_refused_the_reason_is_short_and_the_detail_whole(tmp_path: Path) -> None:
    prover = Prover(MSR, Refusal(why="no guest runs under KVM: QEMU ended with 0", detail="QEMU ended with 0"))
    choice = choose(tmp_path, prover)
    assert (choice.accel, choice.cpu) == (Accel.TCG, "qemu64,-cx16,+rdrand")
    assert str(choice) == "tcg: no guest runs under KVM: failed to set MSR 0x10a"
    assert choice.detail == f"-cpu host: {MSR.detail}\n-cpu kvm64: QEMU ended with 0"


def test_kvm_that_hangs_means_tcg_at_once_the_next_time(tmp_path: Path) -> None:
    """And at once the first time: another model would only hang as long."""
    prover = Prover(HANGS)
    first, second = choose(tmp_path, prover), choose(tmp_path, prover)
    assert first.accel is second.accel is Accel.TCG
    assert first.why == "no guest runs under KVM: it hangs"
    assert second.why == "no guest runs under KVM: it hangs (remembered)"
    assert prover.models == ["host"]


def test_a_changed_host_is_asked_again(tmp_path: Path) -> None:
    prover = Prover(None)
    choose(tmp_path, prover)
    (tmp_path / "qemu").write_text("another version")
    choose(tmp_path, prover)
    (tmp_path / "kvm").chmod(0o600)
    choose(tmp_path, prover)
    assert len(prover.models) == 3


def test_a_broken_note_is_no_answer(tmp_path: Path) -> None:
    prover = Prover(None)
    note = tmp_path / "cache" / "accel" / "x86_64.json"
    choose(tmp_path, prover)
    good = json.loads(note.read_text())
    for text in ("{", "[]", '{"stamp": 1}', json.dumps({**good, "answer": "a word of an earlier version"})):
        note.write_text(text)
        assert choose(tmp_path, prover).cpu == "host"
    assert len(prover.models) == 5


def test_kvm_asked_for_and_not_proved_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InfraError, match=r"accel: kvm is requested, but no guest .* hangs.*doctor.*use accel: auto"):
        choose(tmp_path, Prover(HANGS), Accel.KVM)


def test_tcg_asked_for_asks_nobody(tmp_path: Path) -> None:
    prover = Prover(None)
    assert choose(tmp_path, prover, Accel.TCG).accel is Accel.TCG
    assert not prover.models


def test_no_device_no_proof(tmp_path: Path) -> None:
    (tmp_path / "kvm").unlink()
    prover = Prover(None)
    assert "cannot be opened: No such file" in choose(tmp_path, prover).why
    assert not prover.models


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM, errno.EBUSY])
def test_a_device_without_permission_means_tcg_with_the_reason(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.open

    def refused(path: Any, *words: Any, **more: Any) -> int:
        if Path(path) == tmp_path / "kvm":
            raise OSError(number, os.strerror(number))
        return real(path, *words, **more)

    prover = Prover(None)
    monkeypatch.setattr(os, "open", refused)
    choice = choose(tmp_path, prover)
    assert choice.accel is Accel.TCG
    assert f"cannot be opened: {os.strerror(number)}" in choice.why
    assert not prover.models
    with pytest.raises(InfraError, match=f"accel: kvm is requested, but .*{os.strerror(number)}"):
        choose(tmp_path, prover, Accel.KVM)


def test_another_architecture_cannot_use_kvm(tmp_path: Path) -> None:
    prover = Prover(None)
    assert "KVM cannot run riscv64" in choose(tmp_path, prover, arch="riscv64").why
    assert not prover.models


def test_kvm_of_x86_64_runs_guests_of_32_bits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.uname", lambda: os.uname_result(("Linux", "h", "6.12", "#1", "x86_64")))
    assert choose(tmp_path, Prover(None), arch="i386").cpu == "host"
    monkeypatch.setattr("os.uname", lambda: os.uname_result(("Linux", "h", "6.12", "#1", "aarch64")))
    assert "KVM cannot run i386 on aarch64" in choose(tmp_path, Prover(None), arch="i386").why


class TestProof:
    """The proof itself, with a stand-in for QEMU."""

    @pytest.fixture
    def qemu(self, tmp_path: Path) -> Path:
        return tmp_path / "qemu"  # where `find` finds it

    def prove(self, qemu: Path, script: str, seconds: float = 30, cpu: str = "host") -> Refusal | None:
        qemu.write_text(f"#!/bin/sh\n{script}\n")
        qemu.chmod(0o755)
        return accel.prove(arch_of("x86_64"), cpu, None, Deadline.after(seconds))

    def refusal(self, qemu: Path, script: str, seconds: float = 30) -> Refusal:
        found = self.prove(qemu, script, seconds)
        assert found is not None
        return found

    def test_right_exit(self, qemu: Path) -> None:
        assert self.prove(qemu, f"exit {TINY_GUEST_EXIT}") is None

    def test_the_model_is_the_one_that_is_asked_for(self, qemu: Path) -> None:
        script = f'case "$*" in *"-cpu kvm64"*) exit {TINY_GUEST_EXIT} ;; esac'
        assert self.prove(qemu, script) is not None
        assert self.prove(qemu, script, cpu="kvm64") is None

    def test_a_guest_that_resets_at_once_proves_nothing(self, qemu: Path) -> None:
        warning = "qemu-system-x86_64: warning: host doesn't support requested feature: CPUID.01H:ECX.pni [bit 0]"
        found = self.refusal(qemu, f'echo "{warning}" >&2; exit 0')
        assert found == Refusal(
            why="no guest runs under KVM: QEMU ended with 0", detail=f"QEMU ended with 0\n{warning}"
        )

    @pytest.mark.parametrize(
        ("output", "gist"),
        [
            (
                "qemu-system-x86_64: error: failed to set MSR 0x10a to 0x69\n"
                "qemu-system-x86_64: ../../target/i386/kvm/kvm.c:3183: kvm_buf_set_msrs: Assertion failed.",
                "failed to set MSR 0x10a to 0x69",
            ),
            (
                "Could not access KVM kernel module: Permission denied\n"
                "/usr/libexec/qemu-kvm: failed to initialize kvm: Permission denied",
                "failed to initialize kvm: Permission denied",
            ),
            ("qemu-system-x86_64: ../../x.c:1: f: Assertion `a' failed.", "QEMU killed by signal 6"),
            (f"qemu-system-x86_64: {'long ' * 40}", f"{'long ' * 12}…"),
        ],
    )
    def test_the_reason_is_one_short_line(self, qemu: Path, output: str, gist: str) -> None:
        (qemu.parent / "said").write_text(output)
        found = self.refusal(qemu, f"cat {qemu.parent}/said >&2; kill -ABRT $$")
        assert found.why == f"no guest runs under KVM: {gist}"
        assert len(found.why) < 100
        assert output.strip() in found.detail
        assert not found.final

    def test_hang(self, qemu: Path) -> None:
        assert self.prove(qemu, "exec sleep 60", seconds=0.3) == HANGS


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
