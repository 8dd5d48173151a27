"""The local runner, as far as it goes without a kernel: which tree it asks for."""

from __future__ import annotations

from pathlib import Path

import pytest
from bisect_lab import CELL

from kzram_ci.bisect.session import runner
from kzram_ci.bisect.session.model import Commit
from kzram_ci.bisect.session.runner import LocalRunner
from kzram_ci.kernel.workshop import KernelContext
from kzram_ci.model.kernel import CommitTree, KernelImage, Tree
from kzram_ci.run.pool import Budget


def test_a_commit_is_built_as_the_version_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Else old kernels' build fixes, or the wrong line of a series, would go into its kernel."""
    asked: list[Tree] = []
    (tmp_path / "bzImage").write_bytes(b"an image")

    def image_of(spec: object, tree: Tree, context: object) -> KernelImage:
        asked.append(tree)
        return KernelImage(key="k", name="k", arch="x86_64", release="6.1.9", image=str(tmp_path / "bzImage"))

    monkeypatch.setattr(runner, "image_of", image_of)
    lab = LocalRunner(
        store="/store.git", repository="/linux", cell=CELL, stages=None, context=KernelContext(cache=tmp_path, jobs=1),  # type: ignore[arg-type]
        budget=Budget(cpus=4, memory_mib=4096),
    )  # fmt: skip
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
