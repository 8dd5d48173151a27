"""Which accelerator to trust: the one that a tiny guest ran on, never one whose device node merely opens."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from kzram_ci.base import proc
from kzram_ci.base.clock import Deadline
from kzram_ci.base.digest import digest_bytes, digest_json
from kzram_ci.base.errors import CommandTimeout, InfraError
from kzram_ci.base.memo import memoized, recall
from kzram_ci.base.values import dataclass
from kzram_ci.model import codec
from kzram_ci.model.arch import Arch, arch_of
from kzram_ci.model.kernel import KernelImage
from kzram_ci.model.machine import Accel, AccelChoice
from kzram_ci.vm import tiny_guest
from kzram_ci.vm.argv import TINY_GUEST_EXIT, first_line_argv, tiny_guest_argv
from kzram_ci.vm.binary import find, native

KVM = Path("/dev/kvm")
PROOF_SECONDS = 10.0
GIST_CHARS = 60  # of QEMU's message, in the one line
DETAIL_CHARS = 4000
_ANSWERS = 2  # raise it when what is remembered changes its shape


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why no guest ran under KVM: a few words, and QEMU's messages. final: another CPU model would not help."""

    why: str
    detail: str = ""
    final: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """Of KVM: the CPU model that a guest ran on, or why none did."""

    cpu: str = ""
    why: str = ""
    detail: str = ""


Prover = Callable[[Arch, str, KernelImage | None, Deadline], Refusal | None]
"""Boots a guest under KVM with a CPU model; returns None when it ran."""


def choose(
    wanted: Accel,
    arch: str,
    *,
    cache: Path,
    deadline: Deadline,
    image: KernelImage | None = None,
    prover: Prover | None = None,
) -> AccelChoice:
    """Resolve `auto`, or check that a wanted `kvm` works. The answer is remembered until the host changes.

    `image` is only used on architectures without a tiny guest. Raises InfraError when the plan insists on
    KVM and no guest runs on it, Interrupted.
    """
    row = arch_of(arch)
    if wanted is Accel.TCG:
        return AccelChoice(accel=Accel.TCG, why="tcg is requested", proved=True, cpu=row.cpu_tcg)
    proof, remembered = _kvm(row, image, cache, deadline, prover or prove)
    note = " (remembered)" if remembered else ""
    if proof.cpu:
        why = f"a tiny guest ran under KVM{note}"
        return AccelChoice(accel=Accel.KVM, why=why, proved=True, cpu=proof.cpu, detail=proof.detail)
    if wanted is Accel.KVM:
        hint = "kzram-ci doctor shows QEMU's messages; repair KVM, or use accel: auto"
        raise InfraError(f"accel: kvm is requested, but {proof.why}{note}", hint=hint)
    why = f"{proof.why}{note}"
    return AccelChoice(accel=Accel.TCG, why=why, proved=True, cpu=row.cpu_tcg, detail=proof.detail)


def _kvm(row: Arch, image: KernelImage | None, cache: Path, deadline: Deadline, prover: Prover) -> tuple[Proof, bool]:
    """Whether KVM can be used, and whether that was known already."""
    if not (native(row) or os.uname().machine in row.kvm_on):
        return Proof(why=f"KVM cannot run {row.name} on {os.uname().machine}"), False
    try:
        os.close(os.open(KVM, os.O_RDWR | os.O_CLOEXEC))
    except OSError as error:
        return Proof(why=f"{KVM} cannot be opened: {error.strerror}"), False
    note = cache / "accel" / f"{row.name}.json"
    key = _host_key(row, image)
    if (known := recall(note, key)) is not None:
        try:
            return codec.from_json(Proof, known), True
        except ValueError:
            note.unlink(missing_ok=True)  # damaged
    answer = memoized(note, key, lambda: codec.to_json(_first_that_runs(row, image, deadline, prover)))
    return codec.from_json(Proof, answer), False


