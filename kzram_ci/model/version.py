"""Kernel versions as numbers: what a Makefile names, what a constraint such as `>=6.12` admits. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

_CONSTRAINT = re.compile(r"(>=|<=|<|>|==)?\s*(\d+(?:\.\d+)*)")
TOOL = re.compile(r"(gcc|clang|ld)((?:>=|<=|<|>|==)\d[\d.]*)")  # a tool and the versions of it that are meant
_MINORS = 20  # a major number of Linux has had about twenty releases since 3.0


def numbers(version: str) -> tuple[int, ...]:
    """The leading numbers of a version: 6.12.117-1~deb12u1 is (6, 12, 117)."""
    match = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(int(part) for part in match[0].split(".")) if match else ()


def is_constraint(text: str) -> bool:
    """Whether a text is a version constraint: `>=6.12`, `<6.13`, `6.12`."""
    return _CONSTRAINT.fullmatch(text.strip()) is not None


def applies_to(constraints: Sequence[str], version: str) -> bool:
    """Whether a version is within all constraints. 6.12.117 is >=6.12 and <6.13."""
    have = numbers(version)
    for constraint in constraints:
        match = _CONSTRAINT.fullmatch(constraint.strip())
        if match is None:
            return False
        want = numbers(match[2])
        width = max(len(have), len(want))
        left, right = (have + (0,) * width)[:width], (want + (0,) * width)[:width]
        same = have[: len(want)] == want
        holds = {"": same, "==": same, ">=": left >= right, "<=": left <= right or same, "<": left < right}
        if not holds.get(match[1] or "", left > right and not same):
            return False
    return True


def distance(constraints: Sequence[str], version: str) -> int:
    """How many releases, about, a version is away from the nearest end of the constraints."""
    have = _ordinal(numbers(version))
    ends = [_ordinal(numbers(match[2])) for item in constraints if (match := _CONSTRAINT.fullmatch(item.strip()))]
    return min((abs(have - end) for end in ends), default=_MINORS * _MINORS)


def _ordinal(version: tuple[int, ...]) -> int:
    """Releases since 0.0, about."""
    major, minor = (*version, 0, 0)[:2]
    return major * _MINORS + minor


def kernel_version(makefile: str) -> str:
    """VERSION.PATCHLEVEL.SUBLEVEL of a kernel's top Makefile; "" for another file."""
    found = dict(re.findall(r"^(VERSION|PATCHLEVEL|SUBLEVEL)\s*=\s*(\d+)\s*$", makefile, re.MULTILINE))
    parts = [found.get(name) for name in ("VERSION", "PATCHLEVEL", "SUBLEVEL")]
    return ".".join(part for part in parts if part is not None) if parts[0] and parts[1] else ""
