from pathlib import Path

import pytest

from kzram_ci.base import datafiles
from kzram_ci.base.errors import UserError


def test_what_ships_is_found_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert datafiles.find("kernels", "config/base.config").is_file()
    assert datafiles.find("rootfs", "rootfs.yaml").is_absolute()


def test_the_users_own_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "kernels" / "config").mkdir(parents=True)
    (tmp_path / "kernels" / "config" / "base.config").write_text("CONFIG_MINE=y\n")
    monkeypatch.chdir(tmp_path)
    assert datafiles.find("kernels", "config/base.config").read_text() == "CONFIG_MINE=y\n"
    assert datafiles.find("kernels", "config/zram.config").is_file(), "the rest still ships"


def test_package_data_of_an_installed_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "site-packages" / "kzram_ci"
    (package / "data" / "kernels").mkdir(parents=True)
    (package / "data" / "kernels" / "stock.yaml").write_text("")
    monkeypatch.setattr(datafiles, "_PACKAGE", package)
    monkeypatch.chdir(tmp_path)
    assert datafiles.find("kernels", "stock.yaml").parts[-3] == "data"


@pytest.mark.parametrize(
    ("name", "near"), [("config/bass.config", "base.config"), ("patches/no/series.yaml", "unstable")]
)
def test_what_is_unknown_lists_the_known(name: str, near: str) -> None:
    with pytest.raises(UserError) as caught:
        datafiles.find("kernels", name)
    assert near in caught.value.hint
