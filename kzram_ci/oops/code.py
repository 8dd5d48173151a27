"""The faulting instruction, disassembled as the kernel's scripts/decodecode does; pure: the caller runs objdump."""

from __future__ import annotations

import re

from kzram_ci.base.expressions import later
from kzram_ci.base.values import dataclass
from kzram_ci.oops.model import Oops

_BYTES = later(r"([<(]?)([0-9a-f]{2,8})([>)]?)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """Bytes around the instruction pointer; `fault` is the offset of the instruction that failed."""

    data: bytes
    fault: int
    machine: str  # for objdump -m
    step: int  # bytes of the smallest instruction: 1 where lengths vary


def code_of(oops: Oops) -> Code | None:
    """The code bytes of a report; None when it printed none or they cannot be read."""
    if not oops.code or oops.code.startswith("Bad"):
        return None
    data, fault = b"", None
    words = _BYTES.findall(oops.code)
    width = max((len(word) for _, word, _ in words), default=0)
    for mark, word, _ in words:
        if mark:
            fault = len(data)
        data += int(word, 16).to_bytes(len(word) // 2, "little" if width > 2 else "big")
    if fault is None or len(data) < 2:
        return None
    registers = oops.registers or {}
    if width == 2:
        return Code(
            data=data,
            fault=fault,
            machine="i386" if "eax" in registers else "i386:x86-64",
            step=1,
        )
    if "x0" in registers or "x29" in registers:
        return Code(data=data, fault=fault, machine="aarch64", step=4)
    if width == 4 and "epc" in registers:
        return Code(data=data, fault=fault, machine="riscv:rv64", step=2)
    return None


def objdump_argv(code: Code, path: str, start: int) -> tuple[str, ...]:
    """How objdump disassembles a file that holds the bytes, from `start` on."""
    return ("-D", "-b", "binary", "-m", code.machine, f"--start-address={start}", "--no-show-raw-insn", path)


def starts(code: Code) -> tuple[int, ...]:
    """Where to try to begin: instructions have no marks, so the first start that meets the fault is taken."""
    return (*range(0, min(16, code.fault + 1), code.step), code.fault)


def listing(text: str, code: Code) -> tuple[str, ...] | None:
    """The instructions with the failed one marked; None when they do not meet it: begin elsewhere."""
    lines = []
    met = False
    for line in text.splitlines():
        match = re.match(r"\s*([0-9a-f]+):\s+(.*)$", line)
        if match is None:
            continue
        offset = int(match[1], 16)
        met = met or offset == code.fault
        lines.append(f"{offset - code.fault:+4d}{'>' if offset == code.fault else ' '} {' '.join(match[2].split())}")
    return tuple(lines) if met else None
