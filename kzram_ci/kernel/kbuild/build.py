"""One kernel from its inputs: found in the cache, or built in its slot."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from kzram_ci.base import clock, files, proc
from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import CommandTimeout, InfraError, Interrupted, KzramError, UserError
from kzram_ci.base.transcripts import transcript_in
from kzram_ci.kernel.kbuild import ccache
from kzram_ci.kernel.kbuild.artifacts import cached, kbuild_arch, store, targets
from kzram_ci.kernel.kbuild.base_tree import pristine
from kzram_ci.kernel.kbuild.config import configure
from kzram_ci.kernel.kbuild.inputs import REPRODUCIBLE, Inputs, key, slot_key
from kzram_ci.kernel.kbuild.make import Killed, MakeDir, run
from kzram_ci.kernel.kbuild.slot import OBJECTS, Slot, usable
from kzram_ci.model.events import Event, Listener, silent
from kzram_ci.model.kernel import KernelImage

_RESERVED = frozenset({"ARCH", "O", "M", "KBUILD_OUTPUT", "KBUILD_EXTMOD", "KCONFIG_CONFIG", "V", "INSTALL_MOD_PATH"})


class Patched(Protocol):
    """What patching gives: content by path, and which new files are executable."""

    @property
    def files(self) -> Mapping[str, bytes | None]:
        """New content by path; None: deleted."""

    @property
    def executable(self) -> frozenset[str]:
        """Files that are programs."""


Patch = Callable[[Callable[[str], bytes | None]], Patched]  # called with a reader of the pristine tree


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    """One build on its way."""

    inputs: Inputs
    slot: Slot
    make_dir: MakeDir
    patch: Patch
    cache: Path
    jobs: int
    deadline: Deadline
    listener: Listener


def build(
    inputs: Inputs, *, patch: Patch, cache: Path, jobs: int, deadline: Deadline, listener: Listener = silent
) -> KernelImage:
    """The kernel, built if need be; kernels of one slot wait for each other.

    Raises PatchFailed, ConfigUnmet, BuildFailed, UserError, InfraError, Interrupted.
    """
    if (image := cached(inputs, cache=cache)) is not None:
        return image
    usable(cache)
    variables = _variables(inputs)
    path = cache / "slots" / slot_key(inputs)
    with files.lock(path.with_name(f"{path.name}.lock"), deadline):
        if (image := cached(inputs, cache=cache)) is not None:  # another process was first
            return image
        if proc.cancelled():
            raise Interrupted(f"interrupted before {inputs.name} was built")
        slot = Slot(path)
        make_dir = MakeDir(
            name=inputs.name, src=slot.src, variables=variables, log=slot.log,
            path=ccache.path(cache, dict(variables)), advice=inputs.advice,
        )  # fmt: skip
        job = _Job(
            inputs=inputs, slot=slot, make_dir=make_dir, patch=patch, cache=cache, jobs=jobs, deadline=deadline,
            listener=listener,
        )  # fmt: skip
        listener(Event(kind="build-start", subject=inputs.name))
        try:
            with transcript_in(_kept_log(job)):
                _build(job)
        except KzramError as error:
            _keep_log(error, job)
            raise
    image = cached(inputs, cache=cache)
    if image is None:
        raise InfraError(f"the kernel {inputs.name} vanished from {cache} while it was written")
    listener(Event(kind="build-done", subject=inputs.name, text=f"{image.seconds:.0f} s"))
    return dataclasses.replace(image, cached=False)


def _variables(inputs: Inputs) -> tuple[tuple[str, str], ...]:
    """What make is told; a kernel's own variables win over our defaults. Raises UserError for those that are ours."""
    if taken := sorted(_RESERVED & dict(inputs.make_vars).keys()):
        raise UserError(
            f"{inputs.name}: make variable {taken[0]} cannot be set", hint="`arch:` chooses the architecture"
        )
    ours = {"ARCH": kbuild_arch(inputs.arch), "O": OBJECTS}
    return tuple({**ours, **dict(REPRODUCIBLE), **dict(inputs.make_vars)}.items())


def _debug_paths(job: _Job, options: Mapping[str, str]) -> tuple[str, ...]:
    """Keep the cache's path out of debug info (DW_AT_comp_dir), the one place where it would get into the bytes."""
    if options.get("CONFIG_DEBUG_INFO") != "y":
        return ()
    given = dict(job.inputs.make_vars)
    flag = f"-fdebug-prefix-map={job.slot.out.resolve()}=/{OBJECTS}"
    return tuple(f"{name}={given.get(name, '')} {flag}".replace("= ", "=") for name in ("KCFLAGS", "KAFLAGS"))


def _build(job: _Job) -> None:
    began = clock.monotonic()
    base = pristine(job.inputs.tree, cache=job.cache, deadline=job.deadline, listener=job.listener)
    patched = job.patch(base.read)  # first: a patch that does not apply leaves the slot as it is
    job.slot.prepare(base, job.deadline)
    job.slot.switch(base, patched.files, patched.executable)
    job.slot.log.unlink(missing_ok=True)
    fresh = job.slot.begin()
    try:
        options = configure(job.slot, job.inputs, job.make_dir, base, patched.files, job.deadline)
        steps = _make(job, options, fresh)
    except Killed as killed:
        raise killed.error from killed  # the mark stays: the object directory is thrown away the next time
    except KzramError as error:
        if isinstance(error, CommandTimeout) or not isinstance(error, InfraError):
            job.slot.mark_clean()  # else a full disk or a killed compiler: as after SIGKILL
        raise
    job.slot.mark_clean()
    job.slot.remember(**{"full" if fresh else "step": steps})
    seconds = clock.monotonic() - began
    store(job.slot, job.inputs, job.make_dir, options=options, cache=job.cache, seconds=seconds, deadline=job.deadline)


def _make(job: _Job, options: Mapping[str, str], fresh: bool) -> int:
    """Run make for the image; returns its steps. The total is what the like took the last time, 0 if unknown."""
    total = job.slot.state.full if fresh else job.slot.state.step

    def tell(done: int) -> None:
        event = Event(kind="build-progress", subject=job.inputs.name, done=done, total=max(total, done) if total else 0)
        job.listener(event)

    argv = job.make_dir.argv(f"-j{job.jobs}", *_debug_paths(job, options), *targets(job.inputs, options))
    return run(job.make_dir, argv, deadline=job.deadline, steps=tell)


def _kept_log(job: _Job) -> Path:
    return job.cache / "logs" / f"{job.inputs.name}-{key(job.inputs)[:12]}.log"


def _keep_log(error: KzramError, job: _Job) -> None:
    """Copy the error's log to a place that the next variant does not overwrite."""
    if error.log != str(job.slot.log) or not job.slot.log.is_file():
        return
    kept = _kept_log(job)
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(job.slot.log, kept)
    except OSError:
        return  # a full disk: the original still says what happened
    error.log = str(kept)
