import difflib
from dataclasses import replace
from pathlib import Path

import pytest

from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import PatchFailed
from kzram_ci.kernel import patches
from kzram_ci.kernel.series import Line, Series, SeriesKind, choose
from kzram_ci.model.kernel import Patch

LINES = [f"line {number}\n" for number in range(1, 41)]
VERSION = "6.12.117"


def diff(before: list[str], after: list[str], path: str = "mm/a.c") -> str:
    return "".join(difflib.unified_diff(before, after, f"a/{path}", f"b/{path}"))


def series(*texts: str, kind: SeriesKind = SeriesKind.FIX, name: str = "s", versions: tuple[str, ...] = ()) -> Series:
    made = tuple(Patch(series=name, name=f"{n}.patch", text=text) for n, text in enumerate(texts, start=1))
    return Series(name=name, kind=kind, patches=made, versions=versions)


def apply(tree: dict[str, bytes], *items: Series) -> patches.Patched:
    choices = [choose(item, VERSION) for item in items]
    return patches.apply(tree.get, choices, deadline=Deadline.after(60))


def changed(at: int, text: str) -> list[str]:
    return [*LINES[: at - 1], f"{text}\n", *LINES[at:]]


CHANGE = diff(LINES, changed(20, "new"))


def test_applies_and_gives_only_what_changed() -> None:
    done = apply({"mm/a.c": "".join(LINES).encode()}, series(CHANGE))
    assert done.files == {"mm/a.c": "".join(changed(20, "new")).encode()}
    assert done.notes == ()


def test_survives_an_offset() -> None:
    moved = ["inserted\n"] * 7 + LINES
    done = apply({"mm/a.c": "".join(moved).encode()}, series(CHANGE))
    assert done.files["mm/a.c"] == ("inserted\n" * 7 + "".join(changed(20, "new"))).encode()


def test_has_no_fuzz() -> None:
    other = changed(17, "other context")  # the outermost context line: GNU patch would shrug
    with pytest.raises(PatchFailed) as caught:
        apply({"mm/a.c": "".join(other).encode()}, series(CHANGE))
    told = caught.value.message
    assert told.startswith("s/1.patch: mm/a.c: hunk 1 (@@ -17,7 +17,7 @@) does not apply")
    assert "line 17 is 'other context', the patch wants 'line 17'" in told


