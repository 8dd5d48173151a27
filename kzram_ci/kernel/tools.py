"""What a toolchain is, for those that look for one and those that build with it. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from kzram_ci.kernel.buildfixes import Vars


@dataclass(frozen=True, slots=True, kw_only=True)
class Toolchain:
    """The tools of one architecture: what make must be told, the compiler's command, who each tool is exactly."""

    make_vars: Vars
    cc: tuple[str, ...]
    identity: tuple[tuple[str, str], ...]  # tool, first line of its --version
