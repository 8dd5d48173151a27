"""The face: exit codes, JSON shape, standard input, unreadable logs."""

import gzip
import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import oops_samples as splats
import pytest

from kzram_ci.cli import oops as cli


def run(*words: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    argv = (sys.executable, "-m", "kzram_ci", "oops", *words)
    return subprocess.run(argv, input=stdin, capture_output=True, check=False, timeout=60)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "console.log"
    path.write_bytes(splats.stamped(splats.WARNING + splats.NULL_DEREF + splats.PANIC))
    return path


def test_json_has_the_contract(log: Path, tmp_path: Path) -> None:
    clean = tmp_path / "clean.log"
    clean.write_bytes(b"[    1.000000] zram: up\n\xff\xfe")
    done = run(str(log), str(clean), "--json")
    first, second = json.loads(done.stdout)
    assert done.returncode == 0
    assert (first["log"], second) == (str(log), {"log": str(clean), "oopses": []})
    assert [oops["type"] for oops in first["oopses"]] == ["warning", "null_deref"]
    contract = {
        "title",
        "type",
        "function",
        "corrupted",
        "line",
        "signature",
        "frames",
        "modules",
        "taint",
        "cpu",
        "comm",
    }
    assert contract <= set(first["oopses"][0])


def test_standard_input_and_text() -> None:
    done = run("-", stdin=splats.stamped(splats.NULL_DEREF))
    text = done.stdout.decode()
    assert text.startswith("BUG: unable to handle kernel NULL pointer dereference in obj_malloc\n")
    assert "signature null_deref:obj_malloc" in text
    assert "zram_write_page.isra.0+0x2a3/0x440 [zram]" in text


def test_exit_codes(log: Path, tmp_path: Path) -> None:
    assert run(str(log)).returncode == 0
    assert run(str(log), "--fail-on-oops").returncode == 1
    done = run(str(tmp_path / "missing.log"), str(log), "--json")
    assert done.returncode == 2
    assert done.stderr.count(b"\n") == 1
    assert len(json.loads(done.stdout)) == 2
    assert run(str(log), "--vmlinux", str(tmp_path / "none")).returncode == 2


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--vmlinux", "none"), "none is not a file; fix: "),
        (("--vmlinux", "clean.log"), "clean.log is not a vmlinux: it is not ELF; fix: "),
        (("--vmlinux", sys.executable, "--modules", "none"), "none is not a directory; fix: "),
        (("--modules", "."), "--modules decodes nothing without --vmlinux; fix: "),
    ],
)
def test_symbols_that_cannot_be_are_told_before_a_log_is_read(
    words: tuple[str, ...], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "clean.log").write_bytes(b"[    1.000000] zram: up\n")
    done = run("clean.log", *words)
    assert done.returncode == 2
    assert done.stdout == b""
    assert done.stderr.decode().startswith(f"kzram-ci: {says}")


def test_symbols_of_another_program_are_told(log: Path) -> None:
    done = run(str(log), "--vmlinux", sys.executable)
    assert b"decodes nothing here: is it of this very build" in done.stderr
    assert done.returncode == 0


def test_the_command_registers_itself() -> None:
    import argparse

    parser = argparse.ArgumentParser()
    cli.add_parser(parser.add_subparsers())
    args = parser.parse_args(["oops", "a.log", "--json"])
    assert (args.logs, args.json, args.func) == (["a.log"], True, cli.main)


def test_a_person_is_told_that_there_is_none(tmp_path: Path) -> None:
    """On a terminal silence could mean anything; in a pipe it means none."""
    clean = tmp_path / "clean.log"
    clean.write_bytes(b"[    1.000000] zram: up\r\n[    1.000001] zram: down")
    assert run(str(clean)).stdout == b""
    ours, theirs = pty.openpty()
    argv = (sys.executable, "-m", "kzram_ci", "oops", str(clean))
    done = subprocess.run(argv, stdout=theirs, stderr=subprocess.PIPE, check=False, timeout=60)
    os.close(theirs)
    assert done.returncode == 0
    assert os.read(ours, 4096).decode().strip() == f"{clean}: no oops in 2 lines"
    os.close(ours)


def test_a_compressed_log_that_ends_early_shows_what_it_had(tmp_path: Path) -> None:
    path = tmp_path / "console.log.gz"
    path.write_bytes(gzip.compress(splats.stamped(splats.NULL_DEREF))[:-8])
    done = run(str(path), "--json")
    (entry,) = json.loads(done.stdout)
    assert ([oops["type"] for oops in entry["oopses"]], done.returncode) == (["null_deref"], 2)
    assert done.stderr.decode().startswith(f"kzram-ci: {path}: its gzip data end early")


@pytest.mark.parametrize("words", [("oops", "-"), ("ktap", "-"), ("plan", "smoke", "--patch", "-")])
def test_standard_input_that_is_closed_is_told(words: tuple[str, ...]) -> None:
    argv = ("sh", "-c", 'exec "$@" <&-', "sh", sys.executable, "-m", "kzram_ci", *words)
    done = subprocess.run(argv, capture_output=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.startswith(b"kzram-ci: standard input is closed")


@pytest.mark.parametrize("pack", [gzip.compress, lambda text: text.decode().encode("utf-16")])
def test_the_lines_that_are_told_are_those_of_the_text(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    ours, theirs = pty.openpty()
    log = tmp_path / "log"
    log.write_bytes(pack(b"[    1.000000] fine\n" * 7))
    subprocess.run((sys.executable, "-m", "kzram_ci", "oops", str(log)), stdout=theirs, check=True, timeout=60)
    os.close(theirs)
    assert os.read(ours, 4096).decode().strip() == f"{log}: no oops in 7 lines"
    os.close(ours)
