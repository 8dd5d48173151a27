"""--share: where a directory is in the guest, and who may write to it."""

from pathlib import Path

import pytest

from kzram_ci.base.errors import UserError
from kzram_ci.guest.conf import cell_conf
from kzram_ci.model.machine import MachineSpec
from kzram_ci.run.shares import shares_of, words


def test_read_only_unless_asked_and_each_at_a_place_of_its_own(tmp_path: Path) -> None:
    for name in ("a/src", "b/src", "c/so me", "d/x:rw"):
        (tmp_path / name).mkdir(parents=True)
    given = [f"{tmp_path}/{name}" for name in ("a/src", "b/src:rw", "c/so me:ro", "d/x:rw")]
    found = shares_of(given)
    assert [(share.mount, share.writable) for share in found] == [
        ("/mnt/src", False),
        ("/mnt/src-2", True),
        ("/mnt/so-me", False),
        ("/mnt/x-rw", False),  # a directory of that very name
    ]
    assert words(found[1]) == f"{tmp_path}/b/src is /mnt/src-2 in the guest, writable"
    assert shares_of(["/"])[0].mount == "/mnt/host"


def test_a_relative_directory_becomes_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert shares_of(["."])[0].directory == str(tmp_path)


def test_what_cannot_be_shared(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for word, why in (("file", "is not a directory"), ("gone:rw", "does not exist")):
        with pytest.raises(UserError, match=why):
            shares_of([f"{tmp_path}/{word}"])


def test_the_guest_is_told(tmp_path: Path) -> None:
    from builders import a_cell

    cell = a_cell(machine=MachineSpec(shares=shares_of([str(tmp_path), "/:rw"])))
    text = cell_conf(cell, "abc", tags=("kzram0", "kzram1"), window=(40, 120))
    assert f"SHARES='kzram0:ro:/mnt/{tmp_path.name} kzram1:rw:/mnt/host'\n" in text
    assert "WINDOW='rows 40 cols 120'\n" in text
