"""The one place that knows time; tests replace `monotonic` and `sleep` here."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from kzram_ci.base.values import dataclass


def monotonic() -> float:
    """Seconds on a clock that never jumps."""
    return time.monotonic()


def sleep(seconds: float) -> None:
    """Sleep; never called without a deadline around it."""
    time.sleep(seconds)


def now_utc() -> datetime:
    """The wall clock, for names and time stamps only."""
    return datetime.now(UTC)


def parse_utc(text: str) -> datetime:
    """What `now_utc().isoformat()` wrote. Raises ValueError."""
    return datetime.fromisoformat(text)


@dataclass(frozen=True, slots=True)
class Deadline:
    """A point on the monotonic clock, in seconds. A stage may tighten it, never extend it."""

    at: float

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        """The deadline `seconds` from now."""
        return cls(monotonic() + seconds)

    def remaining(self) -> float:
        """Seconds left, never below zero."""
        return max(0.0, self.at - monotonic())

    def expired(self) -> bool:
        """Whether the time is up."""
        return self.remaining() <= 0.0

    def within(self, seconds: float) -> Deadline:
        """The earlier of this deadline and `seconds` from now."""
        return Deadline(min(self.at, monotonic() + seconds))
