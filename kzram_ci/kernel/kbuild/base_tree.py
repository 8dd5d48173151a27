"""Pristine trees: an unpacked archive, a developer's directory as it was when it was scanned, a git commit."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from kzram_ci.base import files, git, proc
from kzram_ci.base.cache import MANIFEST, complete, entry_in_progress
from kzram_ci.base.clock import Deadline
from kzram_ci.base.digest import digest_bytes, digest_json
from kzram_ci.base.errors import CommandFailed, InfraError, UserError
from kzram_ci.kernel import filetree
from kzram_ci.model.events import Event, Listener
from kzram_ci.model.kernel import Tree

_KCONFIG = re.compile(r"(^|/)Kconfig[^/]*$|^scripts/|/configs/|^Makefile$|^arch/[^/]+/Makefile$")
_UNPACK = {".xz": "xz -T0", ".gz": "gzip", ".bz2": "bzip2", ".zst": "zstd"}


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseTree:
    """A tree that is only read. `files` (path -> content id) is empty for an archive: it never changes.

    `root` is where the files are; with `commit` it is a bare git repository, and git's are the content ids.
    """

    identity: str
    root: Path
    files: Mapping[str, str] = field(default_factory=dict)
    commit: str = ""
    deadline: Deadline

    def read(self, path: str) -> bytes | None:
        """A file's content, None when there is none. Raises UserError when a directory changed since its scan."""
        if self.files and path not in self.files:
            return None
        if self.commit:
            words = ("--git-dir", str(self.root), "cat-file", "blob", self.files[path].partition(":")[2])
            return proc.run(git.argv(*words), deadline=self.deadline).stdout
        try:
            content = (self.root / path).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            content = None
        told = self.files.get(path, filetree.LINK).removesuffix("+x")
        exact = told.startswith(filetree.LINK) or (content is not None and hashlib.sha256(content).hexdigest() == told)
        if not exact:
            raise UserError(f"{self.root / path} changed while the kernel was built", hint="run it again")
        return content

    def kconfig(self) -> str:
        """What of a tree that changes decides about .config: Kconfig files, defaults, compiler checks."""
        return digest_json({path: told for path, told in self.files.items() if _KCONFIG.search(path)})


def pristine(tree: Tree, *, cache: Path, deadline: Deadline, listener: Listener) -> BaseTree:
    """The tree's content, ready to read; an archive is unpacked once and shared by all slots."""
    if tree.directory:
        root = Path(tree.directory)
        scanned = filetree.scan(root, cache=cache, deadline=deadline)
        if f"directory:{filetree.identity(scanned)}" != tree.identity:
            raise UserError(f"{root} changed since its build was planned", hint="run it again")
        return BaseTree(identity=tree.identity, root=root, files=scanned, deadline=deadline)
    if tree.repository:
        return _commit(tree, deadline)
    entry = _entry(tree, cache)
    if not complete(entry):
        with files.lock(entry.with_name(f"{entry.name}.lock"), deadline):
            if not complete(entry):
                listener(Event(kind="note", subject=tree.version, text=f"unpacking {Path(tree.archive).name}"))
                _unpack(tree, entry, deadline)
    return BaseTree(identity=tree.identity, root=entry / "tree", deadline=deadline)


def at_hand(tree: Tree, *, cache: Path) -> bool:
    """Whether `pristine` needs to unpack nothing."""
    return not tree.archive or complete(_entry(tree, cache))


def _entry(tree: Tree, cache: Path) -> Path:
    return cache / "sources" / digest_bytes(tree.identity.encode())[:16]


