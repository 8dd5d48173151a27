import os
import subprocess
import tarfile
from pathlib import Path

import pytest
from noted import notes

from kzram_ci.base.clock import Deadline
from kzram_ci.base.digest import digest_file
from kzram_ci.base.errors import InfraError, UserError
from kzram_ci.kernel import filetree, source
from kzram_ci.kernel.source import debian, upstream
from kzram_ci.model.events import Event
from kzram_ci.model.kernel import ArchiveTree, DirectoryTree, Tree
from kzram_ci.model.source import DebianSource, DirectorySource, GivenSource, ImageSource, RemoteTarball

MAKEFILE = "VERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 9\n"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "linux"
    (root / "mm").mkdir(parents=True)
    (root / "Makefile").write_text(MAKEFILE)
    (root / "Kbuild").write_text("")
    (root / "mm" / "a.c").write_text("int a;\n")
    return root


def git(root: Path, *words: str) -> None:
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.org")
    subprocess.run(("git", *identity, *words), cwd=root, check=True, capture_output=True)


def fetch(root: Path, cache: Path) -> Tree:
    ref = DirectorySource(path=str(root))
    return source.fetch(ref, source.Context(cache=cache, deadline=Deadline.after(60)))


def test_directory(tree: Path, tmp_path: Path) -> None:
    found = fetch(tree, tmp_path / "cache")
    assert isinstance(found, DirectoryTree)
    assert found.version == "6.12.9"
    assert found.directory == str(tree)
    assert found.identity.startswith("directory:")


@pytest.mark.parametrize("with_git", [False, True])
def test_identity_follows_real_content(tree: Path, tmp_path: Path, with_git: bool) -> None:
    cache = tmp_path / "cache"
    if with_git:
        (tree / ".gitignore").write_text("*.o\n")
        git(tree, "init", "-q")
        git(tree, "add", ".")
        git(tree, "commit", "-qm", "first")
    clean = fetch(tree, cache).identity
    assert fetch(tree, cache).identity == clean
    (tree / "mm" / "a.o").write_text("object")
    assert fetch(tree, cache).identity == clean, "a build product is no source"
    (tree / "mm" / "a.c").write_text("int b;\n")  # same size: dirty
    dirty = fetch(tree, cache).identity
    assert dirty != clean
    (tree / "mm" / "new.c").write_text("")
    untracked = fetch(tree, cache).identity
    assert untracked not in {clean, dirty}
    (tree / "mm" / "new.c").unlink()
    assert fetch(tree, cache).identity == dirty
    (tree / "mm" / "a.c").unlink()
    assert fetch(tree, cache).identity not in {clean, dirty}


