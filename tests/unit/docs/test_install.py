"""`make install`, also for a package: the programs, man pages and completions work at the place they were made for."""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
import requires
from shown import ROOT


@pytest.fixture(scope="module")
def prefix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prefix that came by DESTDIR: made elsewhere, and moved to its place."""
    place = tmp_path_factory.mktemp("install")
    source, stage, prefix = place / "source", place / "stage", place / "usr"
    shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns(".*", "runs", "tests", "dist", "__pycache__"))
    # nothing is downloaded: what builds it is in this environment, what it stands on is left out
    given = {"PIP_NO_DEPS": "1", "PIP_NO_BUILD_ISOLATION": "0", "PIP_NO_INDEX": "1"}
    seen = {"PYTHONPATH": sysconfig.get_path("purelib"), "PATH": os.environ["PATH"], "HOME": str(place)}
    argv = (requires.tool("make"), "install", f"DESTDIR={stage}", f"PREFIX={prefix}", f"PYTHON={sys.executable}")
    done = subprocess.run(argv, cwd=source, env=given | seen, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    Path(f"{stage}{prefix}").rename(prefix)
    shutil.rmtree(stage)
    return prefix


def test_the_program_runs_where_it_was_made_for(prefix: Path) -> None:
    seen = {"PYTHONPATH": sysconfig.get_path("purelib"), "PATH": os.environ["PATH"]}
    argv = (str(prefix / "bin" / "kzram-ci"), "plan", "smoke")  # from the data that came with it, not from here
    done = subprocess.run(argv, cwd=prefix, env=seen, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    shown = subprocess.run((*argv[:1], "--version"), env=seen, capture_output=True, text=True, timeout=60, check=True)
    assert shown.stdout.startswith("kzram-ci ")


def test_nothing_names_the_place_where_it_was_made(prefix: Path) -> None:
    programs = [path for path in (prefix / "lib/kzram-ci/bin").iterdir() if path.is_file() and not path.is_symlink()]
    assert len(programs) > 3
    assert not [path for path in programs if b"/stage/" in path.read_bytes()]


def test_man_pages_and_completions_are_where_they_are_looked_for(prefix: Path) -> None:
    for name in (
        "man/man1/kzram-ci.1",
        "man/man1/kzram-ci-run.1",
        "bash-completion/completions/kzram-ci",
        "zsh/site-functions/_kzram-ci",
        "fish/vendor_completions.d/kzram-ci.fish",
    ):
        assert (prefix / "share" / name).read_bytes() == (ROOT / "share" / name).read_bytes()
