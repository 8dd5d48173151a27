"""Grow a git history on top of the 6.12 source, with a culprit in it that only shows now and then.

    python bench/bisect_history/grow.py          prints the repository and its branches

Two branches on one base commit, so that both use one object tree:

* `long`: 47 commits that all change what is compiled, and a merge; two neighbours that do not build, one that does not
  boot, one that crashes in another place, and the culprit, which inverts the stable-writes condition in
  do_swap_page() (mm/memory.c).
* `short`: 11 commits with the same culprit, two of them do not build, for `make test`.

The base is the part of the source that the default config compiles, with all Kconfig and make files: 16,000 files
for 86,000. Names, dates and content are fixed, so commit names are the same everywhere.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from kzram_ci.base import files, git
from kzram_ci.base.cache import cache_root
from kzram_ci.base.clock import Deadline
from kzram_ci.base.digest import digest_bytes, digest_json
from kzram_ci.kernel import source
from kzram_ci.kernel.kbuild.base_tree import UnpackedArchive, pristine
from kzram_ci.model.events import silent
from kzram_ci.model.source import DebianSource

BASE = DebianSource(package="linux-source-6.12")
KEPT = (
    "arch/x86/",
    "block/",
    "certs/",
    "crypto/",
    "fs/*.c",
    "fs/*.h",
    "fs/debugfs/",
    "fs/devpts/",
    "fs/iomap/",
    "fs/kernfs/",
    "fs/nls/",
    "fs/proc/",
    "fs/ramfs/",
    "fs/sysfs/",
    "fs/quota/",
    "fs/notify/",
    "fs/tests/",
    "include/",
    "init/",
    "ipc/",
    "io_uring/",
    "kernel/",
    "lib/",
    "mm/",
    "rust/",
    "scripts/",
    "security/*.c",
    "security/*.h",
    "tools/arch/x86/",
    "tools/build/",
    "tools/include/",
    "tools/lib/",
    "tools/objtool/",
    "tools/scripts/",
    "usr/",
    "virt/",
    "drivers/acpi/",
    "drivers/base/",
    "drivers/block/",
    "drivers/char/*.c",
    "drivers/char/*.h",
    "drivers/clocksource/",
    "drivers/misc/*.c",
    "drivers/misc/*.h",
    "drivers/misc/pvpanic/",
    "drivers/pci/",
    "drivers/pnp/",
    "drivers/rtc/",
    "drivers/tty/",
    "drivers/video/*.c",
    "drivers/virtio/",
    "drivers/input/*.c",
    "drivers/input/serio/",
    "drivers/idle/",
    "drivers/firmware/",
    "drivers/virt/",
    "drivers/cpuidle/",
)
NAMED = ("Kconfig", "Makefile", "Kbuild", "Makefile.")
PERSON = "History <history@example.org>"
EPOCH = 1_700_000_000
CULPRIT = "mm: trust pages under writeback again"


@dataclass(frozen=True, slots=True)
class Edit:
    """One commit: `new` takes the place of `old` in `path`, or is appended. `after`: by default the last."""

    subject: str
    path: str = ""
    new: str = ""
    old: str = ""
    name: str = ""  # other commits name it in `after` and `merge`
    after: str = ""
    merge: str = ""


def helper(number: int, path: str) -> Edit:
    """A commit that changes a file's object and nothing that happens."""
    area = path.removesuffix(".c")
    name = f"{Path(area).name.replace('-', '_')}_step_{number}"
    head = f"\n/* Used by debuggers only. */\nstatic unsigned long __used {name}(unsigned long pages)\n"
    text = f"{head}{{\n\treturn (pages << {number % 7 + 1}) + {number};\n}}\n"
    return Edit(f"{area}: add {name}() for debuggers", path, text)


STABLE = (
    "\t\t} else if (exclusive && folio_test_writeback(folio) &&\n\t\t\t  data_race(si->flags & SWP_STABLE_WRITES)) {\n"
)
INVERTED = STABLE.replace("data_race(si->flags & SWP_STABLE_WRITES)", "!data_race(si->flags & SWP_STABLE_WRITES)")
BROKEN = "\nstatic int __used workingset_age(unsigned long pages\n{\n\treturn pages;\n}\n"
PANIC = (
    "\nstatic int __init mmzone_check(void)\n{\n"
    '\tpanic("mmzone_check: zones are in disorder");\n'
    "}\ncore_initcall(mmzone_check);\n"
)
QUIET = PANIC.replace('panic("', 'return !strlen("')
CLOSED = BROKEN.replace("pages\n{", "pages)\n{")
WRITEPAGE = "int swap_writepage(struct page *page, struct writeback_control *wbc)\n{\n"
COUNTED = (
    "static atomic_t swap_writes;\n\n"
    + WRITEPAGE.removesuffix("{\n")
    + "{\n\tBUG_ON(atomic_inc_return(&swap_writes) > 2000);\n"
)


