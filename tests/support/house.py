"""A directory in which `kzram-ci run` works from plan to JUnit in seconds: a toy tree, a real make, a fake QEMU."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requires
from junitparser import JUnitXml
from tiny_source import write_tree

ROOT = Path(__file__).resolve().parents[2]
FAKE = ROOT / "tests" / "support" / "fake_qemu.py"
OOPS = ROOT / "tests" / "golden" / "oops" / "general-protection.log"
SECONDS = 120.0
PLAN = """\
name: whole
kernels:
{kernels}
machine: {{accel: tcg, memory: 64M, cpus: 1}}
tests:
  race: {{workload: anonmutate, duration: 5s, expect: {{ceilings: {{overruns: 0}}}}}}
  more: {{workload: pressure, duration: 5s}}
expect:
  - {{kernel: '*', test: race, repeats: 1}}
{expect}
"""


@dataclass(kw_only=True)
class Done:
    """What a run left: exit code, words, its directory."""

    code: int
    out: str
    path: Path

    @property
    def results(self) -> dict[str, dict[str, Any]]:
        return {one["id"]: one for one in map(json.loads, (self.path / "results.jsonl").read_text().splitlines())}

    @property
    def verdicts(self) -> dict[str, tuple[str, str]]:
        return {name: (one["judgement"]["outcome"], one["judgement"]["verdict"]) for name, one in self.results.items()}

    @property
    def junit(self) -> JUnitXml:
        return JUnitXml.fromfile(str(self.path / "junit.xml"))


class House:
    """A working directory with kernels, plans and a QEMU of its own."""

    def __init__(self, path: Path, cache: Path) -> None:
        self.path = path
        tools = path / "bin"
        tools.mkdir(parents=True)
        make = f'echo "$*" >>{path / "make-calls"}\nexec {requires.tool("make")} "$@"'
        for name, body in (("qemu-system-x86_64", f'exec {sys.executable} -S {FAKE} "$@"'), ("make", make)):
            (tools / name).write_text(f"#!/bin/sh\n{body}\n")
            (tools / name).chmod(0o755)
        (path / "kernels" / "config").mkdir(parents=True)
        (path / "kernels" / "config" / "tiny.config").write_text("CONFIG_B=y\n")
        self.env = {name: value for name, value in os.environ.items() if not name.startswith(("KZRAM", "FAKE"))}
        self.env |= {
            "PATH": f"{tools}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "KZRAM_CACHE": str(cache),
            "HOME": str(path),  # also the mark of every process of ours: make's get it too
        }

    def plan(self, *, expect: str = "", **kernels: str) -> None:
        """A plan of two tests on kernels; a kernel is what the words in its source say."""
        for name, words in kernels.items():
            tree = write_tree(self.path / "trees" / name)
            (tree / "fake.c").write_text(f"/* {name}\n{words}\n*/\n")
        row = "  - {{name: {0}, arch: x86_64, source: {{kind: directory, path: trees/{0}}}, config: [tiny]}}"
        text = PLAN.format(kernels="\n".join(row.format(name) for name in kernels), expect=expect)
        (self.path / "whole.yaml").write_text(text)

    def start(self, *words: str) -> "subprocess.Popen[bytes]":
        with (self.path / "out").open("wb") as out:
            return subprocess.Popen(
                (sys.executable, "-m", "kzram_ci", "run", *words),
                cwd=self.path,
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def finish(self, child: "subprocess.Popen[bytes]") -> Done:
        code = child.wait(timeout=SECONDS)
        runs = sorted((self.path / "runs").glob("*")) if (self.path / "runs").is_dir() else []
        return Done(code=code, out=(self.path / "out").read_text(), path=runs[-1] if runs else Path())

    def run(self, *words: str) -> Done:
        return self.finish(self.start(*words))

    def processes(self) -> list[tuple[int, str]]:
        """Every process that came of this house, and its command line: its HOME is in their environment.

        The sandbox of a build has another one, and names the house.
        """
        mark, name, found = f"HOME={self.path}".encode(), os.fsencode(self.path), []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                line = os.fsdecode((process / "cmdline").read_bytes().replace(b"\0", b" "))
                sandboxed = line.startswith("bwrap ") and name in os.fsencode(line)
                if sandboxed or mark in (process / "environ").read_bytes().split(b"\0"):
                    found.append((int(process.name), line))
            except OSError:
                continue  # gone meanwhile
        return [(pid, line) for pid, line in found if line]

    def ours(self) -> list[str]:
        """The command lines of every process that came of this house."""
        return [line for _, line in self.processes()]

    def builds(self) -> int:
        return (self.path / "make-calls").read_text().count("bzImage")

    def results_so_far(self, kernel: str) -> bool:
        """Whether both cells of a kernel are on disk."""
        text = "".join(path.read_text() for path in (self.path / "runs").glob("*/results.jsonl"))
        return all(f'"{kernel}/{test}"' in text for test in ("race", "more"))

    def until(self, true: Callable[[], bool], what: str) -> None:
        end = time.monotonic() + SECONDS
        while not true():
            assert time.monotonic() < end, f"{what}: never; {(self.path / 'out').read_text()[-2000:]}"
            time.sleep(0.02)
