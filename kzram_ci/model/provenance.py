"""What was tested: the source of a kernel and all that was done to it, for people and for comparing."""

from __future__ import annotations

from kzram_ci.base.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class AppliedSeries:
    """What a kernel got of a series. `notes`: what was not as listed, such as patches that were there already."""

    name: str
    kind: str
    patches: tuple[str, ...] = ()  # the files that were applied, in order; none when the series was left out
    hooks: int = 0  # how many places code search put it in; the last of `patches` is then the diff, beside the kernel
    left_out: str = ""  # why an optional series was left out
    met: str = ""  # why there was nothing to do: the source is so by itself
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """What a kernel was made of. Its key, the digest over all of it, is in KernelImage and CellResult."""

    source: str  # as on the command line: git:/src/linux@v6.13
    version: str  # of the source, exact: 6.12.117-1~deb12u1; a ready image's release
    identity: str  # of the source, by content
    commit: str = ""  # the full id, where git knows one
    dirty: bool = False  # the directory is not what the commit holds
    series: tuple[AppliedSeries, ...] = ()
    fragments: tuple[str, ...] = ()  # of the config, by name, in the order they were merged
    make_vars: tuple[tuple[str, str], ...] = ()
    toolchain: tuple[tuple[str, str], ...] = ()  # tool, first line of its --version
