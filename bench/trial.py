"""How often is a series that changes nothing called a fix? `kzram-ci try` beside two habits. See bench/README.md.

python bench/trial.py [--histories 10000] [--luck 0.01] [--rates 0.02 0.1 ...]
"""

from __future__ import annotations

import argparse
import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests/support"))
from trial_lab import trial, wrong

from kzram_ci.trial.decide import Answer, Settings

RATES = (0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9)


def main() -> None:
    """Print a table, a row for each crash rate of a boot."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--histories", type=int, default=10_000)
    parser.add_argument("--luck", type=float, default=0.01)
    parser.add_argument("--rates", type=float, nargs="+", default=RATES)
    args = parser.parse_args()
    settings = Settings(luck=args.luck)
    print("rate   try: wrong  found  boots before/after   three attempts: wrong   any pass: wrong")
    for rate in args.rates:
        mistaken = wrong(rate, args.histories, 1, settings=settings)
        chance = random.Random(2)
        fair = max(100, args.histories // 20)
        ended = [trial(rate, 0.0, chance, settings=settings) for _ in range(fair)]
        found = sum(now.answer is Answer.FIXED for now, _ in ended) / fair
        before = sum(test.before.started for _, test in ended) / fair
        after = sum(test.after.started for _, test in ended) / fair
        attempts = [[chance.random() < rate for _ in range(3)] for _ in range(args.histories)]
        three = sum(not any(crashed) for crashed in attempts) / args.histories
        any_pass = sum(not all(crashed) for crashed in attempts) / args.histories
        print(
            f"{rate:4.2f}  {mistaken:11.2%} {found:6.1%} {before:8.1f} / {after:<8.1f} {three:21.1%} {any_pass:17.1%}",
            flush=True,
        )


if __name__ == "__main__":
    main()
