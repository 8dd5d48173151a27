from pathlib import Path

import pytest

from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import PatchFailed, UserError
from kzram_ci.kernel import library, patches
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
    loaded = library.load_series("mine")
    assert loaded.after == ("unstable",)
    assert loaded.patches[0].text == CHANGE


NEW = "name: mine\nkind: instrument\npatches: [1.patch]\nfiles: {drivers/new.c: new.c}\n"


def test_new_files_lie_beside_the_patches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_series(tmp_path, "mine", NEW)
    (tmp_path / "kernels/patches/mine/new.c").write_text("int x;")
    monkeypatch.chdir(tmp_path)
    choices = [choose(library.load_series("mine"), "6.12")]
    deadline = Deadline.after(60)
    done = patches.apply({"mm/a.c": b"old\n"}.get, choices, deadline=deadline)
    assert done.files == {"mm/a.c": b"new\n", "drivers/new.c": b"int x;"}
    for there, told in ((b"int y;", "already exists in working directory"), (b"int x;", "mine/new.c: already applied")):
        with pytest.raises(PatchFailed, match=told):
            patches.apply({"mm/a.c": b"old\n", "drivers/new.c": there}.get, choices, deadline=deadline)


@pytest.mark.parametrize(
    ("yaml", "message"),
    [
        (NEW, "new.c does not exist"),
        ("name: mine\nkind: fix\npatches: [2.patch]\n", "2.patch does not exist"),
        ("name: other\nkind: fix\npatches: [1.patch]\n", "the name is 'other'"),
        ("name: [\n", "series.yaml"),
    ],
)
def test_what_is_wrong_with_a_series_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, yaml: str, message: str
) -> None:
    write_series(tmp_path, "mine", yaml)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=message):
        library.load_series("mine")


def test_an_unknown_series_lists_the_known() -> None:
    with pytest.raises(UserError) as caught:
        library.load_series("no-such")
    assert "unstable" in caught.value.hint


def test_the_series_that_ship_load() -> None:
    root = Path(library.__file__).parents[2] / "kernels" / "patches"
    names = sorted(path.parent.name for path in root.glob("*/series.yaml"))
    assert "unstable" in names
    for name in names:
        assert library.load_series(name).why


def test_a_fragment_that_is_not_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "kernels/config").mkdir(parents=True)
    (tmp_path / "kernels/config/mine.config").write_bytes(b"CONFIG_A=\xff\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"mine\.config is not text"):
        library.load_fragment("mine")


def test_the_parts_of_a_definition_come_in_its_order() -> None:
    root = Path(library.__file__).parents[2] / "kernels" / "config"
    config = tuple(sorted(path.stem for path in root.glob("*.config")))[:2]
    series = ("unstable", "saved-clen")
    parts = library.parts_of(KernelSpec(name="k", source=DirectorySource(path="/"), series=series, config=config))
    assert tuple(item.name for item in parts.series) == series
    assert tuple(fragment.name for fragment in parts.fragments) == tuple(f"{name}.config" for name in config)
    assert parts.fixes
