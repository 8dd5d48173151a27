"""A simulated lab: a history with a culprit, and boots that crash with known rates. For tests only."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from kzram_ci.base import git
from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import BuildFailed, InfraError
from kzram_ci.bisect.belief.model import Settings, start
from kzram_ci.bisect.session import store
from kzram_ci.bisect.session.engine import Engine
from kzram_ci.bisect.session.model import REVERT, Asked, Commit
from kzram_ci.bisect.session.runner import Kernel
from kzram_ci.bisect.session.store import Session
from kzram_ci.model.cell import Cell, Expectation, OopsWanted
from kzram_ci.model.evidence import Evidence, OopsSummary
from kzram_ci.model.kernel import KernelImage, KernelSpec
from kzram_ci.model.machine import Snapshot
from kzram_ci.model.source import LocalGit
from kzram_ci.model.workload import WorkloadSpec
from kzram_ci.verdict.crashes import Wanted

GOOD = Evidence(booted=True, ready=True, exit_code=0, counters={"vmstat.pswpout": 9, "zram.writestall": 9}, seconds=4.0)
LOST = Evidence(booted=True, ready=True, console_bytes=9)
PANIC = Evidence(console_bytes=9, panicked=True, seconds=1.0)


def crashed(kind: str = "null_deref", function: str = "obj_malloc") -> Evidence:
    oops = OopsSummary(title=f"BUG: {kind} in {function}", type=kind, function=function, signature=f"{kind}:{function}")
    return Evidence(booted=True, ready=True, oopses=(oops,), panicked=True, seconds=2.0)


def name(number: int) -> str:
    return f"{number:08x}{'0' * 32}"


def number_of(commit: str) -> int:
    return -1 if commit == REVERT else int(commit[:8], 16)


MAKEFILE = "VERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 0\nEXTRAVERSION =\n"


class Repo:
    """A git repository that looks like a kernel, with a line of commits v0, v1, …; `side` branches off at v1."""

    def __init__(self, path: Path, length: int = 8) -> None:
        self.path = path
        self.git("init", "--quiet", "--initial-branch=main", str(path), at=path.parent)
        self.names = [self.commit("v0", Makefile=MAKEFILE, Kbuild="# nothing\n", **{"mm/memory.c": "int a;\n" * 30})]
        for number in range(1, length + 1):
            path_ = "mm/memory.c" if number % 2 else "drivers/zram.c"
            text = "".join(f"int a{line};\n" for line in range(30)).replace("a7;", f"a7 = {number};")
            self.names.append(self.commit(f"v{number}", **{path_: text}))
        self.git("checkout", "--quiet", "-b", "side", "v1")
        self.side = self.commit("w", **{"fs/side.c": "int s;\n"})
        self.git("checkout", "--quiet", "main")

    def git(self, *words: str, at: Path | None = None) -> str:
        config = ("user.name=A U Thor", "user.email=a@example.org", "protocol.file.allow=always")
        return git.run(*words, config=config, cwd=at or self.path, deadline=Deadline.after(60)).text()

    def commit(self, subject: str, **files: str) -> str:
        for name_, text in files.items():
            (self.path / name_).parent.mkdir(parents=True, exist_ok=True)
            (self.path / name_).write_text(text)
        self.git("add", "-A")
        self.git("commit", "--quiet", "--allow-empty", "-m", f"area: make it {subject}")
        self.git("tag", subject)
        return self.git("rev-parse", "HEAD").strip()


def linear(length: int) -> str:
    """What rev-list prints of a line of commits: 1 is the oldest, 0 the good end before it."""
    return "".join(f"{name(number)} {name(number - 1)}\n" for number in range(length, 0, -1))


CELL = Cell(
    id="k/race",
    kernel=KernelSpec(name="k", source=LocalGit(path="/r", ref="x")),
    test="race",
    workload=WorkloadSpec(program="anonmutate", duration_s=1),
    expect=Expectation(
        outcome="oops", oops=OopsWanted(types=("null_deref",), function="^obj_"), floors=(("zram.writestall", 5),)
    ),
)


@dataclass
class SimLab:
    """Commits from `culprit` on crash at `rate`. `trees`: content by number where it is not the number itself."""

    culprit: int
    rate: float = 0.6
    workers: int = 2
    seed: int = 1
    unbuildable: frozenset[int] = frozenset()
    unbootable: frozenset[int] = frozenset()
    elsewhere: frozenset[int] = frozenset()
    lost: frozenset[int] = frozenset()
    everywhere: bool = False
    trees: Mapping[int, str] = field(default_factory=dict)
    crash: Callable[[Random], Evidence] = lambda random: crashed()
    reverted: tuple[str, str] = ("healed", "")
    numbers: Mapping[str, int] = field(default_factory=dict)  # of commits with real names
    boots: list[tuple[str, int]] = field(default_factory=list)
    asked: list[tuple[Snapshot, int]] = field(default_factory=list)  # of each boot: saved guests, how many follow
    builds: list[str] = field(default_factory=list)
    before: Callable[[str], None] = lambda what: None
    host: Callable[[], str] = lambda: ""
    obstacle: Callable[[int, Cell], str] = lambda number, cell: ""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def number(self, commit: str) -> int:
        return self.numbers[commit] if commit in self.numbers else number_of(commit)

    def cached(self, commits: Sequence[Commit]) -> Mapping[str, bool]:
        return {commit.name: False for commit in commits}

    def build(self, commit: Commit) -> Kernel:
        self.before(f"build {commit.name}")
        self.builds.append(commit.name)
        number = self.number(commit.name)
        if number in self.unbuildable:
            raise BuildFailed(f"{number} does not compile")
        image = KernelImage(
            key=f"key of {commit.name}", name="k", arch="x86_64", release="6.12", image=commit.name, seconds=9.0
        )
        return Kernel(image=image, sha256=self.trees.get(number, f"bytes of {number}"))

    def obstacles(self, commit: Commit, cells: Sequence[Cell]) -> tuple[str, ...]:
        return tuple(self.obstacle(self.number(commit.name), cell) for cell in cells)

    def boot(self, cell: Cell, kernel: Kernel, directory: Path, *, others: int) -> tuple[Evidence, str]:
        self.before(f"boot {kernel.image.image}")
        if why := self.host():
            raise InfraError(why)
        with self._lock:
            self.boots.append((kernel.image.image, cell.seed))
            self.asked.append((cell.machine.snapshot, others))
        (directory / "console.log").write_text("a console")
        number = self.number(kernel.image.image)
        random = Random(f"{self.seed} {number} {cell.seed}")
        if number in self.unbootable:
            return PANIC, "tcg"
        if number in self.lost:
            return LOST, "tcg"
        if number in self.elsewhere:
            return crashed("bug", "swap_writepage"), "tcg"
        bad = self.everywhere or number >= self.culprit
        return (self.crash(random) if bad and random.random() < self.rate else GOOD), "tcg"

    def without(self, culprit: str, bad: str) -> tuple[str, str]:
        self.before("revert")
        return self.reverted


def new_session(
    root: Path, length: int = 16, *, wanted: Wanted | None = None, cell: Cell = CELL, settings: Settings | None = None,
    text: str = "", trees: Mapping[int, str] | None = None,
) -> Session:  # fmt: skip
    state = start(text or linear(length), bad=name(length), goods=(name(0),), settings=settings or Settings())
    commits = tuple(
        Commit(
            name=one,
            tree=(trees or {}).get(number_of(one), f"tree of {number_of(one)}"),
            subject=f"change <{number_of(one)}> & more",
            author="A U Thor <a@example.org>",
            date="2026-01-01",
        )
        for one in state.graph.names
    )
    asked = Asked(
        plan="flaky", cell=cell, repository="/r", store="/r", wanted=wanted or Wanted(plan=True), commits=commits
    )
    return store.create(root, asked, state, "name: flaky\n")


def engine(opened: Session, lab: SimLab, told: list[str] | None = None) -> Engine:
    lines = told if told is not None else []

    def tell(subject: str, text: str) -> None:
        lines.append(f"{subject[:8]}: {text}")

    return Engine(session=opened, runner=lab, tell=tell)
