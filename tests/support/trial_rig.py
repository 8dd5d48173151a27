"""Trials of a kernel tree of three files: real git, real patches, real make; only the guest is simulated.

What a guest does follows from the text of its kernel, so a patch that is not applied changes nothing.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import git_tree
from builders import a_rootfs, an_accel
from tiny_source import FILES

from kzram_ci.base.clock import Deadline
from kzram_ci.kernel.workshop import KernelContext, image_for
from kzram_ci.model.cell import Plan
from kzram_ci.model.events import Listener, silent
from kzram_ci.model.evidence import Evidence, OopsSummary
from kzram_ci.model.kernel import KernelImage, KernelSpec
from kzram_ci.run.foresight import looked_ahead
from kzram_ci.run.job import CellJob, Stages
from kzram_ci.run.pool import Budget
from kzram_ci.trial.findings import Findings
from kzram_ci.trial.session.builds import Builds
from kzram_ci.trial.session.engine import Engine
from kzram_ci.trial.session.request import TryRequest, begin
from kzram_ci.trial.session.store import Session

BUG = "int bug(void) { return CRASHES; }\n\n\nint calm;\n\n\nint last;\n"
PLAN = """\
name: tiny
kernels: [{{name: bug, source: {{kind: git, path: {repo}, ref: main}}}}]
machine: {{memory: 64M, cpus: 1}}
tests:
  swap:
    workload: anonmutate
    expect: {{floors: {{recompressions: 100}}}}
  direct:
    workload: directmutate
    zram: {{swap: false}}
    expect: {{floors: {{recompressions: 100}}}}
  calm:
    workload: pressure
    control: true
expect:
  - {{kernel: bug, test: [swap, direct], outcome: oops, oops: {{types: [null_deref]}}, floors: {{}}}}
"""
GOOD = Evidence(
    booted=True, ready=True, exit_code=0, console_bytes=10, qemu_exit=0, seconds=2.0, work_seconds=1.0,
    counters={"vmstat.pswpout": 900, "zram.writes": 900, "recompressions": 500},
)  # fmt: skip


def oops(kind: str, function: str) -> Evidence:
    found = OopsSummary(
        title=f"BUG: {kind} in {function}", type=kind, function=function, signature=f"{kind}:{function}",
        decoded=f"BUG: {kind} in {function}\n  {function} (mm/x.c:1)\n", text="BUG",
    )  # fmt: skip
    return replace(GOOD, exit_code=None, oopses=(found,), panicked=True)


def boot(job: CellJob, deadline: Deadline, listener: Listener) -> Evidence:
    """What a guest of this kernel does in this test."""
    text, test = Path(job.kernel.image).read_text(), job.cell.test
    (job.place.path / "console.log").write_text(f"{job.cell.id} with seed {job.cell.seed}\n")
    if "NOBOOT" in text:
        return Evidence(console_bytes=9, panicked=True, seconds=1.0)
    if "ELSEWHERE" in text:
        return oops("paging_fault", "elsewhere")
    if "HIDDEN" in text:
        return replace(GOOD, counters={"vmstat.pswpout": 900, "zram.writes": 900, "recompressions": 0})
    if "RARELY" in text and job.cell.seed % 3:
        return GOOD
    if job.cell.workload.own is not None and "CRASHES" not in text:
        return replace(GOOD, test_code=0)
    if test != "calm" and ("CRASHES" in text or (test == "direct" and "DIRECT" in text)):
        return oops("null_deref", "obj_malloc")
    return GOOD


class Rig:
    """A repository with the bug, a plan that shows it, and a cache of its own."""

    looks_ahead = False  # else what this tree's source says of zram counts: there is none in it

    def __init__(self, root: Path) -> None:
        self.root, self.repo, self.plan = root, root / "linux", root / "tiny.yaml"
        self.repo.mkdir()
        git_tree.repository(self.repo)
        self.base = git_tree.commit(self.repo, "with the bug", a=BUG, c=FILES["c.c"])
        git_tree.git(self.repo, "tag", "v1")
        self.plan.write_text(PLAN.format(repo=self.repo))
        self.told: list[str] = []

    def patch(self, *texts: str, name: str = "fix.mbox", options: tuple[str, ...] = ()) -> Path:
        """The mailbox of a series whose patches make a.c these texts, one by one; the tree is left as it was."""
        git_tree.git(self.repo, "checkout", "-qB", "series", self.base)
        for number, text in enumerate(texts, start=1):
            git_tree.commit(self.repo, f"a: step {number}\n\nWhy it is right.", a=text)
        done = git_tree.git(self.repo, "format-patch", "--stdout", "--thread", *options, f"{self.base}..series")
        git_tree.git(self.repo, "checkout", "-q", "main")
        path = self.root / name
        path.write_text(done + "\n")
        return path

    def request(self, *series: str | Path, **fields: object) -> TryRequest:
        given = {"plan": str(self.plan), "repository": self.repo, "runs": self.root / "runs", **fields}
        return TryRequest(series=tuple(map(str, series)), **given)  # type: ignore[arg-type]

    def begin(self, *series: str | Path, **fields: object) -> Session:
        return begin(self.request(*series, **fields), stdin=lambda: b"", tell=self.told.append)

    def stages(self) -> Stages:
        context = KernelContext(cache=self.root / "cache", jobs=1, listener=silent)

        def image(spec: KernelSpec) -> KernelImage:
            return image_for(spec, context)

        def ahead(plan: Plan, done: Collection[str]) -> Plan:
            return looked_ahead(plan, context, done)

        stages = Stages(image=image, rootfs=lambda cell: a_rootfs(), accel=lambda machine: an_accel(), boot=boot)
        return replace(stages, ahead=ahead) if self.looks_ahead else stages

    def engine(self, session: Session) -> Engine:
        stages = self.stages()
        return Engine(
            session=session, stages=stages, budget=Budget(cpus=2, memory_mib=4096, guests=2),
            builds=Builds(session=session, stages=stages, tell=self.told.append), listener=silent,
            tell=self.told.append,
        )  # fmt: skip

    def run(self, *series: str | Path, **fields: object) -> Findings:
        return self.engine(self.begin(*series, **fields)).run()
