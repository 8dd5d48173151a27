"""Where plans, kernels, series, fragments and the guest lie, and what is said of a name that is not there."""

from pathlib import Path

import pytest

from kzram_ci.base import library
from kzram_ci.base.errors import UserError
from kzram_ci.base.library import Kind, Library


def test_what_ships_is_found_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shelf = Library()
    assert shelf.fragment("base").is_file()
    assert shelf.series("unstable").name == "series.yaml"
    assert shelf.rootfs().is_absolute()
    assert shelf.plan("overrun").parent.name == "testplans"


def test_the_users_own_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = ("kernels/config/base.config", "kernels/mine.yaml", "kernels/patches/own/series.yaml", "testplans/smoke.yaml")
    for place in own:
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_text("CONFIG_MINE=y\n")
    monkeypatch.chdir(tmp_path)
    shelf = Library()
    assert shelf.fragment("base").read_text() == "CONFIG_MINE=y\n"
    assert shelf.fragment("zram").is_file(), "the rest still ships"
    assert shelf.kernel("mine") == tmp_path / "kernels/mine.yaml"
    assert shelf.series("own") == tmp_path / "kernels/patches/own/series.yaml"
    assert shelf.plan("smoke") == tmp_path / "testplans/smoke.yaml"
    assert {"mine"} <= set(shelf.names(Kind.KERNEL))
    assert {"own", "unstable"} <= set(shelf.names(Kind.SERIES))
    assert shelf.all("rootfs/rootfs.yaml") == (shelf.rootfs(),)


def test_a_directory_is_neither_a_kernel_nor_a_fragment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for place in ("kernels/stock.yaml", "kernels/config/base.config"):
        (tmp_path / place).mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert Library().kernel("stock") is None
    assert Library().fragment("base").is_file()


def test_a_working_directory_that_was_removed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(UserError, match="the working directory is gone"):
        Library()


def test_a_plan_is_a_path_or_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my.yaml").write_text("")
    monkeypatch.chdir(tmp_path)
    assert Library().plan("my.yaml") == Path("my.yaml")
    assert Library().plan("testplans/smoke.yaml") == Library().plan("smoke")
    with pytest.raises(UserError, match=r"no plan 'my'; known: .*overrun.*"):
        Library().plan("my")
    with pytest.raises(UserError, match=r"^other.yaml: no such file, and no plan 'other'; known: "):
        Library().plan("other.yaml")
    (tmp_path / "folder").mkdir()
    with pytest.raises(UserError, match=r"^folder is not a file; fix: "):
        Library().plan("folder")
    (tmp_path / "smoke").mkdir()
    assert Library().plan("smoke").is_file()


def test_package_data_of_an_installed_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "site-packages" / "kzram_ci"
    (package / "data" / "kernels").mkdir(parents=True)
    (package / "data" / "kernels" / "stock.yaml").write_text("")
    monkeypatch.setattr(library, "_PACKAGE", package)
    monkeypatch.chdir(tmp_path)
    assert Library().kernel("stock") == package / "data/kernels/stock.yaml"


@pytest.mark.parametrize("name", ["../testplans/smoke", "/etc/passwd", ".", "", "lines", "variants"])
def test_a_name_is_not_a_path(name: str) -> None:
    assert Library().kernel(name) is None
    with pytest.raises(UserError, match="no series"):
        Library().series(name)


@pytest.mark.parametrize(
    ("kind", "name", "told"),
    [
        (Kind.FRAGMENT, "bass", r"no fragment 'bass'; known: .*base.*; did you mean base\?"),
        (Kind.SERIES, "unstabel", r"no series 'unstabel'; known: .*; did you mean unstable\?"),
        (Kind.PLAN, "overun", r"no plan 'overun'; known: .*; did you mean overrun\?"),
    ],
)
def test_what_is_unknown_lists_the_known(kind: Kind, name: str, told: str) -> None:
    with pytest.raises(UserError, match=told):
        getattr(Library(), kind)(name)


def test_an_empty_library_says_what_to_create(tmp_path: Path) -> None:
    empty = Library(roots=(tmp_path,))
    assert empty.missing(Kind.SERIES, "x") == "no series 'x'"
    with pytest.raises(UserError, match=r"no rootfs/rootfs\.yaml; fix: create it in "):
        empty.rootfs()
