"""Is anything wrong after the power went? Records what a disk would hold at moments of a run, and goes on from there.

python bench/power.py [--states 40] [--share 0.2] [--work DIR] [--seed N]

A run of fakes is recorded from an empty cache on: builds, cache entries, run directory, history. Of what was not
pushed to the disk, each state loses everything, the names too, a half, or all but zeros. On each, `report` and
`history` must work, no verdict may be another than that of a run that nobody disturbed, and `run --resume` (or `run`,
where there is none yet) must come to the same end. Nothing that is damaged may boot.
"""

from __future__ import annotations

import argparse
import os
import random
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests/support"))
sys.path.insert(0, str(Path(__file__).resolve().parent))
import power_loss
from house import OOPS, House
from killable import Found, verdicts

ROOT = Path(__file__).resolve().parents[1]
SECONDS = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Lab:
    """A house whose disk loses its power."""

    house: House
    record: Path

    @property
    def roots(self) -> list[Path]:
        """What the disk holds."""
        return [self.house.path / "runs", Path(self.house.env["KZRAM_CACHE"])]

    def call(self, *words: str, before: tuple[str, ...] = ("-m", "kzram_ci")) -> tuple[int, str]:
        """Exit code and words of a command."""
        done = subprocess.run(
            (sys.executable, *before, *words), cwd=self.house.path, env=self.house.env, timeout=SECONDS,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        )  # fmt: skip
        return done.returncode, done.stdout

    def recorded(self, *words: str) -> int:
        """Run a command, and keep states."""
        shim = (str(ROOT / "tests/support/power_loss.py"), str(self.record), *map(str, self.roots), "--")
        return self.call(*words, before=shim)[0]

    def wrong_at(self, state: Path, way: str, wanted: Found) -> list[str]:
        """What is wrong when the power went at a state."""
        power_loss.put_back(state, way, self.roots)
        runs = self.roots[0]
        wrong = []
        for words in (("history",), *(("report", str(path.parent)) for path in runs.glob("*/plan.json"))):
            code, out = self.call(*words)
            if code not in (0, 1, 3) and not (words[0] == "history" and code == 2):  # no history yet
                wrong.append(f"{' '.join(words)}: {code}, {out[-300:]}")
        wrong += [f"{name} is {had}" for name, had in verdicts(runs).items() if had != wanted[name]]
        code, out = self.call("run", "--resume")
        if code == 2 and "no unfinished run" in out:
            code, out = self.call("run", "whole.yaml")
        if (found := verdicts(runs)) != wanted:
            wrong.append(f"verdicts {found}, exit code {code}: {out[-600:]}")
        if "Traceback" in out or "a defect" in out:
            wrong.append(out[-600:])
        path = self.roots[1] / "history.sqlite"
        with closing(sqlite3.connect(path)) as database:
            answers = [row[0] for row in database.execute("PRAGMA integrity_check")]
        return wrong + [f"history: {text}" for text in answers if text != "ok"]


def lab_of(work: Path) -> Lab:
    """A house in which nothing was run yet."""
    house = House(work / "house", work / "cache")
    house.plan(good="FAKE pass", bad=f"FAKE oops {OOPS}", failing="FAKE fail")
    return Lab(house=house, record=work / "states")


def main() -> int:
    """Print a line for each state at which something is wrong, and a summary."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--states", type=int, default=40)
    parser.add_argument("--share", type=float, default=0.2, help="of the moments, kept as states")
    parser.add_argument("--work", type=Path, help="default: a temporary directory")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    work = Path(args.work or tempfile.mkdtemp(prefix="kzram-power-"))
    os.environ["POWER_SHARE"] = str(args.share)
    lab, dice = lab_of(work), random.Random(args.seed)
    code = lab.recorded("run", "whole.yaml")
    wanted, states = verdicts(lab.roots[0]), sorted(lab.record.iterdir())
    print(f"recorded: exit code {code}, {len(wanted)} cells, {len(states)} states", flush=True)
    bad = 0
    for state in sorted(dice.sample(states, min(args.states, len(states)))):
        way = dice.choice(power_loss.WAYS)
        wrong = lab.wrong_at(state, way, wanted)
        bad += bool(wrong)
        for text in wrong:
            print(f"{state.name}, {way}: {text}", flush=True)
    print(f"{min(args.states, len(states))} states, {bad} with something wrong")
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main())
