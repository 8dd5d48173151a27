"""What the engine needs of the world: a kernel for a commit, a boot of it, a tree without the culprit.

`Runner` is the seam: tests put a simulated one in its place. `LocalRunner` builds and boots as `kzram-ci run` does, so
keys, patches, config checks and the cache are shared with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from kzram_ci.base.digest import digest_file
from kzram_ci.base.values import dataclass
from kzram_ci.bisect.session.commits import tree_without
from kzram_ci.bisect.session.model import Commit
from kzram_ci.kernel.fit import fitted, obstacles
from kzram_ci.kernel.mechanism import suited
from kzram_ci.kernel.workshop import KernelContext, image_of, keys_of
from kzram_ci.model.cell import Cell
from kzram_ci.model.evidence import Evidence
from kzram_ci.model.kernel import CommitTree, KernelImage
from kzram_ci.run.job import Stages
from kzram_ci.run.one_boot import boot_alone, guests_at_a_time
from kzram_ci.run.pool import Budget

LOOKED_UP = 2_000  # commits whose key is computed in advance; beyond, costs are guessed


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """A kernel ready to boot, and the digest of its bytes."""

    image: KernelImage
    sha256: str


class Runner(Protocol):
    """The world, as the engine sees it."""

    @property
    def workers(self) -> int:
        """How many boots may run at a time."""

    def cached(self, commits: Sequence[Commit]) -> Mapping[str, bool]:
        """Which commits' kernels are built already, of those that can be asked cheaply."""

    def build(self, commit: Commit) -> Kernel:
        """The kernel of a commit. Raises KernelError, UserError, InfraError, Interrupted."""

    def obstacles(self, commit: Commit, cells: Sequence[Cell]) -> tuple[str, ...]:
        """For each cell why it can show nothing on a commit, "" where it can. Nothing is built.

        Raises KernelError, UserError, InfraError, Interrupted.
        """

    def boot(self, cell: Cell, kernel: Kernel, directory: Path, *, others: int) -> tuple[Evidence, str]:
        """One boot, and the accelerator it had. `others`: how many of this kernel are to follow.

        Raises InfraError, UserError, Interrupted.
        """

    def without(self, culprit: str, bad: str) -> tuple[str, str]:
        """The tree of the bad end without the culprit, or why there is none; as `commits.tree_without`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalRunner:
    """Real kernels in real guests. `store` is the bare repository of the range, `repository` the user's own."""

    store: str
    repository: str
    cell: Cell
    stages: Stages
    context: KernelContext
    budget: Budget

    @property
    def workers(self) -> int:
        """As many guests of this cell as the budget allows, one at least."""
        return guests_at_a_time(self.cell.machine, self.budget)

    def cached(self, commits: Sequence[Commit]) -> Mapping[str, bool]:
        """Asked of the cache by build key."""
        asked = [commit for commit in commits if commit.tree][:LOOKED_UP]
        keys = keys_of(self.cell.kernel, [self._tree(commit) for commit in asked], self.context)
        return {commit.name: there for commit, (_, there) in zip(asked, keys, strict=True)}

    def build(self, commit: Commit) -> Kernel:
        """From the cache, or built in the slot that all commits of the repository share.

        Raises NotApplicable when the test can prove nothing on this commit, where its source tells before the build.
        """
        image = image_of(
            self.cell.kernel, self._tree(commit), self.context, lambda facts: suited(self.cell, facts).skip
        )
        fitted(self.cell, image, self.context)
        return Kernel(image=image, sha256=digest_file(Path(image.image)))

    def obstacles(self, commit: Commit, cells: Sequence[Cell]) -> tuple[str, ...]:
        """As a run looks ahead."""
        return obstacles(cells, self.cell.kernel, self._tree(commit), self.context)

    def _tree(self, commit: Commit) -> CommitTree:
        return CommitTree(
            identity=f"git:{commit.tree}",
            version=commit.version,
            repository=self.store,
            tree=commit.tree,
            source=f"git:{self.repository}@{commit.name[:12]}",
            commit=commit.name,
        )

    def boot(self, cell: Cell, kernel: Kernel, directory: Path, *, others: int) -> tuple[Evidence, str]:
        """One boot, without retries: a boot that fails is a fact of its own here."""
        stages, listener = self.stages, self.context.listener
        return boot_alone(cell, kernel.image, directory=directory, stages=stages, listener=listener, others=others)

    def without(self, culprit: str, bad: str) -> tuple[str, str]:
        """In the store, never in the user's repository."""
        return tree_without(self.store, culprit, bad)
