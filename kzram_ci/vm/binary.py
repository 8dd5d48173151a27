"""Where this host keeps the QEMU of an architecture."""

from __future__ import annotations

import os
import shutil

from kzram_ci.base import packages
from kzram_ci.base.errors import UserError
from kzram_ci.model.arch import Arch

# RHEL and its kin have one QEMU, for the host's own architecture, under a name of its own and outside of PATH.
NATIVE = ("qemu-kvm", "/usr/libexec/qemu-kvm")


def native(row: Arch) -> bool:
    """Whether guests of this architecture are of the host's own."""
    return os.uname().machine in row.uname


def look_for(row: Arch) -> str:
    """Absolute path of the QEMU that boots guests of this architecture, "" when there is none."""
    names = (row.qemu, *(NATIVE if native(row) else ()))
    return next((found for name in names if (found := shutil.which(name))), "")


def find(row: Arch) -> str:
    """Absolute path of the QEMU that boots guests of this architecture. Raises UserError with what installs it."""
    found = look_for(row)
    if not found:
        hint = packages.advice(((row.qemu, row.qemu_packages),))
        raise UserError(f"{row.qemu} not found in PATH", hint=hint)
    return found
