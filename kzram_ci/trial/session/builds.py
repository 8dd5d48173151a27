"""The kernels of a trial: without the series, with it, and with the first patches of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from kzram_ci.base import clock
from kzram_ci.base.errors import InfraError, KernelError
from kzram_ci.model.kernel import KernelImage, KernelSpec
from kzram_ci.run.job import Stages
from kzram_ci.trial.model import BuildRecord
from kzram_ci.trial.session.store import Session
from kzram_ci.trial.warnings import new_warnings

_LOG_CHARS = 16 << 20


@dataclass(slots=True, kw_only=True)
class Builds:
    """Kernels by the number of patches in them; each is written down."""

    session: Session
    stages: Stages
    tell: Callable[[str], None]
    _logs: dict[int, str] = field(default_factory=dict)

    def both(self) -> tuple[KernelImage, KernelImage]:
        """Before and after. Raises KernelError naming the patch that does not apply or build."""
        patches = self.session.asked.posted.patches
        before = self._built(0, "without the series")
        if self.session.asked.each:
            for count in range(1, len(patches)):
                self.prefix(count)
        try:
            after = self._built(len(patches), "with the series")
        except KernelError as error:
            raise self._blamed(error) from error
        return before, after

    def prefix(self, count: int) -> KernelImage:
        """The kernel with the first patches. Raises KernelError naming the last of them."""
        try:
            return self._built(count, f"with {self.named(count)}")
        except KernelError as error:
            raise _of_patch(error, self.named(count)) from error

    def named(self, count: int) -> str:
        """A patch by its place in the series, as people name it."""
        patches = self.session.asked.posted.patches
        return f"patch {count}/{len(patches)} ({patches[count - 1].name})"

    def _blamed(self, error: KernelError) -> KernelError:
        """The error of the first patch that the series does not build with."""
        total = len(self.session.asked.posted.patches)
        for count in range(1, total):
            try:
                self._built(count, f"with {self.named(count)}")
            except KernelError as earlier:
                return _of_patch(earlier, self.named(count))
            except InfraError:
                return error
        return _of_patch(error, self.named(total)) if total > 1 else error

    def spec(self, count: int) -> KernelSpec:
        """The definition with so many patches."""
        asked = self.session.asked
        patches = asked.after.patches
        own = len(asked.posted.patches)
        kept = patches[: len(patches) - own + count]
        name = asked.after.name if count == own else f"{asked.before.name}+{count}"
        return asked.before if count == 0 else replace(asked.after, patches=kept, name=name)

    def _built(self, count: int, words: str) -> KernelImage:
        began = clock.monotonic()
        try:
            image = self.stages.image(self.spec(count))
        except KernelError as error:
            self._keep(BuildRecord(patches=count, failed=str(error), seconds=clock.monotonic() - began))
            raise
        seconds = 0.0 if image.cached else round(clock.monotonic() - began, 1)
        source, compiler = _origin(image)
        log = _log(image)
        texts = [patch.text for patch in self.session.asked.posted.patches[:count]]
        warned = new_warnings(log, [text for _, text in sorted(self._logs.items())], texts) if count else ()
        self._logs[count] = log
        self._keep(
            BuildRecord(
                patches=count, key=image.key, release=image.release, source=source, compiler=compiler, seconds=seconds,
                warnings=warned,
            )
        )  # fmt: skip
        for warning in warned:
            self.tell(f"{words}: new compiler warning: {warning}")
        self.tell(f"{words}: {'built before' if image.cached else f'built in {seconds:.0f} s'} ({image.key[:12]})")
        return image

    def _keep(self, build: BuildRecord) -> None:
        facts = self.session.facts
        others = tuple(other for other in facts.builds if other.patches != build.patches)
        known = next((other for other in facts.builds if other.patches == build.patches), None)
        if known is not None and known.key == build.key and not build.seconds:
            build = replace(build, seconds=known.seconds)
        self.session.keep(replace(facts, builds=(*others, build)))


def _log(image: KernelImage) -> str:
    """What make printed when the kernel was built; "" where that was not kept."""
    try:
        return (Path(image.image).parent / "build.log").read_text("utf-8", "replace")[:_LOG_CHARS]
    except OSError:
        return ""


def _origin(image: KernelImage) -> tuple[str, str]:
    """Where a kernel came from, and what compiled it."""
    if (made := image.provenance) is None:
        return "", ""
    source = ", ".join(part for part in (made.source, made.version, made.commit[:12]) if part)
    return source, next((text for name, text in made.toolchain if name in ("CC", "gcc")), "")


def _of_patch(error: KernelError, name: str) -> KernelError:
    """The same error, its message beginning with the patch that brought it."""
    return type(error)(f"{name}: {error.message}", hint=error.hint, log=error.log, cause=error.cause)
