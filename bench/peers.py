"""kzram-ci beside tools that do a part of the same, in one sitting: guests, bisections, logs, builds.

    python bench/peers.py [--only guests|bisect|logs|builds] [--rounds 5] [--seeds 3] [--branch short|long] [--builds]

What is missing is installed into an environment of its own in the cache; what cannot be is skipped, with the reason.
Prints Markdown tables: medians of the rounds, which are taken in turn, with the least and the most.

Guests: `uname -r` in the same ready kernel, Debian's, emulated by the same QEMU. kzram-ci boots its own initramfs and
sets up swap on zram; virtme-ng boots into the host's root file system, over 9p.
Bisect: the real kernels of bench/bisect_history, booted by the same command for all (`kzram-ci run --bisect-run`), one
boot an answer. What a method took is wall time, so the first to build a commit pays for it: take rounds after a first.
Logs: `grep -E` for the headlines beside `kzram-ci oops`, on a clean log and on the captures of tests/golden/oops.
Builds (--builds, some minutes each): the same tree and config in an empty cache, without a compiler cache.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kzram_ci.base import git
from kzram_ci.base.cache import cache_root
from kzram_ci.base.clock import Deadline

ROOT = Path(__file__).resolve().parents[1]
HISTORY = ROOT / "bench" / "bisect_history"
OURS = (sys.executable, "-m", "kzram_ci")
KERNEL = "debian:linux-image-amd64@bookworm"  # what virtme-ng needs is in its modules
PEERS = {"virtme-ng": "vng", "tuxmake": "tuxmake", "git-bayesect": "git-bayesect"}
UNTRIED = {"drgn's vmtest": "is in the source of drgn only, and boots kernels that its own script has built"}
PATIENCE = 1800.0  # seconds for one bisection


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one command took, in seconds, how it ended, and what it wrote."""

    wall: float
    cpu: float
    code: int
    output: str = ""
    errors: str = ""