def culprit() -> Edit:
    """The commit that a bisection has to find."""
    return Edit(CULPRIT, "mm/memory.c", INVERTED, STABLE)


FILES = (
    "mm/filemap.c",
    "mm/swap_state.c",
    "mm/vmscan.c",
    "drivers/block/zram/zcomp.c",
    "mm/swapfile.c",
    "lib/sbitmap.c",
    "mm/rmap.c",
    "block/bio.c",
    "mm/madvise.c",
    "mm/page-writeback.c",
    "mm/vmstat.c",
    "kernel/workqueue.c",
    "mm/oom_kill.c",
    "mm/truncate.c",
    "block/blk-mq.c",
    "mm/mlock.c",
    "mm/shrinker.c",
    "lib/xarray.c",
    "mm/compaction.c",
    "fs/proc/meminfo.c",
    "mm/readahead.c",
    "mm/slab_common.c",
    "block/blk-settings.c",
    "mm/gup.c",
    "kernel/fork.c",
    "mm/list_lru.c",
    "lib/lzo/lzo1x_compress.c",
    "mm/mempool.c",
    "mm/percpu.c",
    "mm/swap.c",
    "mm/util.c",
    "fs/inode.c",
    "block/blk-core.c",
    "block/genhd.c",
    "mm/shmem.c",
    "mm/migrate.c",
    "kernel/exit.c",
    "mm/swap_slots.c",
    "lib/radix-tree.c",
    "mm/backing-dev.c",
)


def long_history() -> Iterator[Edit]:
    """48 commits, oldest first. What cannot be tested lies where a search by halves looks."""
    files = iter(enumerate(FILES, start=1))

    def harmless(count: int) -> Iterator[Edit]:
        for _ in range(count):
            yield helper(*next(files))

    yield from harmless(7)
    yield replace(*harmless(1), name="fork")
    yield from harmless(4)
    yield replace(*harmless(1), name="main")
    yield replace(*harmless(1), after="fork")
    yield from harmless(2)
    yield replace(*harmless(1), name="side")
    yield Edit("Merge branch 'debuggers'", after="main", merge="side")
    yield from harmless(5)
    yield from unbuildable(next(harmless(1)))
    yield from harmless(3)
    yield Edit("mm/mmzone: check the zones at boot", "mm/mmzone.c", PANIC)
    yield Edit("mm/mmzone: do not panic about the order of zones", "mm/mmzone.c", QUIET, PANIC)
    yield from harmless(3)
    yield culprit()
    yield Edit("mm/page_io: watch the number of swap writes", "mm/page_io.c", COUNTED, WRITEPAGE)
    yield Edit("mm/page_io: any number of swap writes is fine", "mm/page_io.c", WRITEPAGE, COUNTED)
    yield from harmless(11)


def short_history() -> Iterator[Edit]:
    """11 commits, oldest first."""
    files = [helper(number, path) for number, path in enumerate(FILES[:8], start=101)]
    yield from files[:3]
    yield from unbuildable(files[3])
    yield culprit()
    yield from files[4:]


def unbuildable(between: Edit) -> Iterator[Edit]:
    """Two neighbours that do not build, and the commit that builds again."""
    yield Edit("mm/workingset: add workingset_age() for debuggers", "mm/workingset.c", BROKEN)
    yield between
    yield Edit("mm/workingset: close the argument list", "mm/workingset.c", CLOSED, BROKEN)


