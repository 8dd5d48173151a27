"""Who looks after a culprit: a small tree with a history stands for the kernel's."""

import json
import subprocess
import sys
from pathlib import Path

import blamed_tree
import pytest
from blamed_tree import MAINTAINERS

from kzram_ci.base.errors import UserError
from kzram_ci.model.blame import Blame
from kzram_ci.oops import Oops, blame, maintainers, parse
from kzram_ci.oops.checkout import Commit


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return blamed_tree.make(tmp_path / "linux")


@pytest.fixture
def repository(tree: Path) -> Path:
    return blamed_tree.commit(tree)


def crash(function: str, *, module: str = "", source: str = "") -> Oops:
    where = (f" [{module}]" if module else "") + (f" {source}" if source else "")
    (oops,) = parse(f"kernel BUG at mm/zsmalloc.c:1!\nRIP: 0010:{function}+0x1/0x10{where}\n".encode())
    assert oops.function == function
    return oops


def blamed(tree: Path | Commit, oops: Oops) -> Blame:
    found = blame.Tree(tree).blame(oops)
    assert found is not None
    return found


def test_a_culprit_is_found_with_its_people_and_commits(repository: Path) -> None:
    found = blamed(repository, crash("obj_malloc"))
    assert (found.file, found.line, found.subsystem, found.status) == ("mm/zsmalloc.c", 4, "ZSMALLOC", "Odd Fixes")
    assert found.maintainers == ("Sergey Senozhatsky <senozhatsky@chromium.org>",)
    assert [commit.split(" ", 2)[2] for commit in found.commits] == [
        "zsmalloc: count from one (A Developer)",
        "zsmalloc: begin (A Developer)",
    ]
    assert found.note == ""


@pytest.mark.parametrize("function", ["obj_malloc", "zs_free", "helper", "vendor_free", "clear_it"])
def test_a_commit_says_the_same_without_its_files(repository: Path, tmp_path: Path, function: str) -> None:
    bare = tmp_path / "bare.git"
    blamed_tree.git(tmp_path, "clone", "-q", "--bare", str(repository), str(bare))
    found = blamed(Commit(bare, blamed_tree.head(repository)), crash(function))
    assert found == blamed(repository, crash(function))


def test_an_older_commit_knows_no_later_one(repository: Path) -> None:
    first = subprocess.run(
        ("git", "rev-list", "--max-parents=0", "HEAD"), check=True, cwd=repository, capture_output=True, text=True
    )
    found = blamed(Commit(repository, first.stdout.strip()), crash("obj_malloc"))
    assert [commit.split(" ", 2)[2] for commit in found.commits] == ["zsmalloc: begin (A Developer)"]


def test_of_a_history_that_was_not_fetched_no_commit_is_named(repository: Path, tmp_path: Path) -> None:
    """git takes every line for one of the oldest commit that is there."""
    blamed_tree.git(tmp_path, "clone", "-q", "--bare", "--depth=1", f"file://{repository}", "bare.git")
    found = blamed(Commit(tmp_path / "bare.git", blamed_tree.head(repository)), crash("obj_malloc"))
    assert (found.subsystem, found.commits) == ("ZSMALLOC", ())
    assert found.note == "no commits: the history was not fetched"


def test_a_prototype_and_a_tool_are_no_definition(tree: Path) -> None:
    found = blamed(tree, crash("zs_free"))
    assert (found.file, found.line, found.commits) == ("mm/zsmalloc.c", 10, ())
    assert found.note == "no commits: the tree is not a git repository"


def test_debug_info_has_the_line_of_the_crash(repository: Path) -> None:
    assert blamed(repository, crash("zs_free", source="mm/zsmalloc.c:12")).line == 12


