import difflib
import re
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kzram_ci.base import git
from kzram_ci.base.clock import Deadline
from kzram_ci.kernel import diff

SHIPPED = sorted((Path(__file__).resolve().parents[3] / "kernels/patches").rglob("*.patch"))
PATCH = """\
From 0 Mon Sep 17 00:00:00 2001
Subject: [PATCH] two files

--- is no diff here
---
 a.c | 2 +-

diff --git a/dir/a.c b/dir/a.c
index 1..2 100644
--- a/dir/a.c
+++ b/dir/a.c
@@ -1,3 +1,3 @@
 one
--- old looks like a header
+++ new too
 three
@@ -10,2 +10,3 @@ int f(void)
 ten
+ten and a half
 eleven
diff --git a/new.c b/new.c
new file mode 100644
--- /dev/null
+++ b/new.c
@@ -0,0 +1 @@
+text
\\ No newline at end of file
diff --git a/gone.c b/gone.c
deleted file mode 100644
--- a/gone.c
+++ /dev/null
@@ -1 +0,0 @@
-text
diff --git a/old.sh b/new.sh
similarity index 100%
rename from old.sh
rename to new.sh
diff --git a/run.sh b/run.sh
old mode 100644
new mode 100755
diff --git a/empty b/empty
new file mode 100644
index 0000000..e69de29
--
2.39
"""


def numstat(text: str, directory: Path) -> set[tuple[int, int, str]]:
    """What git reads out of a patch: lines added, lines removed, name after (before, for a file that goes)."""
    given = text.encode("utf-8", "surrogateescape")
    done = git.run("apply", "--numstat", "-z", "-", cwd=directory, input=given, deadline=Deadline.after(30))
    rows = (row.decode().split("\t") for row in done.stdout.split(b"\0") if row)
    return {(int(added), int(removed), path) for added, removed, path in rows}


def ours(text: str) -> set[tuple[int, int, str]]:
    return {(item.added, item.removed, item.after or item.before) for item in diff.files(text)}


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: "/".join(path.parts[-3:-1]))
def test_git_reads_the_same_out_of_every_patch_that_ships(path: Path, tmp_path: Path) -> None:
    text = path.read_text()
    assert ours(text) == numstat(text, tmp_path)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: "/".join(path.parts[-3:-1]))
def test_old_lines_are_those_that_the_header_counts(path: Path) -> None:
    for item in diff.files(path.read_text()):
        for hunk in item.hunks:
            start, _, count = hunk.header.split()[1].removeprefix("-").partition(",")
            assert (hunk.start, len(hunk.old)) == (int(start), int(count or 1))


def test_there_are_patches_to_compare() -> None:
    assert len(SHIPPED) >= 10


def test_git_reads_the_same_out_of_every_shape(tmp_path: Path) -> None:
    assert ours(PATCH) == numstat(PATCH, tmp_path)


@given(
    before=st.lists(st.text(alphabet="ab \t\r-+@\\\x0c\u2028", max_size=4), max_size=12),
    after=st.lists(st.text(alphabet="ab \t\r-+@\\\x0c\u2028", max_size=4), min_size=1, max_size=12),
)
def test_the_old_lines_stand_in_the_file_where_the_hunk_says(before: list[str], after: list[str]) -> None:
    old, new = [f"{line}\n" for line in before], [f"{line}\n" for line in after]
    for item in diff.files("".join(difflib.unified_diff(old, new, "a/f", "b/f"))):
        for hunk in item.hunks:
            at = max(0, hunk.start - 1)
            assert before[at : at + len(hunk.old)] == list(hunk.old)
        assert item.added - item.removed == len(after) - len(before)


@settings(max_examples=40, deadline=None)
@given(content=st.text(alphabet="ab \t\r\n-+@\\\x0c\u2028\xe9", max_size=30))
def test_git_makes_of_a_creation_the_file_it_was_made_of(content: str) -> None:
    text = diff.creation("a/new.c", content)
    (made,) = diff.files(text)
    assert (made.after, made.removed) == ("a/new.c", 0)
    with tempfile.TemporaryDirectory() as directory:
        git.run("apply", "-", cwd=Path(directory), input=text.encode(), deadline=Deadline.after(60))
        assert (Path(directory) / "a/new.c").read_bytes() == content.encode()


def test_files_and_hunks() -> None:
    first, new, gone, renamed, mode, empty = diff.files(PATCH)
    assert (first.before, first.after) == ("dir/a.c", "dir/a.c")
    assert [(hunk.number, hunk.start, len(hunk.old)) for hunk in first.hunks] == [(1, 1, 3), (2, 10, 2)]
    assert first.hunks[0].old == ("one", "-- old looks like a header", "three")
    assert first.hunks[1].header == "@@ -10,2 +10,3 @@ int f(void)"
    assert (new.before, new.after) == ("", "new.c")
    assert (gone.before, gone.after) == ("gone.c", "")
    assert (renamed.before, renamed.after, renamed.hunks) == ("old.sh", "new.sh", ())
    assert (mode.before, mode.after, mode.hunks) == ("run.sh", "run.sh", ())
    assert (empty.before, empty.after, empty.hunks) == ("", "empty", ())
    assert diff.touched(PATCH) == {"dir/a.c", "new.c", "gone.c", "old.sh", "new.sh", "run.sh", "empty"}


