import os
from pathlib import Path

import pytest

from kzram_ci.kernel.kbuild import ccache


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    program = tmp_path / "bin" / "ccache"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("KZRAM_CCACHE", "CCACHE_DIR"):
        monkeypatch.delenv(name, raising=False)
    return program


def links(tmp_path: Path, **variables: str) -> list[str]:
    path = ccache.path(tmp_path / "cache", variables)
    first = Path(path.split(os.pathsep)[0])
    return sorted(entry.name for entry in first.iterdir())


def test_compilers_stand_in_for_themselves(installed: Path, tmp_path: Path) -> None:
    path = ccache.path(tmp_path / "cache", {})
    head, rest = path.split(os.pathsep)
    assert rest == str(installed.parent)
    assert (Path(head) / "gcc").readlink() == installed


@pytest.mark.parametrize(
    ("variables", "names"),
    [
        ({"CC": "gcc-11 -fno-pie"}, ["gcc", "gcc-11"]),
        ({"CROSS_COMPILE": "aarch64-linux-gnu-"}, ["aarch64-linux-gnu-gcc", "gcc"]),
        ({"LLVM": "-18"}, ["clang-18", "gcc"]),
        ({"LLVM": "1", "HOSTCC": "clang"}, ["clang", "gcc"]),
        ({"CC": "ccache gcc"}, ["gcc"]),
        ({"CC": "/opt/gcc/bin/gcc"}, ["gcc"]),
    ],
)
def test_which(installed: Path, tmp_path: Path, variables: dict[str, str], names: list[str]) -> None:
    assert links(tmp_path, **variables) == names


def test_not_wanted_not_there_and_nowhere_to_write(
    installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = str(installed.parent)
    monkeypatch.setenv("KZRAM_CCACHE", "0")
    assert ccache.path(tmp_path / "cache", {}) == own
    monkeypatch.delenv("KZRAM_CCACHE")
    monkeypatch.setenv("HOME", str(tmp_path / "nowhere"))
    assert ccache.path(tmp_path / "cache", {}) == own
    monkeypatch.setenv("HOME", str(tmp_path))
    installed.unlink()
    assert ccache.path(tmp_path / "cache", {}) == own
