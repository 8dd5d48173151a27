"""Do consecutive runs of a plan agree? Runs it N times and compares the verdict of every cell.

    python bench/consecutive.py [--runs 20] [--plan testplans/overrun.yaml] [--out DIR]

Prints a row a cell with its verdicts and outcomes, the boots that failed and were retried, and the wall time of each
run. Exits 0 when every cell had the same verdict in all runs, 1 when not.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections import Counter, defaultdict
from pathlib import Path

from kzram_ci.base import clock, proc
from kzram_ci.base.clock import Deadline


def one_run(plan: str, out: Path, number: int) -> tuple[float, list[dict[str, object]]]:
    """Seconds of wall time and the results of one run, as JSON objects."""
    began = clock.monotonic()
    where = out / f"{number:02d}"
    done = proc.run(
        (sys.executable, "-m", "kzram_ci", "run", plan, "--runs", str(where)),
        deadline=Deadline.after(3600),
        check=False,
    )
    seconds = clock.monotonic() - began
    lines = [line for path in where.glob("*/results.jsonl") for line in path.read_text().splitlines()]
    print(f"run {number}: exit {done.code}, {seconds:.0f} s, {len(lines)} cells", flush=True)
    return seconds, [json.loads(line) for line in lines]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--plan", default="testplans/overrun.yaml")
    parser.add_argument("--out", type=Path, default=Path("runs/consecutive"))
    args = parser.parse_args()
    verdicts: dict[str, Counter[str]] = defaultdict(Counter)
    retried: Counter[str] = Counter()
    times = []
    for number in range(1, args.runs + 1):
        seconds, results = one_run(args.plan, args.out, number)
        times.append(seconds)
        for result in results:
            word: dict[str, str] = result["judgement"]  # type: ignore[assignment]
            verdicts[str(result["id"])][f"{word['verdict']}/{word['outcome']}"] += 1
            retried[str(result["id"])] += int(str(result["boot_failures"]))
    for name, words in sorted(verdicts.items()):
        said = ", ".join(f"{count} x {word}" for word, count in words.most_common())
        print(f"{name:48} {said}" + (f"; {retried[name]} boots retried" if retried[name] else ""))
    kinds = [len({word.split("/")[0] for word in words}) for words in verdicts.values()]
    complete = all(sum(words.values()) == args.runs for words in verdicts.values())
    print(
        f"{args.runs} runs; wall seconds min {min(times):.0f}, "
        f"median {statistics.median(times):.0f}, max {max(times):.0f}"
    )
    same = bool(kinds) and max(kinds) == 1 and complete
    print("every cell had one verdict in all runs" if same else "VERDICTS DIFFER")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
