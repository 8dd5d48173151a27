"""How long does one decision take with 10,000 commits? Bisects a long history, in one line and with merges.

    python bench/bisect/speed.py [--commits 10000] [--rate 0.5]

Prints, for each, the time to read the range and the median and longest decision, in ms of CPU time.
"""

from __future__ import annotations

import argparse
import statistics
import time

from worlds import Row, World, name

from kzram_ci.bisect.belief.decide import Done, next_step
from kzram_ci.bisect.belief.model import Observation, observe, start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--commits", type=int, default=10_000)
    parser.add_argument("--rate", type=float, default=0.5)
    args = parser.parse_args()
    for merges in (False, True):
        world = World(row=Row(name="long", rate=args.rate, commits=args.commits, merges=merges), seed=1)
        text, began = world.text(), time.process_time()
        state = start(text, bad=name(args.commits - 1), goods=(name(0),))
        read, took = time.process_time() - began, []
        while True:
            began = time.process_time()
            step = next_step(state)
            took.append(1000.0 * (time.process_time() - began))
            if isinstance(step, Done):
                break
            seen = world.boot(int(step.commit, 16))
            state = observe(state, step.commit, Observation(seen))
        found = step.answer.commits == (name(world.culprit),)
        print(
            f"{args.commits:,} commits, {'merges' if merges else 'one line'}: read in {1000.0 * read:.0f} ms; "
            f"{len(took)} decisions, median {statistics.median(took):.1f} ms, longest {max(took):.1f} ms; "
            f"{len(world.built)} builds, {world.boots} boots, {'right' if found else 'wrong'}"
        )


if __name__ == "__main__":
    main()
