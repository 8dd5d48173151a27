"""Sizes and durations as people write them (768M, 1.5G, 60s, 2m, 250ms, 30d), and as they read them. Pure."""

from __future__ import annotations

import re

_NUMBER = re.compile(r"^\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)\s*$")
_BYTES = {"b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_MOST = 1e15  # of any unit; a number of 400 digits is infinite
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 7 * 86_400.0}


def parse_size(value: object) -> int:
    """A size in whole MiB. Units are K, M, G, T (also KiB, MiB …), all powers of 1024; 0 needs none.

    Raises ValueError with what is wrong and what is allowed.
    """
    count = parse_bytes(value)
    if count % (1 << 20):
        raise ValueError(f"{value!r} is not a whole number of MiB")
    return count >> 20


def parse_bytes(value: object) -> int:
    """As `parse_size`, in bytes."""
    if value == 0 and not isinstance(value, bool):
        return 0
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        raise ValueError(f"{value} has no unit; write {value}M for MiB, or {value}G")
    match = _NUMBER.match(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"expected a size such as 512M or 2G, got {value!r}")
    number, unit = float(match[1]), re.sub("(?<=[kmgt])i?b$", "", match[2].lower())
    if not number and not unit:
        return 0
    if unit not in _BYTES:
        raise ValueError(f"{_unit(match[2])} in {value!r}; expected K, M, G or T, as in 512M")
    if number > _MOST:
        raise ValueError(f"{str(value)[:20]} is larger than any size")
    return int(number * _BYTES[unit])


def parse_duration(value: object) -> float:
    """A duration in seconds. Units are ms, s, m, h, d, w; 0 needs none. Raises ValueError as `parse_size` does."""
    if value == 0 and not isinstance(value, bool):
        return 0.0
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        raise ValueError(f"{value} has no unit; write {value}s for seconds, or {value}m for minutes")
    match = _NUMBER.match(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"expected a duration such as 60s or 2m, got {value!r}")
    if match[2].lower() not in _SECONDS:
        raise ValueError(f"{_unit(match[2])} in {value!r}; expected ms, s, m, h, d or w, as in 60s")
    return float(match[1]) * _SECONDS[match[2].lower()]


def _unit(word: str) -> str:
    return f"unknown unit {word!r}" if word else "no unit"


def say_count(number: int, noun: str) -> str:
    """`1 cell`, `1,234 cells`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def say_duration(seconds: float) -> str:
    """Seconds for people: `3 s`, `4 min 05 s`, `2 h 03 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def say_size(count: float) -> str:
    """Bytes for people: `1.7 GB`, in powers of 1024."""
    for unit in ("B", "KB", "MB", "GB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TB"