@dataclass(slots=True)
class Stream:
    """A fast-import stream in the making."""

    repository: Path
    base: Mapping[str, bytes]
    marks: int = 0
    content: dict[int, dict[str, bytes]] = field(default_factory=dict)  # by mark: what differs from the base
    out: list[bytes] = field(default_factory=list)

    def branch(self, name: str, edits: Iterator[Edit]) -> None:
        """Append one branch that starts at the base."""
        names: dict[str, int] = {}
        last = 0
        for edit in edits:
            parent = names[edit.after] if edit.after else last
            files = dict(self.content.get(parent, {}))
            changed = {edit.path: self._edited(edit, files)} if edit.path else {}
            if edit.merge:
                changed = {
                    path: text for path, text in self.content[names[edit.merge]].items() if files.get(path) != text
                }
            self.marks += 1
            self.content[self.marks] = {**files, **changed}
            self._commit(name, edit, parent, names[edit.merge] if edit.merge else 0, changed)
            last = names[edit.name or edit.subject] = self.marks
        self.out.append(f"reset refs/heads/{name}\nfrom :{last}\n\n".encode())

    def _edited(self, edit: Edit, files: Mapping[str, bytes]) -> bytes:
        text = files.get(edit.path) or self.base[edit.path]
        if not edit.old:
            return text + edit.new.encode()
        if text.count(edit.old.encode()) != 1:
            raise SystemExit(f"{edit.subject}: the text to replace is not once in {edit.path}")
        return text.replace(edit.old.encode(), edit.new.encode())

    def _commit(self, name: str, edit: Edit, parent: int, merged: int, changed: Mapping[str, bytes]) -> None:
        when = f"{EPOCH + 3600 * self.marks} +0000"
        message = f"{edit.subject}\n\nSigned-off-by: {PERSON}\n".encode()
        head = f"commit refs/grown/{name}\nmark :{self.marks}\nauthor {PERSON} {when}\ncommitter {PERSON} {when}\n"
        start = f"from :{parent}\n" if parent else "from refs/heads/base^0\n"
        start += f"merge :{merged}\n" if merged else ""
        self.out.append(head.encode() + _data(message) + start.encode())
        self.out += [b"M 100644 inline " + path.encode() + b"\n" + _data(text) for path, text in changed.items()]
        self.out.append(b"\n")


def _data(content: bytes) -> bytes:
    return b"data %d\n%b\n" % (len(content), content)


def kept(path: str) -> bool:
    """Whether a file is part of the base."""
    name = path.rsplit("/", 1)[-1]
    if "/" not in path or name.startswith(NAMED):
        return True
    return any(_matches(path, pattern) for pattern in KEPT)


def _matches(path: str, pattern: str) -> bool:
    if pattern.endswith("/"):
        return path.startswith(pattern)
    folder, _, suffix = pattern.partition("*")
    return path.startswith(folder) and path.endswith(suffix) and "/" not in path[len(folder) :]


def _base(root: Path) -> Iterator[bytes]:
    when = f"{EPOCH} +0000"
    yield f"commit refs/heads/base\nauthor {PERSON} {when}\ncommitter {PERSON} {when}\n".encode() + _data(
        b"Linux 6.12\n"
    )
    for path in sorted(root.rglob("*")):
        relative = path.relative_to(root).as_posix()
        if not kept(relative):
            continue
        if path.is_symlink():
            yield b"M 120000 inline " + relative.encode() + b"\n" + _data(str(path.readlink()).encode())
        elif path.is_file():
            mode = b"100755" if path.stat().st_mode & 0o100 else b"100644"
            yield b"M " + mode + b" inline " + relative.encode() + b"\n" + _data(path.read_bytes())
    yield b"\n"


def _import(repository: Path, stream: Iterator[bytes]) -> None:
    words = ("git", "--git-dir", str(repository), "-c", "core.compression=1", "fast-import", "--quiet", "--force")
    unset = tuple(word for name, value in git.ENVIRONMENT.items() if value is None for word in ("-u", name))
    with subprocess.Popen(("env", *unset, *words), stdin=subprocess.PIPE) as child:
        assert child.stdin is not None
        for part in stream:
            child.stdin.write(part)
        child.stdin.close()
        if child.wait(600):
            raise SystemExit("git fast-import failed")


def grow(cache: Path) -> Path:
    """The repository with all branches; what is there is not made again."""
    deadline = Deadline.after(1800)
    tree = source.fetch(BASE, source.Context(cache=cache, deadline=deadline))
    base = pristine(tree, source.Context(cache=cache, deadline=deadline, listener=silent))
    assert isinstance(base, UnpackedArchive)
    root = base.root
    repository = cache / "histories" / f"linux-{digest_bytes(tree.identity.encode())[:12]}.git"
    complete = f"base-{digest_json([*KEPT, *NAMED])[:12]}"
    with files.lock(repository.with_name(f"{repository.name}.lock"), deadline):
        if not (repository / complete).exists():
            git.run("init", "--quiet", "--bare", "--template=", str(repository), deadline=deadline)
            _import(repository, _base(root))
            (repository / complete).touch()
        edits = {"long": list(long_history()), "short": list(short_history())}
        paths = {edit.path for branch in edits.values() for edit in branch if edit.path}
        stream = Stream(repository=repository, base={path: (root / path).read_bytes() for path in sorted(paths)})
        for name, branch in edits.items():
            stream.marks = {"long": 0, "short": 1000}[name]
            stream.branch(name, iter(branch))
        _import(repository, iter(stream.out))
        git.run("symbolic-ref", "HEAD", "refs/heads/long", directory=repository, deadline=deadline)
    return repository


if __name__ == "__main__":
    print(grow(cache_root()))
    sys.exit(0)
