"""Kernels on other architectures than they were written for: `stock-arm64` is `stock` with arm64's fragments. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from kzram_ci.base.errors import UserError
from kzram_ci.model.arch import ARCHS, DEFAULT, arch_of
from kzram_ci.model.kernel import KernelSpec
from kzram_ci.model.source import DebianSource, Source

_SUFFIX = re.compile(rf"(?P<plain>.+)-(?P<arch>{'|'.join(row.name for row in ARCHS)})")


def split(name: str) -> tuple[str, str]:
    """A kernel's name without the architecture behind it, and that; ("", "") when there is none."""
    match = _SUFFIX.fullmatch(name)
    return (match["plain"], match["arch"]) if match else ("", "")


def plain(spec: KernelSpec) -> str:
    """The name without the architecture that `ported` put behind it: what patterns of a plan mean by it as well."""
    name, arch = split(spec.name)
    return name if arch == spec.arch else spec.name


def fragments(config: Sequence[str], own: str, arch: str) -> tuple[str, ...]:
    """Fragments of a kernel for `own`, with those of `arch` in the place of what only `own` has.

    A kernel that takes none of its architecture's brings its own configuration, which stays.
    """
    theirs, ours = arch_of(own).fragments, arch_of(arch).fragments
    if own == arch or not set(theirs) & set(config):
        return tuple(config)
    return (*(name for name in config if name not in theirs), *ours)


def ported(spec: KernelSpec, arch: str) -> KernelSpec:
    """A kernel for another architecture, which its name says then. Raises UserError for one that cannot be that."""
    if arch == spec.arch:
        return spec
    name = plain(spec) if arch == DEFAULT and plain(spec) != spec.name else f"{plain(spec)}-{arch}"
    config = fragments(spec.config, spec.arch, arch)
    return replace(spec, name=name, arch=arch, config=config, source=_source(spec, arch))


def _source(spec: KernelSpec, arch: str) -> Source:
    """Sources are of all architectures; a ready kernel of Debian has a package for each, of that name."""
    source = spec.source
    if not source.ready:
        return source
    own, other = arch_of(spec.arch).debian, arch_of(arch).debian
    if isinstance(source, DebianSource) and source.package.endswith(f"-{own}"):
        return replace(source, package=f"{source.package.removesuffix(own)}{other}")
    raise UserError(f"{spec.name} is a ready kernel for {spec.arch}, not for {arch}", hint=f"--arch {spec.arch}")
