"""Which accelerator to trust: the one that a tiny guest ran on, never one whose device node merely opens."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from kzram_ci.base import proc
from kzram_ci.base.clock import Deadline
from kzram_ci.base.digest import digest_bytes, digest_json
from kzram_ci.base.errors import CommandTimeout, InfraError
from kzram_ci.base.memo import memoized, recall
from kzram_ci.model.arch import Arch, arch_of
from kzram_ci.model.kernel import KernelImage
from kzram_ci.model.machine import Accel, AccelChoice
from kzram_ci.vm import tiny_guest
from kzram_ci.vm.argv import TINY_GUEST_EXIT, first_line_argv, tiny_guest_argv
from kzram_ci.vm.binary import find, native

KVM = Path("/dev/kvm")
PROOF_SECONDS = 10.0
_TAIL = 160

Prover = Callable[[Arch, KernelImage | None, Deadline], str]
"""Boots a guest under KVM; returns "" when it ran, else what went wrong."""


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
        return AccelChoice(accel=Accel.TCG, why="tcg is requested", proved=True)
    failure, remembered = _kvm_failure(row, image, cache, deadline, prover or prove)
    note = " (remembered)" if remembered else ""
    if not failure:
        return AccelChoice(accel=Accel.KVM, why=f"a tiny guest ran under KVM{note}", proved=True)
    if wanted is Accel.KVM:
        raise InfraError(f"accel: kvm is requested, but {failure}{note}", hint="repair KVM, or use accel: auto")
    return AccelChoice(accel=Accel.TCG, why=f"{failure}{note}; multi-threaded TCG instead", proved=True)


def _kvm_failure(
    row: Arch, image: KernelImage | None, cache: Path, deadline: Deadline, prover: Prover
) -> tuple[str, bool]:
    """Why KVM cannot be used ("" if it can), and whether that was known already."""
    if not native(row):
        return f"KVM cannot run {row.name} on {os.uname().machine}", False
    try:
        os.close(os.open(KVM, os.O_RDWR | os.O_CLOEXEC))
    except OSError as error:
        return f"{KVM} cannot be opened: {error.strerror}", False
    note = cache / "accel" / f"{row.name}.json"
    key = _host_key(row, image)
    if (known := recall(note, key)) is not None:
        return str(known), True
    return str(memoized(note, key, lambda: prover(row, image, deadline.within(PROOF_SECONDS)))), False


def _host_key(row: Arch, image: KernelImage | None) -> str:
    """All that may change the answer: this boot of the host, its kernel, the device, QEMU, the proof itself."""
    binary = Path(find(row)).resolve()
    program, device = binary.stat(), KVM.stat()
    boot = Path("/proc/sys/kernel/random/boot_id")
    facts = (
        boot.read_text().strip() if boot.is_file() else "",
        os.uname().release,
        [str(binary), program.st_ino, program.st_size, program.st_mtime_ns],
        [device.st_ino, device.st_rdev, device.st_mode, device.st_uid, device.st_gid, os.geteuid()],
        [row.machine, *row.cpus_kvm],
        digest_bytes(tiny_guest.rom()) if row.tiny_guest else image.key if image else "",
    )
    return digest_json(facts)


def prove(row: Arch, image: KernelImage | None, deadline: Deadline) -> str:
    """Boot the tiny guest (or, where there is none, the kernel itself up to its first line) under KVM."""
    if row.tiny_guest:
        return _prove_by_rom(row, deadline)
    if image is None:
        return f"no kernel is there to prove KVM on {row.name}"
    argv = first_line_argv(row, Accel.KVM, image.image)
    failure, code, output = _attempt(argv, deadline)
    if failure or b"Linux version" in output:
        return failure
    return f"under KVM the kernel never printed its first line (QEMU ended with {code})"


def _prove_by_rom(row: Arch, deadline: Deadline) -> str:
    directory = Path(tempfile.mkdtemp(prefix=proc.temporary_prefix()))
    try:
        rom = directory / "rom"
        rom.write_bytes(tiny_guest.rom())
        failure, code, output = _attempt(tiny_guest_argv(row, Accel.KVM, str(rom)), deadline)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    if failure or code == TINY_GUEST_EXIT:
        return failure
    lines = output.decode("utf-8", "replace").strip().splitlines()
    why = f": {lines[-1][:_TAIL]}" if lines else ""
    return f"under KVM a tiny guest did not run (QEMU ended with {code}{why})"


def _attempt(argv: tuple[str, ...], deadline: Deadline) -> tuple[str, int, bytes]:
    """Failure to end in time, exit status, output."""
    try:
        done = proc.run(argv, deadline=deadline, check=False)
    except CommandTimeout:
        return "/dev/kvm opens, and then a guest under KVM hangs", -1, b""
    return "", done.code, done.stdout + done.stderr
