"""Bisect the grown history with real kernels, and hold the answer against the truth.

    python bench/bisect_history/find.py [--branch long|short] [--runs DIR] [--resume]

Prints what the command printed, then one line of figures. Exit status 0 when the culprit was named.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

from grow import CULPRIT, grow

from kzram_ci.base import clock
from kzram_ci.base.cache import cache_root

HERE = Path(__file__).resolve().parent


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--branch", default="long", choices=("long", "short"))
    parser.add_argument("--runs", default="runs")
    parser.add_argument("--resume", action="store_true", help="go on with the newest one")
    args = parser.parse_args()
    began = clock.monotonic()
    repository = grow(cache_root())
    asked = [str(HERE / "flaky.yaml"), "--repo", str(repository), "--good", "base", "--bad", args.branch]
    words = ["--resume"] if args.resume else asked
    argv = [sys.executable, "-m", "kzram_ci", "bisect", *words, "--runs", args.runs, "--json"]
    done = subprocess.run(argv, stdout=subprocess.PIPE, check=False)
    data = json.loads(done.stdout or b"{}")
    print("\n".join(data.get("lines", ())))
    named = [commit["subject"] for commit in data.get("commits", ()) if "culprit" in commit["roles"]]
    boots = sum(sum(commit["boots"].values()) for commit in data.get("commits", ()))
    built = sum("built in" in commit["build"] for commit in data.get("commits", ()))
    right = named == [CULPRIT]
    seconds = clock.monotonic() - began
    said = "right" if right else f"WRONG, named {named}"
    unbuilt = sum("not built" in commit["build"] for commit in data.get("commits", ()))
    useless = sum(not {"clean", "crash"} & set(commit["boots"]) for commit in data.get("commits", ())) - unbuilt
    met = f"{unbuilt} commits that do not build and {useless} that cannot be booted were met"
    print(f"{said}: {boots} boots, {built} builds, {seconds:.0f} s; {met}")
    return 0 if right and done.returncode == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
