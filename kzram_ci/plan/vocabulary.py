"""The words a plan may use, and whether a counter's name is likely a typing error. Pure data."""

from __future__ import annotations

import re

from kzram_ci.base.suggest import allowed, did_you_mean

WORKLOADS = ("anonmutate", "directmutate", "pressure")
ALGORITHMS = ("lzo", "lzo-rle", "lz4", "lz4hc", "zstd", "deflate", "842")
RAW_DEVICE_WORKLOADS = frozenset({"directmutate"})  # write to the device itself: it must not be swap
SWAP_WORKLOADS = frozenset({"anonmutate", "pressure"})

# What the guest reports by itself; a kernel's own instruments may add bare names.
DETECTOR_COUNTERS = (
    "recompressions",
    "grew",
    "overruns",
    "max_excess",
    "reuse_refused",
    "reuse_copied",
    "reuse_allowed",
    "reallocated",
    "wasted_bytes",
    "emergencies",
    "page_size_fallbacks",
)
ZRAM_COUNTERS = tuple(
    f"zram.{name}"
    for name in (
        "orig_data_size",
        "compr_data_size",
        "mem_used_total",
        "mem_limit",
        "mem_used_max",
        "same_pages",
        "pages_compacted",
        "huge_pages",
        "huge_pages_since",
        "failed_reads",
        "failed_writes",
        "invalid_io",
        "notify_free",
        "writestall",
        "miss_free",
        "writes",
        "write_sectors",
    )
)
COUNTER_GROUPS = ("zram", "vmstat", "psi", "fault", "mem")
_COUNTER = re.compile(r"^[A-Za-z0-9_]+(?:\.[A-Za-z0-9_]+)*$")

# Axes with a meaning of their own: name -> the field they set.
KNOWN_AXES = {
    "compressor": "zram.algorithm",
    "zram-size": "zram.size",
    "stable-writes": "zram.stable-writes",
    "amplifier": "fault.kind",
    "memory": "machine.memory",
    "cpus": "machine.cpus",
    "accel": "machine.accel",
}


def counter_complaint(name: str) -> str:
    """What is wrong with a counter's name, or nothing. New bare names pass unless they look like a known one."""
    if not _COUNTER.match(name):
        return f"{name!r} is not a counter's name"
    if name in DETECTOR_COUNTERS:
        return ""
    if "." not in name:
        near = did_you_mean(name, DETECTOR_COUNTERS, cutoff=0.8)
        return f"unknown counter {name!r}{near}" if near else ""
    group = name.split(".", maxsplit=1)[0]
    if group not in COUNTER_GROUPS:
        return f"unknown group of counters {group!r}; {allowed(group, COUNTER_GROUPS)}"
    if group == "zram" and name not in ZRAM_COUNTERS:
        return f"unknown counter {name!r}; {allowed(name, ZRAM_COUNTERS)}"
    return ""