def test_the_users_git_configuration_cannot_make_it_lax(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".gitconfig").write_text("[apply]\n\tignoreWhitespace = change\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    spaced = changed(18, "line   18")
    with pytest.raises(PatchFailed, match="hunk 1"):
        apply({"mm/a.c": "".join(spaced).encode()}, series(CHANGE))


def test_names_the_hunk_that_fails() -> None:
    both = diff(LINES, [*changed(3, "x")[:35], "y\n", *LINES[36:]])
    with pytest.raises(PatchFailed, match=r"hunk 2 \(@@ -33,7 \+33,7 @@\)"):
        apply({"mm/a.c": "".join(changed(36, "elsewhere")).encode()}, series(both))


def test_inside_of_somebodys_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """git apply silently skips paths outside of the current directory of a repository it finds."""
    (tmp_path / ".git" / "refs").mkdir(parents=True)
    (tmp_path / ".git" / "objects").mkdir()
    (tmp_path / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("GIT_DIR", str(tmp_path / ".git"))
    assert apply({"mm/a.c": "".join(LINES).encode()}, series(CHANGE)).files


@pytest.mark.parametrize("kind", [SeriesKind.FIX, SeriesKind.REGRESSION])
def test_already_applied_is_reported(kind: SeriesKind) -> None:
    done = apply({"mm/a.c": "".join(changed(20, "new")).encode()}, series(CHANGE, kind=kind))
    assert done.files == {}
    assert done.notes == ("s/1.patch: already applied, left out",)


def test_an_instrument_that_is_there_twice_is_an_error() -> None:
    with pytest.raises(PatchFailed, match="already applied"):
        apply({"mm/a.c": "".join(changed(20, "new")).encode()}, series(CHANGE, kind=SeriesKind.INSTRUMENT))


def test_new_and_deleted_files_and_modes() -> None:
    create = (
        "diff --git a/s/x.sh b/s/x.sh\nnew file mode 100755\n--- /dev/null\n+++ b/s/x.sh\n@@ -0,0 +1 @@\n+#!/bin/sh\n"
    )
    delete = "diff --git a/q b/q\ndeleted file mode 100644\n--- a/q\n+++ /dev/null\n@@ -1 +0,0 @@\n-gone\n"
    done = apply({"q": b"gone\n"}, series(create, delete))
    assert done.files == {"s/x.sh": b"#!/bin/sh\n", "q": None}
    assert done.executable == {"s/x.sh"}


def test_series_build_on_each_other() -> None:
    second = diff(changed(20, "new"), changed(20, "newer"))
    done = apply({"mm/a.c": "".join(LINES).encode()}, series(CHANGE), series(second, name="t"))
    assert b"newer\n" in (done.files["mm/a.c"] or b"")


def test_a_file_that_is_missing_is_named() -> None:
    with pytest.raises(PatchFailed, match=r"s/1\.patch: mm/a\.c: No such file"):
        apply({}, series(CHANGE))


def test_a_series_for_another_version_is_refused() -> None:
    with pytest.raises(PatchFailed, match=r"series s is for >=6\.15, this kernel is 6\.12\.117"):
        apply({"mm/a.c": b""}, series(CHANGE, versions=(">=6.15",)))


def test_bytes_that_are_no_utf8_pass_through() -> None:
    old, new = b"caf\xe9 1\n", b"caf\xe9 2\n"
    text = (b"--- a/d\n+++ b/d\n@@ -1 +1 @@\n-" + old + b"+" + new).decode("utf-8", "surrogateescape")
    assert apply({"d": old}, series(text)).files == {"d": new}


def lines(**texts: str) -> Series:
    """A series with a line for each version, which is written v6_1."""
    made = [
        Line(
            versions=(f">={version}", f"<{version}.99"),
            patches=(Patch(series="s", name=f"{version}/1.patch", text=text),),
        )
        for key, text in texts.items()
        for version in [key.removeprefix("v").replace("_", ".")]
    ]
    return Series(name="s", kind=SeriesKind.FIX, lines=tuple(made))


def test_between_the_lines_the_nearest_that_applies_is_taken_and_told() -> None:
    other = diff(changed(18, "old context"), changed(20, "never"))
    created = diff([], ["made\n"], "mm/b.c").replace("--- a/mm/b.c", "--- /dev/null")
    listed = lines(v5_10=CHANGE, v6_11=created + other, v7_3=other)
    done = apply({"mm/a.c": "".join(LINES).encode()}, listed)
    assert done.files == {"mm/a.c": "".join(changed(20, "new")).encode()}  # nothing is left of what did not fit
    assert done.notes == ("s: made for >=5.10 <5.10.99, applied to 6.12.117 unchanged, not tested there",)


def test_between_the_lines_where_none_applies_the_nearest_says_why() -> None:
    listed = lines(v5_10=CHANGE, v6_11=CHANGE)
    with pytest.raises(PatchFailed) as caught:
        apply({"mm/a.c": "".join(changed(18, "moved on")).encode()}, listed)
    told = caught.value.message
    assert told.startswith("series s has nothing for 6.12.117, and what it has for >=6.11 <6.11.99 does not apply: ")
    assert "line 18 is 'moved on', the patch wants 'line 18'" in told


def test_an_optional_series_is_left_out_between_the_lines_and_what_stands_on_it_too() -> None:
    moved = {"mm/a.c": "".join(changed(18, "moved on")).encode()}
    counters = replace(lines(v6_11=CHANGE), optional=True, kind=SeriesKind.INSTRUMENT)
    more = replace(lines(v6_11=diff(LINES, changed(30, "more"))), name="more", optional=True, after=("s",))
    done = apply(moved, counters, more)
    assert done.files == {}
    assert [note.partition(": ")[0] for note in done.notes] == ["s", "more"]
    assert "left out, its counters will be missing" in done.notes[0]
    assert done.applied[0].left_out
    assert "it stands on s" in done.notes[1]
    with pytest.raises(PatchFailed, match="stands on s, which was left out"):
        apply(moved, counters, replace(more, optional=False))
    here = replace(counters, lines=(replace(counters.lines[0], versions=(">=6.12",)),))
    with pytest.raises(PatchFailed, match="hunk 1"):  # made for this version: then it must fit
        apply(moved, here)


def test_versions_without_lines_are_a_promise() -> None:
    with pytest.raises(PatchFailed, match=r"series s is for >=7, this kernel is 6.12.117"):
        apply({"mm/a.c": "".join(LINES).encode()}, series(CHANGE, versions=(">=7",)))
    with pytest.raises(PatchFailed, match=r"this kernel is of unknown version"):
        patches.apply(lambda path: None, [choose(lines(v6_1=CHANGE), "")], deadline=Deadline.after(60))


LOCKED = [*LINES[:19], "\tspin_lock(&class->lock);\n", *LINES[20:]]


def test_between_the_lines_a_lock_must_be_one_that_the_file_takes() -> None:
    listed = lines(v6_11=diff(LINES, LOCKED), v5_10=CHANGE)
    tree = {"mm/a.c": "".join(LINES).encode()}
    done = apply(tree, listed)
    assert done.files == {"mm/a.c": "".join(changed(20, "new")).encode()}
    with pytest.raises(PatchFailed, match=r"takes spin_lock\(&class->lock\), which mm/a\.c of this kernel does not"):
        apply(tree, lines(v6_11=diff(LINES, LOCKED)))
    exact = replace(listed.lines[0], versions=(">=6.12",))  # made for this version: its author knew
    assert apply(tree, replace(listed, lines=(exact,))).files


def test_what_a_line_needs_is_looked_for_in_the_tree_and_in_what_came_before() -> None:
    tree = {"mm/a.c": "".join(LINES).encode(), "mm/b.c": b"int lookup_size_class(void);\n"}

    def needing(pattern: str, path: str = "mm/b.c") -> Series:
        listed = lines(v6_11=CHANGE, v5_10=diff(LINES, changed(30, "old way")))
        return replace(listed, lines=(replace(listed.lines[0], needs=((path, (pattern,)),)), listed.lines[1]))

    assert b"new\n" in (apply(tree, needing("lookup_size_class")).files["mm/a.c"] or b"")
    assert b"old way\n" in (apply(tree, needing("size_class_of")).files["mm/a.c"] or b"")
    first = replace(series(diff([], ["made\n"], "mm/c.c").replace("--- a/mm/c.c", "--- /dev/null")), name="first")
    assert b"new\n" in (apply(tree, first, needing("^made$", "mm/c.c")).files["mm/a.c"] or b"")
    own = replace(series(CHANGE), needs=(("mm/b.c", ("gone",)),))
    with pytest.raises(PatchFailed, match=r"^s: it needs /gone/ in mm/b\.c, which this kernel does not have"):
        apply(tree, own)
    done = apply(tree, replace(own, optional=True))
    assert (done.files, done.applied[0].patches) == ({}, ())
    assert "left out" in done.notes[0]
