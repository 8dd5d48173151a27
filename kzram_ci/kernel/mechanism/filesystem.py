"""Is a file system on zram safe from the overrun on this source, with these series, and why. Pure."""

from __future__ import annotations

from collections.abc import Collection

from kzram_ci.base.values import dataclass
from kzram_ci.kernel.mechanism.facts import Facts

# What copes with a longer second result, and what leaves no second one
COPES = ("saved-clen", "emergency-class", "saved-clen-emergency")
ONCE = ("no-retry", "sleepable")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """`safe`: no page that changes can overrun an object; `because` names what in the source or in the series says so.

    `open`: the ways in that are left, for a kernel that is not safe.
    """

    safe: bool
    because: str
    open: tuple[str, ...] = ()


def answer(facts: Facts, series: Collection[str]) -> Answer:
    """What holds for any file system on zram. Stable pages are part of it, and are never enough."""
    second = facts["second_compression"]
    if not second.value:
        why = "a page is compressed once: what is copied is what was allocated for"
        return Answer(safe=True, because=f"{why} ({second.where})")
    if found := next((name for name in COPES if name in series), ""):
        return Answer(safe=True, because=f"a second result that is longer gets an object it fits in ({found})")
    if found := next((name for name in ONCE if name in series), ""):
        return Answer(safe=True, because=f"a page is compressed once ({found})")
    asked = facts["stable_asked"].value and "unstable" not in series
    ways = (
        "O_DIRECT writes of any user: zram is given the caller's own page, which no stable page protects",
        "O_DIRECT reads into a shared mapping: a pinned page is written to without a fault",
        "metadata of a file system that has no journal: it is changed while it is written",
        *_journalled(facts, series),
        *(() if asked else ("every page of a shared mapping: zram does not ask for stable pages",)),
    )
    why = "a page is compressed a second time, into an object for the first result"
    return Answer(safe=False, because=f"{why} ({second.where})", open=ways)


def _journalled(facts: Facts, series: Collection[str]) -> tuple[str, ...]:
    """ext4's data=journal, where a write fault does not wait. Of a source that was not asked, nothing."""
    fault = facts.get("ext4_jdata_fault")
    if fault is None or fault.value == "waits" or "ext4-mkwrite-stable" in series:
        return ()
    return (f"shared mappings of ext4 with data=journal: a write fault does not wait for writeback ({fault.where})",)


def as_lines(found: Answer) -> list[str]:
    """For people."""
    word = "safe" if found.safe else "not safe"
    return [f"a file system on zram: {word}: {found.because}", *(f"  open to {way}" for way in found.open)]
