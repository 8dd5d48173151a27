"""Pristine trees, open for reading: an unpacked archive, a directory as it was scanned, what a commit holds."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path

from kzram_ci.base import files
from kzram_ci.base.cache import MANIFEST, complete, entry_in_progress, once
from kzram_ci.base.clock import Deadline
from kzram_ci.base.digest import digest_bytes, digest_json
from kzram_ci.base.errors import CommandFailed, InfraError, UserError
from kzram_ci.base.transcripts import transcript_in
from kzram_ci.base.values import dataclass
from kzram_ci.kernel import archive, filetree, products, repository
from kzram_ci.kernel.context import Context
from kzram_ci.kernel.kbuild.rewrite import write_if_changed
from kzram_ci.model.kernel import ArchiveTree, CommitTree, DirectoryTree, Tree

_KCONFIG = re.compile(r"(^|/)Kconfig[^/]*$|^scripts/|/configs/|^Makefile$|^arch/[^/]+/Makefile$")


@dataclass(frozen=True, slots=True, kw_only=True)
class UnpackedArchive:
    """An archive's files, which never change."""

    root: Path

    def read(self, path: str) -> bytes | None:
        """A file's content, None when there is none."""
        return _content(self.root / path)

    def kconfig(self) -> str:
        """What decides about .config and may change within a slot: nothing."""
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScannedDirectory:
    """A developer's directory. `files`: the content of each path, in the words of a scan."""

    root: Path
    files: Mapping[str, str]

    def read(self, path: str) -> bytes | None:
        """A file's content, None when there is none. Raises UserError when the directory changed since its scan."""
        if path not in self.files:
            return None
        content = _content(self.root / path)
        scanned = self.files[path].removesuffix("+x")
        if scanned.startswith(filetree.LINK):
            return content
        if content is None or hashlib.sha256(content).hexdigest() != scanned:
            raise UserError(f"{self.root / path} changed while the kernel was built", hint="run it again")
        return content

    def kconfig(self) -> str:
        """A digest of what decides about .config: Kconfig files, defaults, compiler checks."""
        return _kconfig(self.files)

    def copy_to(self, target: Path, paths: Iterable[str]) -> None:
        """Bring files and links over to `target`; other files keep their time stamps."""
        for path in paths:
            self._copy_one(path, target / path)

    def _copy_one(self, path: str, target: Path) -> None:
        scanned = self.files[path]
        with files.disk_errors(f"cannot write {target}"):
            if target.is_dir() and not target.is_symlink():
                shutil.rmtree(target)  # a directory became a file
            else:
                target.unlink(missing_ok=True)
            if scanned.startswith(filetree.LINK):
                target.parent.mkdir(parents=True, exist_ok=True)
                target.symlink_to(scanned.removeprefix(filetree.LINK))
                return
        if (content := self.read(path)) is not None:
            write_if_changed(target, content, executable=scanned.endswith("+x"))


@dataclass(frozen=True, slots=True, kw_only=True)
class CommittedFiles:
    """What a commit holds. `files`: `mode:object id` of each path; submodules have no content here."""

    root: Path  # a bare repository
    tree: str
    files: Mapping[str, str]
    deadline: Deadline

    def read(self, path: str) -> bytes | None:
        """A file's content, None when there is none."""
        if path not in self.files:
            return None
        blob = self.files[path].partition(":")[2]
        return repository.ask(self.root, "cat-file", "blob", blob, deadline=self.deadline).stdout

    def kconfig(self) -> str:
        """A digest of what decides about .config: Kconfig files, defaults, compiler checks."""
        return _kconfig(self.files)

    def copy_to(self, target: Path, paths: Iterable[str]) -> None:
        """By git, from an index of our own beside the target: 90,000 files in seconds, a commit's few at once."""
        index = target.with_name("git-index")
        for stale in (index, index.with_name(f"{index.name}.lock")):
            stale.unlink(missing_ok=True)
        names = b"".join(os.fsencode(path) + b"\0" for path in paths)
        run = partial(repository.ask, self.root, deadline=self.deadline, index=index)
        try:
            run("read-tree", self.tree)
            run("checkout-index", "--force", "--quiet", "-z", "--stdin", work_tree=target, cwd=target, input=names)
        finally:
            index.unlink(missing_ok=True)


ChangingTree = ScannedDirectory | CommittedFiles
BaseTree = UnpackedArchive | ChangingTree


def pristine(tree: Tree, context: Context) -> BaseTree:
    """The tree's content, ready to read; an archive is unpacked once and shared by all slots."""
    with transcript_in(context.cache / "logs" / f"source-{digest_bytes(tree.identity.encode())[:12]}.log"):
        match tree:
            case ArchiveTree():
                return _unpacked(tree, context)
            case DirectoryTree():
                return _scanned(tree, context)
            case CommitTree():
                return _committed(tree, context)


def is_local(tree: Tree, *, cache: Path) -> bool:
    """Whether `pristine` needs to unpack nothing."""
    return not isinstance(tree, ArchiveTree) or complete(_entry(tree, cache))


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None


def _kconfig(files: Mapping[str, str]) -> str:
    return digest_json({path: content for path, content in files.items() if _KCONFIG.search(path)})


def _entry(tree: ArchiveTree, cache: Path) -> Path:
    return cache / "sources" / digest_bytes(tree.identity.encode())[:16]


def _unpacked(tree: ArchiveTree, context: Context) -> UnpackedArchive:
    entry = _entry(tree, context.cache)
    once(entry, lambda: _unpack(tree, entry, context), context.deadline)
    return UnpackedArchive(root=entry / "tree")


def _unpack(tree: ArchiveTree, entry: Path, context: Context) -> None:
    path = Path(tree.archive)
    context.note(tree.version, f"unpacking {path.name}")
    with entry_in_progress(entry) as temporary:
        target = temporary / "tree"
        target.mkdir()
        try:
            archive.unpack(path, target, context.deadline)
        except CommandFailed as error:
            hint = "free disk space: kzram-ci cache gc" if "No space left" in error.tail else f"check {path}"
            raise InfraError(f"cannot unpack {path.name}: {error.message}", hint=hint) from error
        if not (target / "Makefile").is_file():
            raise UserError(f"{path} holds no kernel source")
        files.write_json(temporary / MANIFEST, {"identity": tree.identity, "version": tree.version})


def _scanned(tree: DirectoryTree, context: Context) -> ScannedDirectory:
    root = Path(tree.directory)
    scanned = filetree.scan(root, cache=context.cache, deadline=context.deadline)
    if f"directory:{filetree.identity(scanned)}" != tree.identity:
        raise UserError(f"{root} changed since its build was planned", hint="run it again")
    return ScannedDirectory(root=root, files=scanned)


def _committed(tree: CommitTree, context: Context) -> CommittedFiles:
    found: dict[str, str] = {}
    root = Path(tree.repository)
    listed = repository.ask(root, "ls-tree", "-r", "-z", tree.tree, deadline=context.deadline)
    for row in listed.stdout.split(b"\0"):
        meta, _, path = row.partition(b"\t")
        mode, _, rest = meta.decode().partition(" ")
        if rest.startswith("blob "):
            found[os.fsdecode(path)] = f"{mode}:{rest.removeprefix('blob ')}"
    if text := products.left_out(made := products.products(found)):
        context.note(tree.version, text)
        found = {path: content for path, content in found.items() if path not in made}
    return CommittedFiles(root=root, tree=tree.tree, files=found, deadline=context.deadline)
