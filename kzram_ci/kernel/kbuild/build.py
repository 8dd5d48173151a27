"""One kernel from its inputs: found in the cache, or built in its slot."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Mapping
from pathlib import Path

from kzram_ci.base import clock, files, proc
from kzram_ci.base.cache import complete
from kzram_ci.base.errors import BuildFailed, CommandTimeout, InfraError, Interrupted, KzramError, UserError
from kzram_ci.base.spans import span
from kzram_ci.base.transcripts import transcript_in
from kzram_ci.kernel import beside, compilers, diff, mechanism
from kzram_ci.kernel.context import Context
from kzram_ci.kernel.kbuild import ccache, descent, exec_bits
from kzram_ci.kernel.kbuild.artifacts import cached, entry_of, store, targets
from kzram_ci.kernel.kbuild.base_tree import BaseTree, pristine
from kzram_ci.kernel.kbuild.config import configure
from kzram_ci.kernel.kbuild.foreign import is_foreign, start
from kzram_ci.kernel.kbuild.inputs import REPRODUCIBLE, Inputs, key, slot_key
from kzram_ci.kernel.kbuild.job import Job
from kzram_ci.kernel.kbuild.make import CompilerCrashed, Killed, MakeDir, run
from kzram_ci.kernel.kbuild.slot import OBJECTS, Slot, usable
from kzram_ci.kernel.kbuild.suspect import suspect
from kzram_ci.kernel.patches import Broken, Patched, Refusal
from kzram_ci.kernel.sandbox import sandbox_for
from kzram_ci.model.arch import arch_of
from kzram_ci.model.events import BuildDone, BuildProgress, BuildStarted
from kzram_ci.model.kernel import KernelImage

_RESERVED = frozenset({"ARCH", "O", "M", "KBUILD_OUTPUT", "KBUILD_EXTMOD", "KCONFIG_CONFIG", "V", "INSTALL_MOD_PATH"})


def build(inputs: Inputs, context: Context) -> KernelImage:
    """The kernel, built if need be; kernels of one slot wait for each other.

    Raises PatchFailed, ConfigUnmet, BuildFailed, UserError, InfraError, Interrupted.
    """
    cache = context.cache
    if (image := cached(inputs, cache=cache)) is not None:
        return image
    usable(cache)
    variables = _variables(inputs)
    box = sandbox_for(compilers.words(dict(variables))) if context.sandbox else None
    own, boxed, foreign = (cache / "slots" / f"{slot_key(inputs)}{word}" for word in ("", "-sandbox", "-foreign"))
    # what runs in a sandbox may leave programs in the slot: no other build ever runs those
    alien = box is not None and is_foreign(inputs)
    path = foreign if alien else boxed if box else own
    if box:
        box = box.called(path / "src", own / "src")
    with files.lock(path.with_name(f"{path.name}.lock"), context.deadline):
        if (image := cached(inputs, cache=cache)) is not None:  # another process was first
            return image
        if proc.cancelled():
            raise Interrupted(f"interrupted before {inputs.name} was built")
        if complete(there := entry_of(inputs, cache)):
            context.note(inputs.name, f"what was built before is damaged ({there}); it is built again")
            files.remove_tree(there, context.deadline)
        if alien:
            start(path, key(inputs), (boxed, own), context.deadline)
        slot = Slot(path)
        make_dir = MakeDir(
            name=inputs.name, src=slot.src, variables=variables, log=slot.log,
            path="" if box else ccache.path(cache, dict(variables)), advice=inputs.advice, sandbox=box, out=slot.out,
        )  # fmt: skip
        job = Job(inputs=inputs, slot=slot, make_dir=make_dir, context=context)
        if box:
            context.note(inputs.tree.version, "built under bubblewrap: no network, no home")
        context.listener(BuildStarted(kernel=inputs.name))
        try:
            with transcript_in(_kept_log(job)):
                _build(job)
        except KzramError as error:
            _keep_log(error, job)
            raise
    image = cached(inputs, cache=cache)
    if image is None:
        raise InfraError(f"the kernel {inputs.name} vanished from {cache} while it was written")
    context.listener(BuildDone(kernel=inputs.name, how=f"{image.seconds:.0f} s"))
    return dataclasses.replace(image, cached=False)


def _variables(inputs: Inputs) -> tuple[tuple[str, str], ...]:
    """What make is told; a kernel's own variables win over our defaults. Raises UserError for those that are ours."""
    if taken := sorted(_RESERVED & dict(inputs.make_vars).keys()):
        raise UserError(
            f"{inputs.name}: make variable {taken[0]} cannot be set", hint="`arch:` chooses the architecture"
        )
    ours = {"ARCH": arch_of(inputs.arch).kbuild, "O": OBJECTS}
    return tuple({**ours, **dict(REPRODUCIBLE), **dict(inputs.make_vars)}.items())


def _debug_paths(job: Job, options: Mapping[str, str]) -> tuple[str, ...]:
    """Keep the cache's path out of debug info (DW_AT_comp_dir), the one place where it would get into the bytes."""
    if options.get("CONFIG_DEBUG_INFO") != "y":
        return ()
    given = dict(job.inputs.make_vars)
    out, box = job.slot.out.resolve(), job.make_dir.sandbox
    flag = f"-fdebug-prefix-map={box.inside(out) if box else out}=/{OBJECTS}"
    return tuple(f"{name}={given.get(name, '')} {flag}".replace("= ", "=") for name in ("KCFLAGS", "KAFLAGS"))


def _build(job: Job) -> None:
    began = clock.monotonic()
    with span("unpack", "build"):
        base = pristine(job.inputs.tree, job.context)
    broken: dict[tuple[str, str], Refusal] = {}
    while True:
        with span("patch", "build"):
            patched = _patch(job, base, broken)  # first: a patch that does not apply leaves the slot as it is
        try:
            options = _compile(job, base, patched)
            break
        except BuildFailed as error:
            _set_aside(job, patched, error, broken)
    with span("store", "build"):
        store(job, options, patched, clock.monotonic() - began)


def _compile(job: Job, base: BaseTree, patched: Patched) -> dict[str, str]:
    """Switch the slot to these files, configure and make; returns the configuration."""
    with span("prepare the slot", "build"):
        job.slot.prepare(base, job.context.deadline)
        job.slot.switch(base, patched.files, patched.executable)
    _restore_exec_bits(job)
    job.slot.log.unlink(missing_ok=True)
    fresh = job.slot.begin(job.context.deadline)
    try:
        with span("configure", "build"):
            options = configure(job, base, patched.files)
        with span("try out", "build"):
            _try_out(job, options, patched)
        with span("make", "build"):
            steps = _make(job, options, fresh)
    except Killed as killed:
        # the mark stays: the object directory is thrown away the next time
        raise killed.error from killed.error.__cause__
    except KzramError as error:
        if isinstance(error, CommandTimeout) or not isinstance(error, InfraError):
            job.slot.mark_clean()  # else a full disk or a killed compiler: as after SIGKILL
        raise
    job.slot.done(steps, fresh=fresh)
    return options


def _try_out(job: Job, options: Mapping[str, str], patched: Patched) -> None:
    """Compile first what patches made for other versions touch: minutes before make would come to it.

    Raises BuildFailed when it is they that do not compile; other failures are left to the build itself.
    """
    touched = {path for near in patched.near for patch in near.line.patches for path in diff.touched(patch.text)}
    sources = [path for path in sorted(touched) if path.endswith(".c") and patched.files.get(path) is not None]
    if not sources:
        return
    objects = [f"{path.removesuffix('.c')}.o" for path in sources]
    try:
        argv = job.make_dir.argv(f"-j{job.context.jobs}", *_debug_paths(job, options), *objects)
        run(job.make_dir, argv, deadline=job.context.deadline, more=_cached_apart(job))
    except BuildFailed as error:
        if suspect(error.cause, patched.near, patched.files) is not None:
            raise


def _set_aside(job: Job, patched: Patched, error: BuildFailed, broken: dict[tuple[str, str], Refusal]) -> None:
    """Note which patches made for other versions do not compile. Raises the error when it is none of them."""
    found = suspect(error.cause, patched.near, patched.files)
    if found is None:
        raise error
    _keep_log(error, job, suffix=f"-{found.series.name}-{len(broken) + 1}")
    broken[found.key] = Refusal(why=error.cause, log=error.log)
    name, versions = found.key
    text = f"{name}: made for {versions}, applies but does not compile: {error.cause} (log: {error.log})"
    job.context.note(job.inputs.name, text)


def _restore_exec_bits(job: Job) -> None:
    if lost := exec_bits.restore(job.slot.src, leave=OBJECTS, only=job.slot.unchecked):
        told = f"{lost[0]} and {len(lost) - 1} more scripts" if lost[1:] else lost[0]
        fix = "in the source, chmod +x or git update-index --chmod=+x mends it"
        job.context.note(job.inputs.tree.version, f"{told} not executable in this source: they are in its copy ({fix})")


def _patch(job: Job, base: BaseTree, broken: Broken) -> Patched:
    named = [choice.series.name for choice in job.inputs.series]
    met = mechanism.met(mechanism.probe(base.read), named)
    patched = beside.apply(base.read, job.inputs.series, deadline=job.context.deadline, broken=broken, met=met)
    for note in patched.notes:
        job.context.note(job.inputs.name, note)
    return patched


def _make(job: Job, options: Mapping[str, str], fresh: bool) -> int:
    """Run make for the image; returns its steps. The total is what the like took the last time, 0 if unknown."""
    total = job.slot.state.full if fresh else job.slot.state.step

    def tell(done: int) -> None:
        expected = max(total, done) if total else 0
        job.context.listener(BuildProgress(kernel=job.inputs.name, done=done, total=expected))

    argv = job.make_dir.argv(f"-j{job.context.jobs}", *_debug_paths(job, options), *targets(job.inputs, options))
    with span("what is idle", "build"):
        more, apart = descent.write(job.slot.out, job.slot.idle()), _cached_apart(job)
    try:
        return run(job.make_dir, argv, deadline=job.context.deadline, steps=tell, more={**more, **apart})
    except CompilerCrashed as crash:
        text = f"the compiler crashed ({crash.cause}): made once more; if it goes well now, check this host's memory"
        job.context.note(job.inputs.name, text)
        return run(job.make_dir, argv, deadline=job.context.deadline, steps=tell, more=apart)


def _cached_apart(job: Job) -> dict[str, str]:
    return {} if job.make_dir.sandbox is not None else ccache.apart(job.slot.src, job.slot.out)


def _kept_log(job: Job, suffix: str = "") -> Path:
    return job.context.cache / "logs" / f"{job.inputs.name}-{key(job.inputs)[:12]}{suffix}.log"


def _keep_log(error: KzramError, job: Job, suffix: str = "") -> None:
    """Copy the error's log to a place that the next variant does not overwrite."""
    if error.log != str(job.slot.log) or not job.slot.log.is_file():
        return
    kept = _kept_log(job, suffix)
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(job.slot.log, kept)
    except OSError:
        return  # a full disk: the original still says what happened
    error.log = str(kept)