def cost(argv: Sequence[str], *, at: Path, env: Mapping[str, str] | None = None, limit: float = PATIENCE) -> Cost:
    """Run a command; the processor time is that of all it started and waited for."""
    given = {**os.environ, "PYTHONPATH": str(ROOT), **(env or {})}
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
        began = time.perf_counter()
        child = subprocess.Popen(
            argv, cwd=at, env=given, stdin=subprocess.DEVNULL, stdout=out, stderr=errors, start_new_session=True
        )
        signal.signal(signal.SIGALRM, lambda *_: os.killpg(child.pid, signal.SIGTERM))
        signal.setitimer(signal.ITIMER_REAL, limit)
        _, status, used = os.wait4(child.pid, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        wall = time.perf_counter() - began
        texts = []
        for stream in (out, errors):
            stream.seek(0)
            texts.append(stream.read().decode("utf-8", "replace"))
    cpu = used.ru_utime + used.ru_stime
    return Cost(wall=wall, cpu=cpu, code=child.returncode, output=texts[0], errors=texts[1])


def spread(values: Sequence[float]) -> str:
    """A median with its range, for a table."""
    if len(values) == 1:
        return f"{values[0]:.2f}"
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def row(*cells: object) -> str:
    """A line of a Markdown table."""
    return f"| {' | '.join(map(str, cells))} |"


def head(*cells: str) -> str:
    """The first two lines of one."""
    return f"\n{row(*cells)}\n|{'---|' * len(cells)}"


def installed(place: Path) -> dict[str, Path | str]:
    """The program of each peer, installed if need be; or why there is none."""
    found: dict[str, Path | str] = {}
    python = place / "bin" / "python"
    if not python.exists():
        subprocess.run((sys.executable, "-m", "venv", str(place)), check=True)
    for package, program in PEERS.items():
        path = place / "bin" / program
        if not path.exists():
            done = cost((str(python), "-m", "pip", "install", "-q", package), at=place, limit=600.0)
            if done.code:
                found[package] = f"not installed: {done.errors.strip().splitlines()[-1]}"
                continue
        found[package] = path
    return found


def guest_commands(peers: Mapping[str, Path | str], scratch: Path) -> tuple[dict[str, tuple[str, ...]], Path | str]:
    """`uname -r` in a guest by each, and virtme-ng, or why it is not among them."""
    made = cost((*OURS, "build", KERNEL, "--json"), at=scratch)
    if made.code:
        raise SystemExit(made.errors)
    image, uname = json.loads(made.output)[0]["image"], ("--", "uname", "-r")
    commands: dict[str, tuple[str, ...]] = {"kzram-ci boot": (*OURS, "boot", KERNEL, "--accel", "tcg", *uname)}
    vng: Path | str = peers["virtme-ng"]
    if shutil.which("depmod") is None:
        vng = "needs depmod (Debian: kmod)"
    if isinstance(vng, Path):
        # without udev on the host its guest finds no ports for output and exit code, and the console is what is left
        how = ("--verbose", "--disable-kvm", "--force-9p", "--cpus", "2", "--memory", "768M")
        commands["virtme-ng"] = (str(vng), "-r", image, *how, *uname)
    commands["kzram-ci boot, `stock` (its own config)"] = (*OURS, "boot", "stock", "--accel", "tcg", *uname)
    return commands, vng


def guests(peers: Mapping[str, Path | str], rounds: int, scratch: Path) -> Iterator[str]:
    """`uname -r` in a guest."""
    commands, vng = guest_commands(peers, scratch)
    costs: dict[str, list[Cost]] = {name: [] for name in commands}
    path = f"{bins(peers)}:{os.environ['PATH']}"
    for _ in range(rounds):
        for name, argv in list(commands.items()):
            done = cost(argv, at=scratch, env={"PATH": path}, limit=300.0)
            if not (why := wrong(done)):
                costs[name].append(done)
                continue
            if name != "virtme-ng":
                raise SystemExit(f"{name} {why}")
            vng = why
            del commands[name], costs[name]
    yield head("`uname -r` in a guest", "wall, s", "processor, s")
    for name, own in costs.items():
        yield row(name, spread([one.wall for one in own]), spread([one.cpu for one in own]))
    if isinstance(vng, str):
        yield row("virtme-ng", vng, "")
    for name, why in UNTRIED.items():
        yield row(name, why, "")


def wrong(done: Cost) -> str:
    """Why a guest did not say its release; "" when it did. The exit code is not asked: see `--verbose` above."""
    text = f"{done.output}\n{done.errors}"
    if re.search(r"^\d+\.\d+\.\d+\S*\s*$", text, re.MULTILINE):
        return ""
    said = text.strip().splitlines()
    return f"failed with {done.code} here{f': {said[-1]}' if said else ', without a word'}"


def bins(peers: Mapping[str, Path | str]) -> str:
    """Where programs of peers find one another."""
    return ":".join(dict.fromkeys(str(path.parent) for path in peers.values() if isinstance(path, Path)))


def named(method: str, output: str) -> str:
    """The culprit that a method names in its output: the beginning of a commit's name, "" for none."""
    if method == "kzram-ci bisect":
        try:
            answer = json.loads(output)
        except ValueError:
            return ""
        found = [commit["commit"] for commit in answer.get("commits", ()) if "culprit" in commit["roles"]]
        return str(found[0]) if len(found) == 1 else ""
    patterns = {
        "git bisect run": r"^([0-9a-f]{40}) is the first bad commit",
        "git-bayesect": r"^Bisection converged to ([0-9a-f]{7,40})",
    }
    last = re.findall(patterns[method], output, re.MULTILINE)
    return last[-1] if last else ""


def bisections(peers: Mapping[str, Path | str], seeds: int, branch: str, scratch: Path) -> Iterator[str]:
    """The culprit of a grown history, by each method."""
    sys.path.insert(0, str(HISTORY))
    history = importlib.import_module("grow")
    repository: Path = history.grow(cache_root())
    methods: dict[str, Callable[[Path], Cost]] = {
        "kzram-ci bisect": lambda at: ours(repository, branch, at),
        "git bisect run": lambda at: stepped(repository, branch, at, ("git", "bisect"), ("start", branch, "base")),
    }
    if isinstance(program := peers["git-bayesect"], Path):
        begin = ("start", "--old", "base", "--new", branch)
        methods["git-bayesect"] = lambda at: stepped(repository, branch, at, (str(program),), begin)
    found: dict[str, list[tuple[bool, Cost]]] = {name: [] for name in methods}
    for seed in range(seeds):
        for name, method in methods.items():
            at = scratch / f"{name.replace(' ', '-')}-{seed}"
            at.mkdir()
            done = method(at)
            (at / "output.txt").write_text(done.output)
            commit = named(name, done.output)
            found[name].append((bool(commit) and subject(repository, commit) == history.CULPRIT, done))
            print(f"  {name} {seed + 1}: {'right' if found[name][-1][0] else 'wrong'}, {done.wall:.0f} s", flush=True)
    yield head(f"culprit of `{branch}`", "right", "wall, s", "processor, s")
    for name, runs in found.items():
        walls, cpus = [one.wall for _, one in runs], [one.cpu for _, one in runs]
        yield row(name, f"{sum(good for good, _ in runs)} of {len(runs)}", spread(walls), spread(cpus))
    if isinstance(program, str):
        yield row("git-bayesect", program, "", "")


def ours(repository: Path, branch: str, at: Path) -> Cost:
    """`kzram-ci bisect`."""
    ends = ("--good", "base", "--bad", branch)
    plan = str(HISTORY / "flaky.yaml")
    return cost((*OURS, "bisect", plan, "--repo", str(repository), *ends, "--json", "--quiet"), at=at)


def stepped(repository: Path, branch: str, at: Path, method: Sequence[str], begin: Sequence[str]) -> Cost:
    """A method that checks a commit out and asks a command for its word, in a clone."""
    clone = at / "tree"
    deadline = Deadline.after(600.0)
    git.run("clone", "-q", "-s", str(repository), str(clone), at=at, deadline=deadline)
    for name in ("base", branch):
        git.run("branch", "-q", "-f", name, f"origin/{name}", at=clone, deadline=deadline, check=False)
    word = (*OURS, "run", str(HISTORY / "must_pass.yaml"), "--bisect-run", "--kernel", f"git:{clone}@HEAD")
    test = (*word, "--runs", str(at / "runs"), "--no-history", "--quiet")
    first = cost((*method, *begin), at=clone)
    if first.code:
        return first
    return cost((*method, "run", *test), at=clone)


def subject(repository: Path, commit: str) -> str:
    """The first line of a commit's message."""
    asked = git.run("show", "-s", "--format=%s", commit, at=repository, deadline=Deadline.after(60.0), check=False)
    return asked.text().strip()


def logs(scratch: Path) -> Iterator[str]:
    """Headlines by grep, oopses by the parser."""
    from oops_throughput import CAPTURES, GREP, clean_log

    captures = sorted(CAPTURES.glob("*.log"))
    clean = scratch / "clean.log"
    clean.write_bytes(clean_log(200))
    grep = ("grep", "-aEc", GREP)
    yield head("a log", "`grep -E`, s of processor", "lines found", "`kzram-ci oops`, s of processor", "oopses found")
    for name, paths in (("clean, 200 MB", [clean]), (f"{len(captures)} captures", captures)):
        words = tuple(map(str, paths))
        found = cost((*grep, *words), at=scratch, env={"LC_ALL": "C"})
        lines = sum(int(line.rpartition(":")[2]) for line in found.output.split())
        done = cost((*OURS, "oops", "--json", *words), at=scratch)
        oopses = sum(len(one["oopses"]) for one in json.loads(done.output))
        yield row(name, f"{found.cpu:.2f}", lines, f"{done.cpu:.2f}", oopses)


def builds(peers: Mapping[str, Path | str], scratch: Path) -> Iterator[str]:
    """A kernel from nothing, by each."""
    env = {"KZRAM_CACHE": str(scratch / "cache"), "CCACHE_DISABLE": "1"}
    shutil.copytree(cache_root() / "downloads", scratch / "cache" / "downloads")
    own = cost((*OURS, "build", "stock", "--json"), at=scratch, env=env)
    if own.code:
        raise SystemExit(own.errors)
    key = json.loads(own.output)[0]["key"]
    config = scratch / "cache" / "kernels" / key / "config"
    (built,) = (scratch / "cache" / "slots").glob("*/src")
    tree = cleaned(built)
    jobs = f"-j{len(os.sched_getaffinity(0))}"
    yield head("`stock` from nothing", "wall, s", "processor, s")
    yield row("kzram-ci build (unpacks and patches too)", f"{own.wall:.0f}", f"{own.cpu:.0f}")
    out = scratch / "out"
    out.mkdir()
    shutil.copyfile(config, out / ".config")
    make = cost(("make", "-C", str(tree), f"O={out}", jobs, "olddefconfig", "bzImage"), at=scratch, env=env)
    yield row(f"make {jobs} olddefconfig bzImage", *took(make))
    if isinstance(program := peers["tuxmake"], str):
        yield row("tuxmake", program, "")
        return
    words = ("--directory", str(tree), "--kconfig", str(config), "--output-dir", str(scratch / "tux"), jobs)
    tux = cost((str(program), *words, "kernel"), at=scratch, env=env)
    yield row("tuxmake kernel", *took(tux))


def cleaned(tree: Path) -> Path:
    """The patched tree of a build, with nothing built in it: `make mrproper` wants files that it never had."""
    for path in (*tree.rglob("*.o"), *tree.rglob("*.a"), *tree.rglob(".*.cmd"), tree / ".config"):
        path.unlink(missing_ok=True)
    for name in ("include/config", "include/generated", "arch/x86/include/generated"):
        shutil.rmtree(tree / name, ignore_errors=True)
    return tree


def took(one: Cost) -> tuple[str, str]:
    """Seconds of wall and of processor, or why there is nothing to compare."""
    if one.code:
        lines = (one.errors or one.output).strip().splitlines() or ["it said nothing"]
        return f"failed ({one.code})", lines[-1][:100]
    return f"{one.wall:.0f}", f"{one.cpu:.0f}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=("guests", "bisect", "logs", "builds"))
    parser.add_argument("--rounds", type=int, default=5, help="guests of each")
    parser.add_argument("--seeds", type=int, default=3, help="bisections by each method")
    parser.add_argument("--branch", choices=("short", "long"), default="short")
    parser.add_argument("--builds", action="store_true", help="builds as well")
    args = parser.parse_args()
    place = cache_root() / "bench-peers"
    peers = installed(place)
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        parts: dict[str, Callable[[], Iterator[str]]] = {
            "guests": lambda: guests(peers, args.rounds, scratch),
            "bisect": lambda: bisections(peers, args.seeds, args.branch, scratch),
            "logs": lambda: logs(scratch),
            "builds": lambda: builds(peers, scratch),
        }
        for part, work in parts.items():
            if args.only in (None, part) and (part != "builds" or args.builds or args.only):
                for line in work():
                    print(line, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
