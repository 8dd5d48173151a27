"""The kernels of a bisection: made when they are asked for, written down as they are made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from kzram_ci.base import clock
from kzram_ci.base.errors import KernelError
from kzram_ci.bisect.session.model import REVERT, Commit
from kzram_ci.bisect.session.observations import BuildRecord
from kzram_ci.bisect.session.runner import Kernel, Runner
from kzram_ci.bisect.session.store import Session

Tell = Callable[[str, str], None]  # progress: (commit or "", text)


@dataclass(slots=True, kw_only=True)
class Builds:
    """Kernels by commit; a commit that cannot be built is written down as that."""

    session: Session
    runner: Runner
    tell: Tell
    _made: dict[str, Kernel] = field(default_factory=dict)

    def kernel(self, commit: Commit) -> Kernel | None:
        """The kernel of a commit; None when it cannot be built."""
        if commit.name in self._made:
            return self._made[commit.name]
        began = clock.monotonic()
        try:
            kernel = self.runner.build(commit)
        except KernelError as error:
            self._keep(BuildRecord(commit=commit.name, failed=str(error), seconds=clock.monotonic() - began))
            self.tell(commit.name, f"cannot be built, no evidence: {error}")
            return None
        self._made[commit.name] = kernel
        image, seconds = kernel.image, clock.monotonic() - began
        if commit.name not in self.session.findings.builds or commit.name == REVERT:
            self._keep(
                BuildRecord(
                    commit=commit.name,
                    key=image.key,
                    sha256=kernel.sha256,
                    release=image.release,
                    seconds=0.0 if image.cached else round(seconds, 1),
                    cached=image.cached,
                )
            )
            self.tell(commit.name, "built before" if image.cached else f"built in {seconds:.0f} s")
        return kernel

    def _keep(self, build: BuildRecord) -> None:
        facts = self.session.facts
        others = tuple(other for other in facts.builds if other.commit != build.commit)
        self.session.keep(replace(facts, builds=(*others, build)))