def test_mode_and_link_are_content(tree: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    seen = {fetch(tree, cache).identity}
    (tree / "mm" / "a.c").chmod(0o755)
    seen.add(fetch(tree, cache).identity)
    (tree / "link").symlink_to("mm/a.c")
    seen.add(fetch(tree, cache).identity)
    (tree / "link").unlink()
    (tree / "link").symlink_to("mm")
    seen.add(fetch(tree, cache).identity)
    assert len(seen) == 4


def test_unchanged_files_are_not_read_again(tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in tree.rglob("*"):
        os.utime(path, (1, 1))  # old enough to be remembered
    first = filetree.scan(tree, cache=tmp_path / "cache", deadline=Deadline.after(60))

    def never(path: Path) -> str:
        raise AssertionError(f"{path} was read")

    monkeypatch.setattr(filetree, "digest_file", never)
    assert filetree.scan(tree, cache=tmp_path / "cache", deadline=Deadline.after(60)) == first


def test_a_file_changed_within_the_tick_is_read_again(tree: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    path = tree / "mm" / "a.c"
    first = fetch(tree, cache).identity
    stamp = path.stat().st_mtime_ns
    path.write_text("int z;\n")
    os.utime(path, ns=(stamp, stamp))  # what a coarse clock does to a quick editor
    assert fetch(tree, cache).identity != first


def test_a_file_copied_with_its_time_is_read_again(tree: Path, tmp_path: Path) -> None:
    """By cp -p, rsync -t or tar: of the same length and, at times, of the same time stamp."""
    cache, path = tmp_path / "cache", tree / "mm" / "a.c"
    os.utime(path, (1, 1))  # old enough to be remembered
    first = fetch(tree, cache).identity
    path.write_text(path.read_text().replace("int", "INT"))
    os.utime(path, (1, 1))
    assert fetch(tree, cache).identity != first


def test_no_kernel_tree(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not a kernel source tree"):
        fetch(tmp_path, tmp_path / "cache")


def test_an_image_is_no_source(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nothing to build"):
        source.fetch(ImageSource(path="x"), source.Context(cache=tmp_path, deadline=Deadline.after(9)))


LEFTOVERS = (".config", ".config.old", "mm/a.o", "mm/.a.o.cmd", "vmlinux", "include/generated/x.h", "include/config/y")


def test_a_tree_that_only_the_user_has_is_asked_for(tmp_path: Path) -> None:
    context = source.Context(cache=tmp_path, deadline=Deadline.after(60))
    assert source.local(GivenSource(how="ask the stable tree"), context) is None
    with pytest.raises(UserError, match="no source: ask the stable tree") as caught:
        source.fetch(GivenSource(how="ask the stable tree"), context)
    assert "--kernel git:PATH@REF" in caught.value.hint


@pytest.mark.parametrize("with_git", [False, True])
def test_a_build_inside_the_users_tree_does_not_disturb(tree: Path, tmp_path: Path, with_git: bool) -> None:
    if with_git:  # as the kernel's own, shortened
        (tree / ".gitignore").write_text(".*\n!.gitignore\n*.o\n/vmlinux\n/include/config/\n/include/generated/\n")
        git(tree, "init", "-q")
        git(tree, "add", ".")
        git(tree, "commit", "-qm", "first")
    clean = filetree.scan(tree, cache=tmp_path / "cache", deadline=Deadline.after(60))
    for name in LEFTOVERS:
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text("left over")
    assert filetree.scan(tree, cache=tmp_path / "cache", deadline=Deadline.after(60)) == clean


@pytest.mark.parametrize("with_git", [False, True])
def test_linker_scripts_are_source(tree: Path, tmp_path: Path, with_git: bool) -> None:
    names = ("arch/x86/kernel/vmlinux.lds.S", "include/asm-generic/vmlinux.lds.h")
    for name in names:
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text("SECTIONS")
    if with_git:
        git(tree, "init", "-q")
    assert set(names) <= filetree.scan(tree, cache=tmp_path / "cache", deadline=Deadline.after(60)).keys()


def test_products_that_a_work_tree_tracks_are_left_out_with_a_note(tree: Path, tmp_path: Path) -> None:
    clean = filetree.scan(tree, cache=tmp_path / "cache", deadline=Deadline.after(60))
    for name in LEFTOVERS:
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text("left over")
    git(tree, "init", "-q")
    git(tree, "add", "--all", "--force")
    git(tree, "commit", "-qm", "first")
    events: list[Event] = []
    ref = DirectorySource(path=str(tree))
    found = source.fetch(
        ref, source.Context(cache=tmp_path / "cache", deadline=Deadline.after(60), listener=events.append)
    )
    assert found.identity == f"directory:{filetree.identity(clean)}"
    assert [text.partition(":")[0] for text in notes(events)] == ["7 build products left out of the source"]


DEBIAN = DebianSource(package="linux-source-6.12")


@pytest.fixture
def installed(tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    where = tmp_path / "usr-src"
    where.mkdir()
    archive = where / "linux-source-6.12.tar.xz"
    with tarfile.open(archive, "w:xz") as out:
        out.add(tree, "linux-source-6.12")
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "dpkg-query").write_text(f"#!/bin/sh\necho asked >> {tmp_path}/asked\nprintf 6.12.9-1\n")
    (tools / "dpkg-query").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    monkeypatch.setattr(debian, "INSTALLED", where)
    return archive


def test_installed_package(installed: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    first = source.fetch(DEBIAN, source.Context(cache=cache, deadline=Deadline.after(60)))
    assert first.version == "6.12.9-1"
    assert isinstance(first, ArchiveTree)
    assert first.archive == str(installed)
    assert first.identity == f"debian:linux-source-6.12:6.12.9-1:{digest_file(installed)}"
    assert source.fetch(DEBIAN, source.Context(cache=cache, deadline=Deadline.after(60))) == first
    assert (tmp_path / "asked").read_text().count("asked") == 1, "the answer is remembered"
    os.utime(installed, (1, 1))
    source.fetch(DEBIAN, source.Context(cache=cache, deadline=Deadline.after(60)))
    assert (tmp_path / "asked").read_text().count("asked") == 2, "another file, another question"


def test_local_never_goes_to_the_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(debian, "INSTALLED", tmp_path)
    assert source.local(DEBIAN, source.Context(cache=tmp_path, deadline=Deadline.after(60))) is None


APT = """#!/bin/sh
echo "$@" >> {log}
case "$*" in
  *update) [ -z "$OFFLINE" ] || echo "W: Failed to fetch http://mirror/InRelease  Could not resolve" >&2; exit 0 ;;
  *"download linux-source-9.9") echo "E: Unable to locate package linux-source-9.9" >&2; exit 100 ;;
  *download*) echo "E: Failed to fetch http://mirror/x" >&2; exit 100 ;;
esac
"""


@pytest.fixture
def apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "apt-get").write_text(APT.format(log=tmp_path / "apt.log"))
    (tools / "apt-get").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    monkeypatch.setattr(debian, "INSTALLED", tmp_path)
    return tmp_path / "apt.log"


def test_unknown_package_names_the_command_that_helps(apt: Path, tmp_path: Path) -> None:
    ref = DebianSource(package="linux-source-9.9")
    with pytest.raises(UserError, match=r"no package linux-source-9\.9") as caught:
        source.fetch(ref, source.Context(cache=tmp_path / "cache", deadline=Deadline.after(60)))
    assert "apt-cache search" in caught.value.hint
    assert "Dir::State=" in apt.read_text(), "apt has state of its own"
    assert not [path for path in (tmp_path / "cache" / "downloads").iterdir() if path.is_dir()], "nothing half done"


class TestWithoutApt:
    """A host whose package manager is another one."""

    @pytest.fixture(autouse=True)
    def fedora(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(debian, "INSTALLED", tmp_path)
        monkeypatch.setattr(upstream, "has_apt", lambda: False)

    def test_the_default_line_comes_from_kernel_org(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        archive, makefile = tmp_path / "linux-6.12.tar", tmp_path / "Makefile"
        makefile.write_text("VERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 0\n")
        with tarfile.open(archive, "w") as tar:
            tar.add(makefile, "linux-6.12/Makefile")
        release = RemoteTarball(url=archive.as_uri(), sha256=digest_file(archive))
        monkeypatch.setattr(upstream, "RELEASES", {"linux-source-6.12": release})
        events: list[Event] = []
        context = source.Context(cache=tmp_path / "cache", deadline=Deadline.after(60), listener=events.append)
        ref = DebianSource(package="linux-source-6.12")
        assert source.local(ref, context) is None
        tree = source.fetch(ref, context)
        assert isinstance(tree, ArchiveTree)
        assert (tree.version, tree.source) == ("6.12.0", release.words())
        assert "there is no apt here: file://" in notes(events)[0]
        assert source.local(ref, context) == tree

    @pytest.mark.parametrize(
        "ref",
        [
            DebianSource(package="linux-source-6.1"),
            DebianSource(package="linux-source-6.12", suite="trixie"),
            DebianSource(package="linux-source-6.12", mirror="http://m"),
        ],
        ids=DebianSource.words,
    )
    def test_nothing_stands_in_for_what_only_debian_has(self, ref: DebianSource) -> None:
        assert upstream.stand_in(ref) is None


def test_a_network_failure_is_the_hosts(apt: Path, tmp_path: Path) -> None:
    with pytest.raises(InfraError, match="Failed to fetch"):
        source.fetch(DEBIAN, source.Context(cache=tmp_path / "cache", deadline=Deadline.after(60)))


def test_an_update_that_failed_is_no_unknown_package(
    apt: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OFFLINE", "1")
    ref = DebianSource(package="linux-source-9.9")
    with pytest.raises(InfraError, match="Could not resolve"):
        source.fetch(ref, source.Context(cache=tmp_path / "cache", deadline=Deadline.after(60)))


def test_other_package_names_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="neither a source nor an image package"):
        source.fetch(DebianSource(package="-o Foo"), source.Context(cache=tmp_path, deadline=Deadline.after(60)))
