import quopri
from pathlib import Path

import pytest

from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import PatchFailed, UserError
from kzram_ci.base.library import Kind, Library
from kzram_ci.kernel import diff, parts, patches
from kzram_ci.kernel.series import choose
from kzram_ci.model.kernel import KernelSpec
from kzram_ci.model.source import DirectorySource

CHANGE = "--- a/mm/a.c\n+++ b/mm/a.c\n@@ -1 +1 @@\n-old\n+new\n"


def write_series(root: Path, name: str, yaml: str) -> None:
    where = root / "kernels" / "patches" / name
    where.mkdir(parents=True)
    (where / "series.yaml").write_text(yaml)
    (where / "1.patch").write_text(CHANGE)


def test_a_series_from_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_series(tmp_path, "mine", "name: mine\nkind: fix\nafter: [unstable]\npatches: [1.patch]\nupstream: null\n")
    monkeypatch.chdir(tmp_path)
    loaded = parts.load_series("mine", Library())
    assert loaded.after == ("unstable",)
    assert loaded.patches[0].text == CHANGE


def test_a_series_that_changes_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_series(tmp_path, "mine", "name: mine\nkind: fix\npatches: [1.patch, sub/1.patch]\n")
    below = tmp_path / "kernels/patches/mine/sub/1.patch"
    below.parent.mkdir()
    below.write_text(CHANGE)
    monkeypatch.chdir(tmp_path)
    first = parts.load_series("mine", Library())
    assert parts.load_series("mine", Library()) is first
    below.write_text(CHANGE.replace("+new", "+newer"))
    assert "+newer" in parts.load_series("mine", Library()).patches[1].text
    assert "+newer" not in first.patches[1].text


NEW = "name: mine\nkind: instrument\npatches: [1.patch]\nfiles: {drivers/new.c: new.c}\n"


def test_new_files_lie_beside_the_patches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_series(tmp_path, "mine", NEW)
    (tmp_path / "kernels/patches/mine/new.c").write_text("int x;")
    monkeypatch.chdir(tmp_path)
    choices = [choose(parts.load_series("mine", Library()), "6.12")]
    deadline = Deadline.after(60)
    done = patches.apply({"mm/a.c": b"old\n"}.get, choices, deadline=deadline)
    assert done.files == {"mm/a.c": b"new\n", "drivers/new.c": b"int x;"}
    for there, told in ((b"int y;", "already exists in working directory"), (b"int x;", "mine/new.c: already applied")):
        with pytest.raises(PatchFailed, match=told):
            patches.apply({"mm/a.c": b"old\n", "drivers/new.c": there}.get, choices, deadline=deadline)


@pytest.mark.parametrize(
    ("yaml", "message"),
    [
        (NEW, r"yaml:4:24: files\.drivers/new\.c: new\.c cannot be read: No such file"),
        (
            "name: mine\nkind: fix\npatches: [2.patch]\n",
            r"3:11: patches\[0\]: 2.patch cannot be read: No such",
        ),
        (
            "name: mine\nkind: fix\npatches: [series.yaml]\n",
            r"yaml:3:11: patches\[0\]: series.yaml: it has no diff in it",
        ),
        ("name: other\nkind: fix\npatches: [1.patch]\n", "yaml:1:7: name: the name is 'other', the directory is"),
        ("name: mine\nkind: fix\n", "yaml:1:1: patches or lines are required"),
        (
            "name: mine\nkind: fix\npatches: [1.patch]\nlines: [{versions: ['6'], patches: [1.patch]}]\n",
            "yaml:3:1: patches: patches must be in each of `lines` instead",
        ),
        ("name: [\n", "series.yaml:2:1: not YAML"),
    ],
)
def test_what_is_wrong_with_a_series_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, yaml: str, message: str
) -> None:
    write_series(tmp_path, "mine", yaml)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=message):
        parts.load_series("mine", Library())


def test_an_unknown_series_lists_the_known() -> None:
    with pytest.raises(UserError) as caught:
        parts.load_series("no-such", Library())
    assert "no series 'no-such'; known: " in str(caught.value)
    assert "unstable" in str(caught.value)


def test_the_series_that_ship_load() -> None:
    names = Library().names(Kind.SERIES)
    assert "unstable" in names
    for name in names:
        assert parts.load_series(name, Library()).why


def test_a_fragment_that_is_not_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "kernels/config").mkdir(parents=True)
    (tmp_path / "kernels/config/mine.config").write_bytes(b"CONFIG_A=\xff\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"mine\.config is not text"):
        parts.load_fragment("mine", Library())


def test_the_parts_of_a_definition_come_in_its_order() -> None:
    config = Library().names(Kind.FRAGMENT)[:2]
    series = ("unstable", "saved-clen")
    spec = KernelSpec(name="k", source=DirectorySource(path="/"), series=series, config=config)
    found = parts.parts_of(spec, Library())
    assert tuple(item.name for item in found.series) == series
    assert tuple(fragment.name for fragment in found.fragments) == tuple(f"{name}.config" for name in config)
    assert found.fixes


def test_a_patch_that_came_by_mail_is_decoded(tmp_path: Path) -> None:
    text = "diff --git a/a.c b/a.c\n--- a/a.c\n+++ b/a.c\n@@ -1 +1 @@\n-int a;\n+int b = 1;\n"
    coded = quopri.encodestring(text.encode())
    head = b"From: a@example.org\nSubject: [PATCH] b\nContent-Transfer-Encoding: quoted-printable\n\n"
    directory = tmp_path / "kernels/patches/mine"
    directory.mkdir(parents=True)
    (directory / "1.patch").write_bytes((head + coded).replace(b"\n", b"\r\n"))
    (directory / "series.yaml").write_text("name: mine\nkind: fix\npatches: [1.patch]\n")
    (patch,) = parts.load_series("mine", Library(roots=(tmp_path,))).patches
    assert diff.body(patch.text) == text