def _first_that_runs(row: Arch, image: KernelImage | None, deadline: Deadline, prover: Prover) -> Proof:
    """Try the CPU models, the best one first. The messages of better ones are kept when a plainer one runs."""
    refused: list[tuple[str, Refusal]] = []
    for cpu in row.cpus_kvm:
        refusal = prover(row, cpu, image, deadline.within(PROOF_SECONDS))
        if refusal is None:
            return Proof(cpu=cpu, detail=_in_full(refused))
        refused.append((cpu, refusal))
        if refusal.final:
            break
    return Proof(why=refused[0][1].why, detail=_in_full(refused))


def _in_full(refused: Sequence[tuple[str, Refusal]]) -> str:
    return "\n".join(f"-cpu {cpu}: {refusal.detail or refusal.why}" for cpu, refusal in refused)


def _host_key(row: Arch, image: KernelImage | None) -> str:
    """All that may change the answer: this boot of the host, its kernel, the device, QEMU, the proof itself."""
    binary = Path(find(row)).resolve()
    program, device = binary.stat(), KVM.stat()
    boot = Path("/proc/sys/kernel/random/boot_id")
    facts = (
        _ANSWERS,
        boot.read_text().strip() if boot.is_file() else "",
        os.uname().release,
        [str(binary), program.st_ino, program.st_size, program.st_mtime_ns],
        [device.st_ino, device.st_rdev, device.st_mode, device.st_uid, device.st_gid, os.geteuid()],
        [row.machine, *row.cpus_kvm],
        digest_bytes(tiny_guest.rom()) if row.tiny_guest else image.key if image else "",
    )
    return digest_json(facts)


def prove(row: Arch, cpu: str, image: KernelImage | None, deadline: Deadline) -> Refusal | None:
    """Boot the tiny guest (or, where there is none, the kernel itself up to its first line) under KVM."""
    if row.tiny_guest:
        return _prove_by_rom(row, cpu, deadline)
    if image is None:
        return Refusal(why=f"no kernel is there to prove KVM on {row.name}", final=True)
    done = _attempt(row, first_line_argv(row, Accel.KVM, image.image, cpu), deadline)
    return None if done is not None and b"Linux version" in done.stdout + done.stderr else _refusal(done)


def _prove_by_rom(row: Arch, cpu: str, deadline: Deadline) -> Refusal | None:
    directory = Path(tempfile.mkdtemp(prefix=proc.temporary_prefix()))
    try:
        rom = directory / "rom"
        rom.write_bytes(tiny_guest.rom())
        done = _attempt(row, tiny_guest_argv(row, Accel.KVM, str(rom), cpu), deadline)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    return None if done is not None and done.code == TINY_GUEST_EXIT else _refusal(done)


def _attempt(row: Arch, argv: tuple[str, ...], deadline: Deadline) -> proc.Completed | None:
    """QEMU's end; None when it did not end in time."""
    try:
        return proc.run((find(row), *argv[1:]), deadline=deadline, check=False)
    except CommandTimeout:
        return None


def _refusal(done: proc.Completed | None) -> Refusal:
    if done is None:
        return Refusal(why="no guest runs under KVM: it hangs", final=True)
    ended = f"killed by signal {-done.code}" if done.code < 0 else f"ended with {done.code}"
    output = (done.stdout + done.stderr).decode("utf-8", "replace").strip()
    why = f"no guest runs under KVM: {_gist(output) or f'QEMU {ended}'}"
    return Refusal(why=why, detail=f"QEMU {ended}\n{output}".strip()[:DETAIL_CHARS])


def _gist(output: str) -> str:
    """QEMU's own word for what is wrong: its first error; warnings and assertions are for the full text."""
    found = re.search(r"^(?:\S+: )?error: (.*)$|^\S*qemu\S*: (?!warning: |\S+:\d+: )(.*)$", output, re.MULTILINE)
    text = (found[1] or found[2]).strip() if found else ""
    return text if len(text) <= GIST_CHARS else f"{text[:GIST_CHARS].rstrip()} …"
