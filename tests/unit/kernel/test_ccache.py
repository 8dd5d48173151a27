import os
import subprocess
from pathlib import Path

import pytest
import requires

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


def test_trees_whose_headers_hide_others_are_kept_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CCACHE_EXTRAFILES", raising=False)
    for path in ("include/uapi/linux/x.h", "include/linux/y.h"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    listed = tmp_path / "kzram.hidden"
    assert ccache.apart(tmp_path, tmp_path) == {"CCACHE_EXTRAFILES": str(listed)}
    assert listed.read_text() == ""
    (tmp_path / "include/linux/x.h").touch()
    monkeypatch.setenv("CCACHE_EXTRAFILES", "/home/me/mine")
    assert ccache.apart(tmp_path, tmp_path) == {"CCACHE_EXTRAFILES": f"/home/me/mine:{listed}"}
    assert listed.read_text() == "include/linux/x.h\n"


def test_ccache_does_not_take_a_header_for_the_one_it_hides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without `apart` it gives the object of before: its direct mode does not look for headers that were not there."""
    programs = (requires.tool("ccache"), requires.tool("gcc"))
    for name in [name for name in os.environ if name.startswith("CCACHE_")]:
        monkeypatch.delenv(name)
    uapi, over = tmp_path / "include/uapi/linux/x.h", tmp_path / "include/linux/x.h"
    for path in (uapi, over):
        path.parent.mkdir(parents=True, exist_ok=True)
    uapi.write_text("#define X 1\n")
    os.utime(uapi, (1, 1))  # else ccache takes it for just written, and does not use its direct mode
    (tmp_path / "a.c").write_text("#include <linux/x.h>\nchar value[] = {'v', '=', '0' + X, 0};\n")

    def made() -> bytes:
        env = {**os.environ, **ccache.apart(tmp_path, tmp_path), "CCACHE_DIR": str(tmp_path / "store")}
        argv = (*programs, "-Iinclude", "-Iinclude/uapi", "-c", "a.c", "-o", "a.o")
        subprocess.run(argv, cwd=tmp_path, env=env, check=True, timeout=60)
        return (tmp_path / "a.o").read_bytes()

    assert b"v=1" in made()
    assert b"v=1" in made()
    over.write_text("#define X 2\n")
    os.utime(over, (1, 1))
    assert b"v=2" in made()