def test_lines_with_carriage_returns_keep_them() -> None:
    (item,) = diff.files("--- a/x\n+++ b/x\n@@ -1,2 +1,2 @@\n one\r\n-two\r\n+2\r\n")
    assert item.hunks[0].old == ("one\r", "two\r")


def test_no_newline_at_the_end_of_the_old_file() -> None:
    text = (
        "--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+b\n--- a/y\n+++ b/y\n@@ -1 +1 @@\n-c\n+d\n"
    )
    assert [item.hunks[0].old for item in diff.files(text)] == [("a",), ("c",)]


def test_bytes_that_are_not_utf8_pass_through() -> None:
    text = b"--- a/x\n+++ b/x\n@@ -1 +1 @@\n-\xe4\n+b\n".decode("utf-8", "surrogateescape")
    assert diff.files(text)[0].hunks[0].old[0].encode("utf-8", "surrogateescape") == b"\xe4"


def test_the_changelog_is_not_part_of_the_body() -> None:
    assert diff.body(PATCH).startswith("diff --git a/dir/a.c")
    assert diff.body(PATCH.replace("two files", "2 files")) == diff.body(PATCH)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("--- a/x\n+++ b/m/x\n@@ -1,5 +1,5 @@ f()\n one\n", r"m/x @@ -1,5 \+1,5 @@ f\(\): Hunk is shorter"),
        ("--- a/x\n+++ b/x\n@@ -1 +1 @@\n-one\n?\n", "x @@ -1 .1 @@: Hunk diff line expected"),
    ],
)
def test_a_damaged_patch_says_where(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        diff.files(text)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(SHIPPED),
    st.lists(
        st.tuples(
            st.integers(0, 10_000),
            st.integers(0, 2),
            st.sampled_from(
                [
                    *(" x", "-x", "+x", "", "\\ No newline at end of file", "\r", "x", "@@ -1 +1 @@", "@@ -0,0 +1 @@"),
                    *("--- a/../x", "--- /dev/null", "+++ /dev/null", "-- ", "diff --git a/x b/y", "GIT binary patch"),
                    *("new file mode 100644", "deleted file mode 100644", "new file mode 120000", "rename to x"),
                ]
            )
            | st.text(max_size=4),
        ),
        max_size=3,
    ),
)
def test_the_quick_check_says_what_the_whole_reader_says(path: Path, damage: list[tuple[int, int, str]]) -> None:
    lines = diff.body(path.read_text()).split("\n")
    for at, gone, line in damage:
        place = at % len(lines)
        lines[place : place + gone] = [line]
    text = "\n".join(lines)
    try:
        found, wrong = len(diff.files(text)), ""
    except ValueError as error:
        found, wrong = 0, str(error)
    if wrong:
        with pytest.raises(ValueError, match=f"^{re.escape(wrong)}$"):
            diff.check(text)
    else:
        assert diff.check(text) == found


@pytest.mark.parametrize("path", ["../../etc/passwd", "/etc/passwd", "a/../../b"])
@pytest.mark.parametrize(
    "text",
    [
        "--- a/x\n+++ b/{path}\n@@ -1 +1 @@\n-a\n+b\n",
        "--- a/{path}\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\n",
        "diff --git a/x b/{path}\nsimilarity index 100%\nrename from x\nrename to {path}\n",
        "diff --git a/x b/y\nsimilarity index 100%\ncopy from x\ncopy to {path}\n",
    ],
)
def test_a_patch_cannot_leave_the_tree(text: str, path: str) -> None:
    with pytest.raises(ValueError, match="leaves the source tree"):
        diff.files(text.format(path=path))


def test_a_patch_makes_no_links() -> None:
    with pytest.raises(ValueError, match="x is a symbolic link"):
        diff.files("diff --git a/x b/x\nnew file mode 120000\n--- /dev/null\n+++ b/x\n@@ -0,0 +1 @@\n+/etc/passwd\n")


def test_misfit_names_the_first_line_that_differs() -> None:
    hunk = diff.files("--- a/x\n+++ b/x\n@@ -3,3 +3,3 @@\n c\n-d\n+D\n e\n")[0].hunks[0]
    assert diff.misfit(hunk, "new\na\nb\nc\nX\ne\n") == "line 5 is 'X', the patch wants 'd'"
    assert diff.misfit(hunk, "q\nr\n") == "nothing in the file looks like its context"
