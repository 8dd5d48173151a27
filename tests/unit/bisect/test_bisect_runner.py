"""The local runner, as far as it goes without a kernel: which tree it asks for, and what sources tell it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from bisect_lab import CELL, Repo

from kzram_ci.base.errors import NotApplicable
from kzram_ci.bisect.session import runner
from kzram_ci.bisect.session.commits import describe
from kzram_ci.bisect.session.model import Commit
from kzram_ci.bisect.session.runner import LocalRunner
from kzram_ci.kernel.workshop import KernelContext
from kzram_ci.model.kernel import CommitTree, KernelImage, Tree
from kzram_ci.run.pool import Budget

ZRAM = "int zram_write_page(void)\n{\n\treturn 0;\n}\n"  # compresses a page once
AGAIN = ZRAM.replace("return 0", "goto compress_again")
REASON = "zram.writestall cannot be reached: zram compresses a page once here"


def a_runner(tmp_path: Path, store: str = "/store.git") -> LocalRunner:
    return LocalRunner(
        store=store, repository="/linux", cell=CELL, stages=None, context=KernelContext(cache=tmp_path, jobs=1),  # type: ignore[arg-type]
        budget=Budget(cpus=4, memory_mib=4096),
    )  # fmt: skip


def test_a_commit_is_built_as_the_version_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Else old kernels' build fixes, or the wrong line of a series, would go into its kernel."""
    asked: list[Tree] = []
    (tmp_path / "bzImage").write_bytes(b"an image")

    def image_of(spec: object, tree: Tree, context: object, against: object) -> KernelImage:
        asked.append(tree)
        return KernelImage(key="k", name="k", arch="x86_64", release="6.1.9", image=str(tmp_path / "bzImage"))

    monkeypatch.setattr(runner, "image_of", image_of)
    lab = a_runner(tmp_path)
    kernel = lab.build(Commit(name="c" * 40, tree="d" * 40, version="6.1.9"))
    assert kernel.sha256
    tree = CommitTree(
        identity=f"git:{'d' * 40}",
        version="6.1.9",
        repository="/store.git",
        tree="d" * 40,
        source=f"git:/linux@{'c' * 12}",
        commit="c" * 40,
    )
    assert asked == [tree]


@pytest.fixture
def history(tmp_path: Path) -> tuple[LocalRunner, dict[str, Commit]]:
    """Two commits: zram compressed a page twice, then once."""
    repo = Repo(tmp_path / "linux", 1)
    for subject, text in (("twice", AGAIN), ("once", ZRAM)):
        repo.commit(subject, **{"drivers/block/zram/zram_drv.c": text})
    store = str(repo.path / ".git")
    names = [repo.git("rev-parse", subject).strip() for subject in ("twice", "once")]
    cell = replace(CELL, workload=replace(CELL.workload, program="anonmutate"))
    lab = replace(a_runner(tmp_path / "cache", store), cell=cell)
    return lab, dict(zip(("twice", "once"), describe(store, names), strict=True))


def test_sources_tell_which_tests_can_show_nothing(history: tuple[LocalRunner, dict[str, Commit]]) -> None:
    lab, commits = history
    blind = replace(lab.cell, id="k/blind", expect=replace(lab.cell.expect, floors=(("vmstat.pswpout", 5),)))
    assert lab.obstacles(commits["twice"], (lab.cell, blind)) == ("", "")
    reason, none = lab.obstacles(commits["once"], (lab.cell, blind))
    assert (reason.partition(" (")[0], none) == (REASON, "")
    assert not list(lab.context.cache.glob("slots/*"))


def test_a_commit_that_can_show_nothing_is_not_built(history: tuple[LocalRunner, dict[str, Commit]]) -> None:
    """Also one between the ends: a build costs minutes, a look at its source does not."""
    lab, commits = history
    with pytest.raises(NotApplicable, match=REASON):
        lab.build(commits["once"])
    assert not list(lab.context.cache.glob("slots/*"))