def _commit(tree: Tree, deadline: Deadline) -> BaseTree:
    """The files of a commit as `mode:object id`; submodules have no content here."""
    words = ("--git-dir", tree.repository, "ls-tree", "-r", "-z", tree.commit)
    listed = proc.run(git.argv(*words), deadline=deadline).stdout.split(b"\0")
    files = {}
    for row in listed:
        meta, _, path = row.partition(b"\t")
        mode, _, rest = meta.decode().partition(" ")
        if rest.startswith("blob "):
            files[os.fsdecode(path)] = f"{mode}:{rest.removeprefix('blob ')}"
    return BaseTree(
        identity=tree.identity, root=Path(tree.repository), files=files, commit=tree.commit, deadline=deadline
    )


def _unpack(tree: Tree, entry: Path, deadline: Deadline) -> None:
    archive = Path(tree.archive)
    program = _UNPACK.get(archive.suffix)
    with entry_in_progress(entry) as temporary:
        target = temporary / "tree"
        target.mkdir()
        how = ("-I", program) if program else ()
        argv = ("tar", "-x", *how, "-f", str(archive), "-C", str(target), "--strip-components=1", "--no-same-owner")
        try:
            proc.run(argv, deadline=deadline)
        except CommandFailed as error:
            hint = "free disk space: kzram-ci cache gc" if "No space left" in error.tail else f"check {archive}"
            raise InfraError(f"cannot unpack {archive.name}: {error.message}", hint=hint) from error
        if not (target / "Makefile").is_file():
            raise UserError(f"{archive} holds no kernel source")
        files.write_json(temporary / MANIFEST, {"identity": tree.identity, "version": tree.version})


def put(target: Path, content: bytes | None, *, executable: bool = False) -> bool:
    """Make a file's content so; False when it was. Never writes into the old inode: slots share it by hard link."""
    try:
        before = target.read_bytes()
        mode = target.stat().st_mode & 0o777
    except (FileNotFoundError, NotADirectoryError):
        before, mode = None, 0o755 if executable else 0o644
    if before == content:
        return False
    with files.disk_errors(f"cannot write {target}"):
        if content is None:
            target.unlink()
            return True
        target.parent.mkdir(parents=True, exist_ok=True)
        fresh = target.with_name(f".{target.name}.kzram")
        fresh.write_bytes(content)
        fresh.chmod(mode)
        os.replace(fresh, target)
    return True


def copy(base: BaseTree, paths: Iterable[str], target: Path) -> None:
    """Bring files and links of a base that changes over to `target`; other files keep their time stamps."""
    if base.commit:
        _check_out(base, paths, target)
        return
    for path in paths:
        _copy_one(base, path, target / path)


def _check_out(base: BaseTree, paths: Iterable[str], target: Path) -> None:
    """By git, from an index of our own beside the target: 90,000 files in seconds, a commit's few at once."""
    index = target.with_name("git-index")
    for stale in (index, index.with_name(f"{index.name}.lock")):
        stale.unlink(missing_ok=True)
    where = ("--git-dir", str(base.root), "--work-tree", str(target))
    proc.run(git.argv(*where, "read-tree", base.commit, index=str(index)), deadline=base.deadline)
    names = b"".join(os.fsencode(path) + b"\0" for path in paths)
    try:
        argv = git.argv(*where, "checkout-index", "--force", "--quiet", "-z", "--stdin", index=str(index))
        proc.run(argv, cwd=target, input=names, deadline=base.deadline)
    except CommandFailed as error:
        hint = "free disk space: kzram-ci cache gc" if "No space left" in error.tail else "git fsck"
        raise InfraError(f"cannot check out {base.commit[:12]}: {error.message}", hint=hint) from error
    finally:
        index.unlink(missing_ok=True)


def _copy_one(base: BaseTree, path: str, target: Path) -> None:
    """Copy one file or link of a directory base; its content is checked against the scan."""
    told = base.files[path]
    with files.disk_errors(f"cannot write {target}"):
        if target.is_dir() and not target.is_symlink():
            shutil.rmtree(target)  # a directory became a file
        else:
            target.unlink(missing_ok=True)
        if told.startswith(filetree.LINK):
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(told.removeprefix(filetree.LINK))
            return
    put(target, base.read(path), executable=told.endswith("+x"))
