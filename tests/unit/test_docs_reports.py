"""docs/reports: the reproducer compiles and runs, and the selftest has the same one."""

import os
import subprocess
from pathlib import Path

import pytest
import requires

REPORTS = Path(__file__).resolve().parents[2] / "docs" / "reports"
PROGRAM = REPORTS / "zram_direct.c"


def test_the_selftest_has_the_same_program() -> None:
    [patch] = REPORTS.glob("*.patch")
    part = patch.read_text().partition("+++ b/tools/testing/selftests/zram/zram_direct.c\n")[2]
    lines = [line[1:] for line in part.splitlines() if line.startswith("+")]
    assert lines == PROGRAM.read_text().splitlines()


def test_the_selftest_looks_whether_its_mount_is_there() -> None:
    [patch] = REPORTS.glob("*.patch")
    text = patch.read_text()
    assert text.index('+grep -q "^/dev/zram$dev_start " /proc/mounts') < text.index("+./zram_direct zram$dev_start")


def test_the_program_leaves_files_alone_where_nothing_is_wrong(tmp_path: Path) -> None:
    try:
        os.close(os.open(tmp_path / "probe", os.O_RDWR | os.O_CREAT | os.O_DIRECT))
    except OSError as error:
        requires.lacking("odirect", f"{tmp_path}: {error.strerror}")
    program = tmp_path / "zram_direct"
    argv = (requires.tool("gcc"), "-O2", "-Wall", "-Wextra", "-Werror", "-pthread", str(PROGRAM), "-o", str(program))
    subprocess.run(argv, check=True)
    for seconds in ("1", "10", "60"):  # a disk that others keep busy writes no page in one
        words = (str(program), str(tmp_path), seconds)
        done = subprocess.run(words, check=False, capture_output=True, timeout=300)
        assert done.returncode == 0, done.stderr
        assert done.stdout.endswith(b", 0 pages damaged\n")
        if int(done.stdout.split()[0]) > 0:
            return
    pytest.fail("no page was written")


@pytest.mark.parametrize("words", [(), ("/no/such/directory",)])
def test_the_program_says_what_it_wants(tmp_path: Path, words: tuple[str, ...]) -> None:
    program = tmp_path / "zram_direct"
    subprocess.run((requires.tool("gcc"), "-pthread", str(PROGRAM), "-o", str(program)), check=True)
    done = subprocess.run((str(program), *words), check=False, capture_output=True, timeout=60)
    assert done.returncode == (1 if words else 2)
    assert (b"/no/such/directory/hot" if words else b"usage: ") in done.stderr
