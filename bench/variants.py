"""What five variants cost against one kernel: both from source, same flags, same cores, one after the other.

    python bench/variants.py [--rounds N] [--cache DIR]

Each round builds `stock` alone in an empty cache, then all five in another empty cache, and prints the ratio of
wall times. Downloads are shared between the caches, so that the network is not measured. No ccache is used.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

from kzram_ci.base import budget, clock, proc
from kzram_ci.base.clock import Deadline

VARIANTS = ("stock", "unstable", "stable-page-v3", "saved-clen", "emergency-class")


def build(cache: Path, kernels: tuple[str, ...]) -> float:
    """Seconds of wall time to build `kernels` in `cache`, source unpacking included."""
    began = clock.monotonic()
    proc.run(
        (sys.executable, "-m", "kzram_ci", "build", *kernels),
        deadline=Deadline.after(5400),
        env={"KZRAM_CACHE": str(cache), "KZRAM_CCACHE": "0"},
    )
    return clock.monotonic() - began


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument(
        "--cache", type=Path, default=None, help="where the scratch caches go (default: a temporary one)"
    )
    args = parser.parse_args()
    ratios: list[float] = []
    with tempfile.TemporaryDirectory(dir=args.cache, prefix="kzram-bench.") as scratch:
        for number in range(1, args.rounds + 1):
            times = {}
            for name, kernels in (("one", VARIANTS[:1]), ("five", VARIANTS)):
                cache = Path(scratch) / name
                cache.mkdir()
                times[name] = build(cache, kernels)
                shutil.rmtree(cache)
            ratios.append(times["five"] / times["one"])
            print(
                f"round {number}: one {times['one']:.1f} s, five {times['five']:.1f} s, ratio {ratios[-1]:.3f}",
                flush=True,
            )
    print(json.dumps({"cores": budget.cpus(), "ratios": ratios, "median": statistics.median(ratios)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