def test_a_system_call_is_found_by_its_macro(repository: Path) -> None:
    (oops,) = parse(
        b"INFO: rcu_sched self-detected stall on CPU\nNMI backtrace for cpu 1\nCall Trace:\n dump_stack+0x1/0x2\n"
        b" apic_timer_interrupt+0x1/0x2\n __x64_sys_write+0x1/0x2\n do_syscall_64+0x1/0x2\n"
    )
    found = blamed(repository, oops)
    assert (found.file, found.line, len(found.commits)) == ("fs/read_write.c", 1, 1)
    assert found.subsystem == "THE REST"


def test_a_name_in_several_files_needs_the_module(tree: Path) -> None:
    assert blamed(tree, crash("helper")).note == (
        "defined in several files: drivers/block/brd.c, drivers/block/zram/zram_drv.c"
    )
    found = blamed(tree, crash("helper", module="zram"))
    assert (found.file, found.subsystem) == ("drivers/block/zram/zram_drv.c", "ZRAM COMPRESSED RAM BLOCK DEVICE")
    assert (found.reviewers, found.lists) == (("A Reviewer <reviewer@example.org>",), ("linux-kernel@vger.kernel.org",))


def test_of_architectures_x86_is_meant(tree: Path) -> None:
    assert blamed(tree, crash("clear_it")).file == "arch/x86/mm/copy.c"


def test_what_the_tree_does_not_have_has_a_note(tree: Path) -> None:
    assert blamed(tree, crash("vendor_free")).note == "not defined in this tree"
    assert blame.Tree(tree).blame(parse(b"BUG: Bad rss-counter state mm:00000000a1\n")[0]) is None


def test_a_directory_that_is_no_tree_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not a kernel source tree: MAINTAINERS cannot be read"):
        blame.Tree(tmp_path)


@pytest.mark.parametrize(
    ("pattern", "path", "wanted"),
    [
        ("drivers/net/", "drivers/net/ethernet/a.c", True),
        ("drivers/net/*", "drivers/net/a.c", True),
        ("drivers/net/*", "drivers/net/ethernet/a.c", False),
        ("*/net/*", "drivers/net/a.c", True),
        ("mm/zs*.c", "mm/zsmalloc.c", True),
        ("mm/zsmalloc.c", "mm/zsmalloc.cc", False),
        ("drivers/net", "drivers/net/a.c", True),
        ("mm/", "kernel/mm/a.c", False),
    ],
)
def test_a_file_pattern_takes_what_the_head_of_the_file_says(pattern: str, path: str, wanted: bool) -> None:
    assert maintainers.matches(pattern, path) is wanted


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("drivers/block/zram/zram_drv.c", ["ZRAM COMPRESSED RAM BLOCK DEVICE", "BLOCK LAYER"]),
        ("drivers/block/zram/README", ["BLOCK LAYER"]),
        ("mm/zpool.c", ["ZSMALLOC"]),
        ("fs/read_write.c", ["THE REST"]),
    ],
)
def test_the_closest_section_comes_first(path: str, wanted: list[str]) -> None:
    assert [section.name for section in maintainers.owners(maintainers.parse(MAINTAINERS), path)] == wanted


def test_the_command(repository: Path, tmp_path: Path) -> None:
    log = tmp_path / "console.log"
    log.write_text("kernel BUG at mm/zsmalloc.c:1!\nRIP: 0010:obj_malloc+0x1/0x10\n")
    argv = (sys.executable, "-m", "kzram_ci", "oops", str(log), "--tree")
    done = subprocess.run((*argv, str(repository)), capture_output=True, check=True, timeout=60, text=True)
    assert "  obj_malloc is in mm/zsmalloc.c:4: ZSMALLOC (Odd Fixes)\n" in done.stdout
    assert "    maintainer Sergey Senozhatsky <senozhatsky@chromium.org>\n" in done.stdout
    assert "zsmalloc: count from one (A Developer)\n" in done.stdout
    done = subprocess.run((*argv, str(repository), "--json"), capture_output=True, check=True, timeout=60, text=True)
    assert json.loads(done.stdout)[0]["oopses"][0]["blame"]["subsystem"] == "ZSMALLOC"
    done = subprocess.run((*argv, str(tmp_path)), capture_output=True, check=False, timeout=60, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr
