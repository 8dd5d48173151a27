"""The kernel's selftests, built from a kernel's own tree with the headers of that tree, installed in the cache."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from kzram_ci.base import files, proc
from kzram_ci.base.cache import MANIFEST, entry_in_progress, once
from kzram_ci.base.digest import digest_json
from kzram_ci.base.errors import BuildFailed, CommandFailed, NotApplicable, UserError
from kzram_ci.base.suggest import allowed
from kzram_ci.base.transcripts import transcript_in
from kzram_ci.base.values import dataclass
from kzram_ci.kernel import beside, kbuild
from kzram_ci.kernel.compilers import words as compilers_of
from kzram_ci.kernel.context import Context
from kzram_ci.kernel.kbuild.base_tree import BaseTree, UnpackedArchive
from kzram_ci.kernel.kbuild.make import environment
from kzram_ci.kernel.sandbox import cut, sandbox_for
from kzram_ci.kernel.workshop import KernelContext, opened
from kzram_ci.model.arch import arch_of
from kzram_ci.model.kernel import KernelSpec

PART = "selftests"  # of the cache
FORMAT = 1  # raise it when the way of building changes what is installed
ROOT = "tools/testing/selftests"
LIST = "kselftest-list.txt"  # COLLECTION:TEST lines, which the runner goes by
RUNNER = "run_kselftest.sh"
_TARGETS = re.compile(r"^TARGETS\s*\+?=\s*([^#\n]+)", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """Selftests, ready to go into a guest as they lie in `path`; `tests` are those that were asked for."""

    path: Path
    tests: tuple[str, ...]


def installed(spec: KernelSpec, wanted: Sequence[str], context: KernelContext) -> Installed:
    """The tests that `wanted` names (collections, or COLLECTION:TEST, as globs), from the cache or built now.

    Raises UserError for a collection or test that the tree does not have, BuildFailed with the compiler's line,
    NotApplicable for a kernel without a tree, InfraError, Interrupted.
    """
    if spec.source.ready:
        raise NotApplicable("a ready image has no source tree, which kselftest is built from")
    inputs, base, ctx = opened(spec, context)
    collections = _collections(spec, wanted, base)
    key = digest_json(["selftests", FORMAT, kbuild.key(inputs), collections])
    entry = ctx.cache / PART / key

    def make() -> None:
        proc.which("rsync")
        log = ctx.cache / "logs" / f"selftests-{key[:12]}.log"
        with transcript_in(log), tempfile.TemporaryDirectory(prefix=proc.temporary_prefix(), dir=_scratch(ctx)) as name:
            tree = Path(name) / "src"
            _lay_out(base, tree, spec.arch)
            for path, content in beside.apply(base.read, inputs.series, deadline=ctx.deadline).files.items():
                _put(tree / path, content)
            with entry_in_progress(entry) as temporary:
                _build(spec, collections, tree, temporary / "tests", ctx)
                files.write_json(temporary / MANIFEST, {"kernel": spec.name, "collections": collections})

    ctx.note(spec.name, f"selftests: {', '.join(collections)}")
    once(entry, make, ctx.deadline)
    return Installed(path=entry / "tests", tests=_tests(spec, wanted, entry / "tests"))


def _collections(spec: KernelSpec, wanted: Sequence[str], base: BaseTree) -> list[str]:
    """The collections behind what is wanted, each once."""
    text = (base.read(f"{ROOT}/Makefile") or b"").decode("utf-8", "replace")
    known = sorted({word for line in _TARGETS.findall(text) for word in line.split() if "$" not in word})
    found: dict[str, None] = {}
    for word in wanted:
        name = word.partition(":")[0]
        if not (matching := [each for each in known if fnmatchcase(each, name)]):
            raise UserError(f"{spec.name}: its tree has no selftests {name!r}; {allowed(name, known)}")
        found |= dict.fromkeys(matching)
    return sorted(found)


def _tests(spec: KernelSpec, wanted: Sequence[str], path: Path) -> tuple[str, ...]:
    """COLLECTION:TEST of all that was asked for."""
    built = [line for line in (path / LIST).read_text("utf-8", "replace").split() if ":" in line]
    found: dict[str, None] = {}
    for word in wanted:
        pattern = word if ":" in word else f"{word}:*"
        if not (matching := [test for test in built if fnmatchcase(test, pattern)]):
            raise UserError(f"{spec.name}: its selftests have no {word!r}; {allowed(word, built)}")
        found |= dict.fromkeys(matching)
    return tuple(found)


def _scratch(ctx: Context) -> Path:
    path = ctx.cache / PART
    with files.disk_errors(f"cannot write {path}"):
        path.mkdir(parents=True, exist_ok=True)
    return path


def _wanted_parts(arch: str) -> tuple[str, ...]:
    """What `make headers` and the selftests read of a tree."""
    return ("Makefile", "Kbuild", "include", "scripts", "usr", "tools", "lib", f"arch/{arch_of(arch).directory}")


def _lay_out(base: BaseTree, target: Path, arch: str) -> None:
    """A copy of these parts, to build in: the tree itself is only read."""
    parts = _wanted_parts(arch)
    with files.disk_errors(f"cannot write {target}"):
        target.mkdir(parents=True)
        if isinstance(base, UnpackedArchive):
            for part in parts:
                place = base.root / part
                if place.is_dir():
                    shutil.copytree(place, target / part, symlinks=True)
                elif place.is_file():
                    shutil.copy2(place, target / part)
            return
        base.copy_to(target, [path for path in base.files if path in parts or path.startswith(_folders(parts))])


def _folders(parts: Sequence[str]) -> tuple[str, ...]:
    return tuple(f"{part}/" for part in parts)


def _put(path: Path, content: bytes | None) -> None:
    if content is None:
        path.unlink(missing_ok=True)
    elif path.parent.is_dir():
        path.write_bytes(content)


def _build(spec: KernelSpec, collections: Sequence[str], tree: Path, target: Path, ctx: Context) -> None:
    with files.disk_errors(f"cannot write {target}"):
        target.mkdir()
    compilers = [f"{name}={value}" for name, value in spec.make_vars if name in ("CC", "HOSTCC", "LLVM")]
    # the name of arch/'s directory: breakpoints and others ask for x86, which is what the kernel's own make hands on
    common = ("make", "-s", f"ARCH={arch_of(spec.arch).directory}", *compilers)
    # INSTALL_PATH until 5.6, KSFT_INSTALL_PATH since; FORCE_TARGETS (since 5.7): what does not build is an error
    words = (f"TARGETS={' '.join(collections)}", "FORCE_TARGETS=1")
    places = (f"KSFT_INSTALL_PATH={target}", f"INSTALL_PATH={target}")
    for argv in ((*common, f"-j{ctx.jobs}", "headers"), (*common, "-C", ROOT, *words, *places, "install")):
        command, env = argv, dict(_clean())
        if ctx.sandbox:
            box, env = sandbox_for(compilers_of(dict(spec.make_vars))), environment("")
            command = box.argv(argv, cwd=tree, writable=(tree, target))
        try:
            proc.run(command, cwd=tree, deadline=ctx.deadline, env=env, name="make")
        except CommandFailed as error:
            text = (
                f"the selftests {', '.join(collections)} of {spec.name} do not build: {error.reason or error.message}"
            )
            raise BuildFailed(text) from error
    if ctx.sandbox:
        cut(target)
    if not (target / LIST).is_file():
        raise BuildFailed(f"the selftests {', '.join(collections)} of {spec.name} installed no {LIST}")


def _clean() -> Iterator[tuple[str, str | None]]:
    """What make must not see of the caller's environment."""
    yield from dict.fromkeys(("MAKEFLAGS", "MFLAGS", "ARCH", "CC", "CFLAGS", "LDFLAGS", "KBUILD_OUTPUT", "O")).items()
