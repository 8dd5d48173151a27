"""The words a plan may use. Pure data."""

from __future__ import annotations

ALGORITHMS = ("lzo", "lzo-rle", "lz4", "lz4hc", "zstd", "deflate", "842")

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
