"""What goes into a kernel besides its source: a toolchain, and the parts that its definition names. Pure."""

from __future__ import annotations

from kzram_ci.base.values import dataclass
from kzram_ci.kernel.buildfixes import Fix, Vars
from kzram_ci.kernel.kconfig import Fragment
from kzram_ci.kernel.series import Series


@dataclass(frozen=True, slots=True, kw_only=True)
class Toolchain:
    """The tools of one architecture: what make must be told, the compiler's command, who each tool is exactly."""

    make_vars: Vars
    cc: tuple[str, ...]
    identity: tuple[tuple[str, str], ...]  # tool, first line of its --version


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What a definition names, read: its series and fragments, in order; and the table of build fixes."""

    series: tuple[Series, ...] = ()
    fragments: tuple[Fragment, ...] = ()
    fixes: tuple[Fix, ...] = ()
