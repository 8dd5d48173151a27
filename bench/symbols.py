"""Where the compiler's time goes in a clean build, by config symbol and by directory.

    python bench/symbols.py stock [--jobs 2] [--rows 40] [--keep compilers.log]
    python bench/symbols.py --log compilers.log --source TREE --config .config

The first form builds a kernel in an empty cache, without ccache, its compiler calls timed by a program that stands in
for `gcc`; the second shows a log of an earlier build again. A symbol's seconds are those of all objects that the
makefiles would leave out without it, as far as makefiles say so: symbols that it selects, and #ifdef, are not seen.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from kzram_ci.base import clock, proc
from kzram_ci.base.clock import Deadline
from kzram_ci.kernel import kconfig

STAND_IN = r"""
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static double seconds(const struct timeval *value)
{
	return value->tv_sec + value->tv_usec / 1e6;
}

int main(int argc, char **argv)
{
	const char *out = "";
	struct rusage used;
	char line[4200];
	int status, length, log;
	pid_t pid;

	for (int i = 1; i + 1 < argc; i++)
		if (!strcmp(argv[i], "-o"))
			out = argv[i + 1];
	argv[0] = REAL;
	pid = fork();
	if (pid < 0)
		return 1;
	if (!pid) {
		execv(REAL, argv);
		_exit(127);
	}
	if (wait4(pid, &status, 0, &used) < 0)
		return 1;
	length = snprintf(line, sizeof(line), "%.4f %s\n", seconds(&used.ru_utime) + seconds(&used.ru_stime), out);
	log = open(LOG, O_WRONLY | O_APPEND | O_CREAT, 0666);
	if (log >= 0 && length < (int)sizeof(line) && write(log, line, length) != length)
		return 1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
"""
_LINE = re.compile(r"^([\w./-]+?)-(?:\$\(CONFIG_(\w+)\)|y|objs|m)\s*(?:\+|:)?=\s*(.*)$")
_IF = re.compile(r"^(?:ifdef\s+CONFIG_(\w+)|ifeq\s*\(\$\(CONFIG_(\w+)\),\s*y\))")
Gates = Mapping[str, frozenset[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Makefiles:
    """What the makefiles of a tree say: for each object and directory the symbols that any one of brings it in.

    An empty set: it is always there, or in a way that this reader does not know.
    """

    gates: Gates
    members: Mapping[str, str]  # object: the composite object it is linked into

    def chain(self, path: str) -> set[str]:
        """The symbols without which an object is not built; alternatives as one word."""
        found: set[str] = set()
        at = path
        while at not in ("", ".", "/"):
            for name in (at, self.members.get(at, "")):
                if gate := self.gates.get(name):
                    found.add(" or ".join(sorted(gate)))
            at = str(PurePosixPath(at).parent)
        return found


def read_makefiles(root: Path, directories: set[str], config: Mapping[str, str]) -> Makefiles:
    """Read the makefiles that bring in what lies in `directories`; symbols that are off are left out."""
    gates: dict[str, set[str]] = defaultdict(set)
    members: dict[str, str] = {}
    for directory in sorted(
        {str(up) for name in directories for up in (PurePosixPath(name), *PurePosixPath(name).parents)}
    ):
        for file in (root / directory / "Kbuild", root / directory / "Makefile"):
            if not file.is_file() or (directory == "." and file.name == "Makefile"):
                continue
            for left, symbols, words in _assignments(file.read_text("utf-8", "replace")):
                if any(config.get(f"CONFIG_{symbol}", "n") not in ("y", "m") for symbol in symbols):
                    continue
                for word in words:
                    name = os.path.normpath(f"{directory}/{word}")
                    gates[name].add(" and ".join(sorted(symbols)))
                    if left not in ("obj", "lib"):
                        members[name] = os.path.normpath(f"{directory}/{left}.o")
    # what one line brings in without a symbol is there without any
    return Makefiles(
        gates={name: frozenset() if "" in found else frozenset(found) for name, found in gates.items()}, members=members
    )


def _assignments(text: str) -> Iterator[tuple[str, tuple[str, ...], list[str]]]:
    """Variable, symbols and words of each line that names objects or directories."""
    within: list[str] = []
    for whole in text.replace("\\\n", " ").splitlines():
        line = whole.partition("#")[0].strip()
        if line.startswith("if"):
            match = _IF.match(line)
            within.append((match[1] or match[2]) if match else "")
        elif line.startswith("else"):
            within[-1:] = [""]
        elif line.startswith("endif"):
            within[-1:] = []
        elif match := _LINE.match(line):
            symbols = tuple({symbol for symbol in (*within, match[2] or "") if symbol})
            yield match[1], symbols, [word for word in match[3].split() if word.endswith((".o", "/"))]


def timed_build(kernel: str, jobs: int, scratch: Path) -> tuple[Path, Path, Path, float]:
    """Build a kernel; returns the log of its compilers, its source, its configuration and the seconds it took."""
    log, programs, cache = scratch / "compilers.log", scratch / "bin", scratch / "cache"
    programs.mkdir()
    (scratch / "stand-in.c").write_text(STAND_IN)
    real = proc.which("gcc")
    defines = (f'-DREAL="{real}"', f'-DLOG="{log}"')
    proc.run(
        (real, "-O2", *defines, "-o", str(programs / "gcc"), str(scratch / "stand-in.c")), deadline=Deadline.after(60)
    )
    began = clock.monotonic()
    proc.run(
        (sys.executable, "-m", "kzram_ci", "build", kernel, "--jobs", str(jobs)),
        deadline=Deadline.after(5400),
        env={
            "KZRAM_CACHE": str(cache),
            "KZRAM_CCACHE": "0",
            "PATH": f"{programs}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        },
    )
    seconds = clock.monotonic() - began
    (source,) = cache.glob("slots/*/src")
    (config,) = cache.glob("kernels/*/config")
    return log, source, config, seconds


def show(log: Path, source: Path, config: Path, rows: int) -> None:
    """The tables."""
    spent: dict[str, float] = defaultdict(float)
    for line in log.read_text().splitlines():
        seconds, _, name = line.partition(" ")
        spent[name] += float(seconds)
    objects = {
        name: value
        for name, value in spent.items()
        if name.endswith(".o") and not name.startswith("/") and (source / _origin(name)).is_dir()
    }
    values = kconfig.parse(config.read_text())
    makefiles = read_makefiles(source, {_origin(name) for name in objects}, values)
    symbols: dict[str, list[float]] = defaultdict(list)
    places: dict[str, list[float]] = defaultdict(list)
    for name, value in objects.items():
        for symbol in makefiles.chain(name):
            symbols[symbol].append(value)
        places["/".join(_origin(name).split("/")[:2])].append(value)
    rest = [value for name, value in spent.items() if name not in objects]
    for title, table in (("symbol", symbols), ("directory", places)):
        print(f"{'CPU s':>7} {'objects':>8}  {title}")
        for name, found in sorted(table.items(), key=lambda item: -sum(item[1]))[:rows]:
            print(f"{sum(found):7.1f} {len(found):8}  {name}")
        print()
    print(
        json.dumps(
            {"objects": len(objects), "cpu_s": round(sum(objects.values()), 1), "other_cpu_s": round(sum(rest), 1)}
        )
    )


def _origin(name: str) -> str:
    """The directory of an object, in the source."""
    return str(PurePosixPath(name).parent)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kernel", nargs="?", help="a kernel by name")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--rows", type=int, default=40)
    parser.add_argument("--keep", type=Path, default=None, help="where the log of the compilers goes")
    parser.add_argument("--log", type=Path, default=None)
    parser.add_argument("--source", type=Path, default=None)
    parser.add_argument("--config", type=Path, default=None)
    args = parser.parse_args()
    if args.log is not None:
        if args.source is None or args.config is None:
            parser.error("--log needs --source and --config")
        show(args.log, args.source, args.config, args.rows)
        return 0
    if args.kernel is None:
        parser.error("a kernel, or --log")
    with tempfile.TemporaryDirectory(prefix="kzram-bench.") as name:
        log, source, config, seconds = timed_build(args.kernel, args.jobs, Path(name))
        if args.keep is not None:
            shutil.copyfile(log, args.keep)
        show(log, source, config, args.rows)
        print(json.dumps({"seconds": round(seconds, 1), "jobs": args.jobs}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
