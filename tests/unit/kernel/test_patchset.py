import pytest

from kzram_ci.base.errors import UserError
from kzram_ci.kernel import patchset
from kzram_ci.kernel.patchset import Series, SeriesKind

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
diff --git a/old.sh b/new.sh
similarity index 100%
rename from old.sh
rename to new.sh
--
2.39
"""


def series(name: str = "s", *, versions: tuple[str, ...] = (), after: tuple[str, ...] = ()) -> Series:
    return Series(name=name, kind=SeriesKind.FIX, versions=versions, after=after)


def test_files_and_hunks() -> None:
    first, new, renamed = patchset.files(PATCH)
    assert (first.before, first.after) == ("dir/a.c", "dir/a.c")
    assert [(hunk.number, hunk.start, len(hunk.old)) for hunk in first.hunks] == [(1, 1, 3), (2, 10, 2)]
    assert first.hunks[1].header == "@@ -10,2 +10,3 @@ int f(void)"
    assert (new.before, new.after) == ("", "new.c")
    assert (renamed.before, renamed.after, renamed.hunks) == ("old.sh", "new.sh", ())
    assert patchset.touched(PATCH) == {"dir/a.c", "new.c", "old.sh", "new.sh"}


def test_the_changelog_is_not_part_of_the_body() -> None:
    assert patchset.body(PATCH).startswith("diff --git a/dir/a.c")
    assert patchset.body(PATCH.replace("two files", "2 files")) == patchset.body(PATCH)


def test_a_torn_hunk_is_an_error() -> None:
    with pytest.raises(ValueError, match="hunk 1 is torn"):
        patchset.files("--- a/x\n+++ b/x\n@@ -1,5 +1,5 @@\n one\n")


@pytest.mark.parametrize("path", ["../../etc/passwd", "/etc/passwd", "a/../../b"])
def test_a_patch_cannot_leave_the_tree(path: str) -> None:
    with pytest.raises(ValueError, match="leaves the source tree"):
        patchset.files(f"--- a/x\n+++ b/{path}\n@@ -1 +1 @@\n-a\n+b\n")


@pytest.mark.parametrize(
    ("constraints", "version", "fits"),
    [
        ((">=6.12", "<6.13"), "6.12.117-1~deb12u1", True),
        ((">=6.12", "<6.13"), "6.12", True),
        ((">=6.12", "<6.13"), "6.13", False),
        ((">=6.12", "<6.13"), "6.1.170", False),
        (("6.12",), "6.12.3", True),
        (("6.12",), "6.1", False),
        ((">6.12",), "6.12.1", False),
        ((">6.12",), "6.13.1", True),
        (("<=6.12",), "6.12.99", True),
        (("==6.12.5",), "6.12.50", False),
        ((), "4.9", True),
    ],
)
def test_versions(constraints: tuple[str, ...], version: str, fits: bool) -> None:
    assert patchset.applies_to(constraints, version) is fits


def test_kernel_version_of_a_makefile() -> None:
    text = "# SPDX\nVERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 117\nEXTRAVERSION =\n"
    assert patchset.kernel_version(text) == "6.12.117"
    assert patchset.kernel_version("all:\n") == ""


def test_a_series_needs_what_it_stands_on_before_it() -> None:
    patchset.check_order([series("a"), series("b", after=("a",))])
    with pytest.raises(UserError, match="series b stands on a") as caught:
        patchset.check_order([series("b", after=("a",)), series("a")])
    assert "put a before b" in caught.value.hint


GOOD = {"name": "s", "kind": "fix", "patches": ["1.patch"], "after": ["unstable"], "upstream": "null"}


def test_series_from_data() -> None:
    made = patchset.series_from(GOOD, "f", {"1.patch": "text"})
    assert made.patches[0].text == "text"
    assert made.patches[0].series == "s"
    assert made.upstream == ""
    assert made.after == ("unstable",)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "magic"}, "kind: 'magic'; fix: one of fix, regression, instrument, build"),
        ({"patch": []}, "unknown key 'patch'"),
        ({"versions": ["six"]}, "versions: 'six'"),
        ({"patches": []}, "at least one patch"),
        ({"after": "unstable"}, "after: wants a list"),
    ],
)
def test_a_bad_series_is_named(change: dict[str, object], message: str) -> None:
    with pytest.raises(UserError) as caught:
        patchset.series_from({**GOOD, **change}, "kernels/patches/s/series.yaml")
    assert message in str(caught.value)
    assert "kernels/patches/s/series.yaml" in str(caught.value)


def test_misfit_names_the_first_line_that_differs() -> None:
    hunk = patchset.files("--- a/x\n+++ b/x\n@@ -3,3 +3,3 @@\n c\n-d\n+D\n e\n")[0].hunks[0]
    assert patchset.misfit(hunk, "new\na\nb\nc\nX\ne\n") == "line 5 is 'X', the patch wants 'd'"
    assert patchset.misfit(hunk, "q\nr\n") == "nothing in the file looks like its context"


LINES = {
    **{key: value for key, value in GOOD.items() if key not in ("versions", "patches")},
    "lines": [
        {"versions": [">=5.10", "<5.11"], "patches": ["5.10/1.patch"]},
        {"versions": [">=6.1"], "patches": ["6/1.patch", "6/2.patch"]},
    ],
}


@pytest.mark.parametrize(
    ("version", "names"),
    [
        ("5.10.262-1", ["5.10/1.patch"]),
        ("6.12.1", ["6/1.patch", "6/2.patch"]),
        ("5.15", None),
        ("", None),  # unknown: nobody can tell which line
    ],
)
def test_a_line_is_chosen_by_version(version: str, names: list[str] | None) -> None:
    listed = patchset.series_from(LINES, "f", {"6/2.patch": "text"})
    assert [patch.name for patch in listed.named()] == ["5.10/1.patch", "6/1.patch", "6/2.patch"]
    chosen = patchset.for_version(listed, version)
    assert (None if chosen is None else [patch.name for patch in chosen.patches]) == names
    assert chosen is None or not chosen.lines
    assert listed.ranges() == ">=5.10 <5.11 or >=6.1"


@pytest.mark.parametrize(
    ("version", "order"),
    [
        ("5.4", ["5.10", "6.1", "6.12", "7.3"]),
        ("5.15", ["5.10", "6.1", "6.12", "7.3"]),
        ("6.6", ["6.1", "6.12", "5.10", "7.3"]),
        ("6.19.3", ["7.3", "6.12", "6.1", "5.10"]),
        ("7.2.13-1", ["7.3", "6.12", "6.1", "5.10"]),
    ],
)
def test_lines_by_their_distance(version: str, order: list[str]) -> None:
    rows = [{"versions": [f">={line}"], "patches": [f"{line}/1.patch"]} for line in ("5.10", "6.1", "6.12", "7.3")]
    listed = patchset.series_from({**LINES, "lines": rows}, "f")
    assert [near.versions[0].removeprefix(">=") for near in patchset.nearest(listed, version)] == order


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"patches": ["1.patch"]}, "patches: belongs into each of `lines`"),
        ({"lines": []}, "lines: wants a list of mappings"),
        ({"lines": [{"patches": ["1.patch"]}]}, "a line without versions"),
        ({"lines": [{"versions": [">=6"], "patches": []}]}, "at least one patch file"),
        ({"lines": [{"versions": [">=6"], "patches": ["1"], "why": "x"}]}, "lines: unknown key 'why'"),
        ({"lines": [{"versions": ["six"], "patches": ["1"]}]}, "versions: 'six'"),
    ],
)
def test_lines_that_make_no_sense(change: dict[str, object], complaint: str) -> None:
    with pytest.raises(UserError) as caught:
        patchset.series_from({**LINES, **change}, "f")
    assert complaint in str(caught.value)
