"""Names of packages by package manager, and the command that installs them on this host."""

from __future__ import annotations

import functools
import os
import re
import shlex
import shutil
from collections.abc import Iterable
from pathlib import Path

from kzram_ci.base.values import dataclass

OS_RELEASE = ("/etc/os-release", "/usr/lib/os-release")  # the order of os-release(5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Packages:
    """What holds one thing, a field a manager. Several names are separated by blanks; "": it has no such package."""

    apt: str = ""
    dnf: str = ""
    zypper: str = ""
    pacman: str = ""
    nix: str = ""

    def of(self, manager: str) -> tuple[str, ...]:
        """The names for a manager of `MANAGERS`, none for an unknown one."""
        return tuple(str(getattr(self, manager)).split()) if manager in MANAGERS else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Manager:
    """A package manager: what it is called with, the ID or ID_LIKE of its distributions, whether it wants root."""

    command: str
    install: str
    families: tuple[str, ...]
    root: bool = True


MANAGERS = {
    "apt": Manager(command="apt-get", install="apt-get install", families=("debian", "ubuntu")),
    "dnf": Manager(command="dnf", install="dnf install", families=("fedora", "rhel", "centos")),
    "zypper": Manager(command="zypper", install="zypper install", families=("suse", "opensuse", "sles")),
    "pacman": Manager(command="pacman", install="pacman -S --needed", families=("arch", "manjaro")),
    # packages of a shell, not of the system: what a NixOS system holds is written in its configuration
    "nix": Manager(command="nix-shell", install="nix-shell -p", families=("nixos",), root=False),
}


def named(apt: str, dnf: str, zypper: str, pacman: str, nix: str) -> Packages:
    """Packages by position: a row of a table."""
    return Packages(apt=apt, dnf=dnf, zypper=zypper, pacman=pacman, nix=nix)


def everywhere(name: str) -> Packages:
    """A package that all managers call the same."""
    return Packages(apt=name, dnf=name, zypper=name, pacman=name, nix=name)


def manager_of(os_release: str) -> str:
    """The manager by ID, then ID_LIKE, of an os-release file; "" when the distribution is unknown."""
    for key in ("ID", "ID_LIKE"):
        found = re.search(rf"^{key}=(.*)$", os_release, re.MULTILINE)
        for name in found[1].strip("\"' ").split() if found else ():
            for manager, row in MANAGERS.items():
                if any(name == family or name.startswith(f"{family}-") for family in row.families):
                    return manager
    return ""


@functools.cache
def here() -> str:
    """The manager of this host: by os-release, else the first one that is installed; "" when there is none."""
    for name in OS_RELEASE:
        try:
            known = manager_of(Path(name).read_text(errors="replace"))
        except OSError:
            continue
        if known:
            return known
    return next((name for name, row in MANAGERS.items() if shutil.which(row.command)), "")


def install_command(names: Iterable[str], manager: str, *, root: bool | None = None) -> str:
    """The command that installs packages of these names; `root`: whether it is already run by root (None: ask)."""
    row = MANAGERS[manager]
    is_root = os.geteuid() == 0 if root is None else root
    sudo = "sudo " if row.root and not is_root else ""
    return f"{sudo}{row.install} {shlex.join(dict.fromkeys(names))}"


def advice(wanted: Iterable[tuple[str, Packages]], manager: str | None = None, *, root: bool | None = None) -> str:
    """How to get things, given as (name, packages): one command; words for what has no package here.

    manager: default this host's.
    """
    chosen = here() if manager is None else manager
    names, by_hand = list[str](), list[str]()
    for what, packages in wanted:
        found = packages.of(chosen)
        names.extend(found)
        by_hand.extend(() if found else (what,))
    parts = [install_command(names, chosen, root=root)] if names else []
    parts += [f"install {', '.join(dict.fromkeys(by_hand))}"] if by_hand else []
    return ", and ".join(parts)
