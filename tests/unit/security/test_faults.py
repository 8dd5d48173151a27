"""Faults of guests, QEMU, disk, clock and surroundings, one by one: each has its outcome, in time, and none is a pass.

docs/faults.md is the whole list, with the tests of other rooms; a test below holds that what it names is there.
"""

import builtins
import errno
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import pytest
from builders import a_cell, a_rootfs, a_workload, an_accel, an_image

from kzram_ci.base import cache, clock, files, memo
from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import InfraError, KzramError, UserError
from kzram_ci.kernel.context import Context
from kzram_ci.kernel.source import download
from kzram_ci.model.cell import Plan
from kzram_ci.model.evidence import Evidence
from kzram_ci.model.machine import MachineSpec
from kzram_ci.model.outcome import HOST_OUTCOMES, Outcome, Verdict
from kzram_ci.results import rundir
from kzram_ci.run import boot
from kzram_ci.verdict.judge import judge
from kzram_ci.vm import qemu
from kzram_ci.vm.qmp import Monitor

ROOT = Path(__file__).resolve().parents[3]
FAKE = ROOT / "tests" / "support" / "fake_qemu.py"
CELL = a_cell(id="k-t", workload=a_workload(duration_s=1))
IN_TIME = 40.0  # wall-clock on a busy host; the deadlines themselves are a second or two


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Evidence]:
    """Boots the fake QEMU, which misbehaves as told."""
    program = tmp_path / "bin" / "qemu-system-x86_64"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -S {FAKE} "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    monkeypatch.setattr(qemu, "QUIT_SECONDS", 0.3)
    monkeypatch.setattr(qemu, "SYSRQ_SECONDS", 0.3)
    monkeypatch.setattr(boot, "WORK_MARGIN_SECONDS", 1.0)

    def run(mode: str, *, directory: str | Path = "cells/k-t", seconds: float = 15) -> Evidence:
        monkeypatch.setenv("FAKE_QEMU", mode)
        (tmp_path / "rootfs").write_bytes(b"odd")
        return boot.boot_once(
            replace(CELL, machine=MachineSpec(boot_seconds=2, console_limit_mib=1)),
            an_image(),
            a_rootfs(path=str(tmp_path / "rootfs")),
            directory=tmp_path / directory,
            accel=an_accel(),
            deadline=Deadline.after(seconds),
            listener=lambda event: None,
        )

    return run


@pytest.mark.parametrize(
    ("mode", "outcome", "verdict"),
    [
        ("silent", Outcome.BOOT_FAILED, Verdict.ERROR),
        ("in-init", Outcome.BOOT_FAILED, Verdict.ERROR),
        ("in-work", Outcome.HANG, Verdict.FINDING),
        ("stopped", Outcome.INFRA, Verdict.ERROR),
        ("lost", Outcome.FAIL, Verdict.FINDING),
        ("garbage", Outcome.FAIL, Verdict.FINDING),
        ("flood", Outcome.BOOT_FAILED, Verdict.ERROR),
        ("flood-port", Outcome.FAIL, Verdict.FINDING),
        ("killed", Outcome.INFRA, Verdict.ERROR),
    ],
)
def test_a_guest_that_misbehaves_has_its_outcome(
    mode: str, outcome: Outcome, verdict: Verdict, fake: Callable[..., Evidence], tmp_path: Path
) -> None:
    began = clock.monotonic()
    found = judge(CELL, fake(mode))
    assert clock.monotonic() - began < IN_TIME
    assert found.verdict is not Verdict.OK
    assert found.outcome not in (Outcome.PASS, Outcome.OOPS)
    assert (found.outcome, found.verdict) == (outcome, verdict), found.reason


@pytest.mark.parametrize("mode", ["off-early", "reboots"])
def test_a_guest_that_ends_before_its_workload(mode: str, fake: Callable[..., Evidence]) -> None:
    found = judge(CELL, fake(mode))
    assert (found.outcome, found.verdict) == (Outcome.BOOT_FAILED, Verdict.ERROR), found.reason
    assert found.outcome in HOST_OUTCOMES, "of those that are retried"


@pytest.mark.parametrize("mode", ["off-early", "reboots"])
def test_a_guest_that_ends_before_the_monitor_is_looked_at(
    mode: str, fake: Callable[..., Evidence], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a busy host the thread that listens comes to its turn when all is over: its console tells."""

    def late(monitor: Monitor, alive: Callable[[], bool], deadline: Deadline) -> bool:
        accept(monitor, alive, deadline)
        while alive():
            clock.sleep(0.02)
        return False

    accept = Monitor.accept
    monkeypatch.setattr(Monitor, "accept", late)
    found = judge(CELL, fake(mode))
    assert (found.outcome, found.verdict) == (Outcome.BOOT_FAILED, Verdict.ERROR), found.reason


def test_a_guest_that_prints_what_it_likes_passes_nothing(fake: Callable[..., Evidence], tmp_path: Path) -> None:
    found = judge(CELL, fake("noise"))
    assert (found.outcome, found.verdict) == (Outcome.HANG, Verdict.FINDING)
    console = (tmp_path / "cells/k-t/console.log").read_bytes()
    assert b"\0" * 100_000 + b"\x1b]0;owned\x07" in console
    assert not any(char in found.reason for char in "\0\x1b")


@pytest.mark.parametrize("mode", ["bad-qmp", "error-at-start"])
def test_a_qemu_that_does_not_start_or_speaks_nonsense_is_the_hosts_matter(
    mode: str, fake: Callable[..., Evidence]
) -> None:
    began = clock.monotonic()
    with pytest.raises(InfraError, match="QEMU"):
        fake(mode, seconds=5)
    assert clock.monotonic() - began < IN_TIME


@pytest.mark.parametrize("step", [3600.0, -3600.0])
def test_a_wall_clock_that_is_stepped_ends_no_boot(
    step: float, fake: Callable[..., Evidence], monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = time.time, [0]

    def stepped() -> float:
        calls[0] += 1
        return real() + (step if calls[0] > 2 else 0.0)

    monkeypatch.setattr(time, "time", stepped)
    evidence = fake("pass")
    assert evidence.exit_code == 0
    assert not evidence.deadline_hit


NAMES = ["with blanks and, commas", "a\nnewline", os.fsdecode(b"not-utf8-\xff\xfe"), "-rf", "$(x)`y`"]


@pytest.mark.parametrize("name", NAMES, ids=repr)
def test_a_directory_of_any_name(name: str, fake: Callable[..., Evidence], tmp_path: Path) -> None:
    """The fake QEMU reads its own paths by a simple pattern; what it cannot parse must not become a pass or a crash."""
    try:
        found = judge(CELL, fake("pass", directory=f"{name}/k-t"))
    except KzramError:
        return
    assert found.outcome is not Outcome.OOPS
    assert (tmp_path / name / "k-t" / "cell.conf").is_file()


# ---- disks ---------------------------------------------------------------------------------------------------------


def _entry(root: Path) -> None:
    with cache.entry_in_progress(root / "cache" / "entry") as place:
        files.write_json(place / cache.MANIFEST, {})


def _result(root: Path) -> None:
    run = rundir.create(root / "runs", Plan(name="p", cells=(CELL,)))
    run.note_environment({"a": 1})


def _lock(root: Path) -> None:
    with files.lock(root / "deep" / "lock", Deadline.after(1)):
        pass


def _download(root: Path) -> None:
    download.get((root / "there").as_uri(), root / "got" / "x", Context(cache=root, deadline=Deadline.after(2)))


WRITES: dict[str, Callable[[Path], Any]] = {
    "atomic": lambda root: files.write_atomic(root / "x", b"1"),
    "json": lambda root: files.write_json(root / "new" / "x.json", [1]),
    "line": lambda root: files.append_line(root / "log", "1"),
    "private": lambda root: files.make_private(root / "private"),
    "lock": _lock,
    "entry": _entry,
    "memory": lambda root: memo.memoized(root / "scans" / "a.json", 1, lambda: 2),
    "run": _result,
    "sockets": lambda root: qemu.SocketDirectory(),
    "download": _download,
}


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS], ids=errno.errorcode.get)
@pytest.mark.parametrize("write", WRITES)
def test_a_disk_that_refuses_is_one_line_at_every_kind_of_write(
    write: str, number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A shim in front of the calls that write: each fails with this error."""
    (tmp_path / "there").write_bytes(b"data")

    def refuse(*words: Any, **more: Any) -> NoReturn:
        raise OSError(number, os.strerror(number))

    def guarded(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(file: Any, flags: Any = "r", *words: Any, **more: Any) -> Any:
            writing = os.O_WRONLY | os.O_RDWR | os.O_CREAT
            writes = flags & writing if isinstance(flags, int) else set(flags) & set("wax+")
            return refuse() if writes and str(tmp_path) in str(file) else real(file, flags, *words, **more)

        return call

    monkeypatch.setattr(download, "_PAUSE_SECONDS", 0.0)
    for name in ("mkdir", "replace", "rename", "fsync", "pwrite", "truncate", "symlink"):
        monkeypatch.setattr(os, name, refuse)
    opened = guarded(builtins.open)
    monkeypatch.setattr(os, "open", guarded(os.open))
    monkeypatch.setattr(builtins, "open", opened)
    monkeypatch.setattr("io.open", opened)
    with pytest.raises((InfraError, UserError)) as caught:
        WRITES[write](tmp_path)
    monkeypatch.undo()
    assert os.strerror(number) in caught.value.message
    assert "\n" not in str(caught.value)


def test_a_disk_that_is_full_leaves_the_old_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files.write_atomic(tmp_path / "x", b"old")

    def refuse(*words: Any) -> NoReturn:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(InfraError, match="No space left"):
        files.write_atomic(tmp_path / "x", b"new")
    assert (tmp_path / "x").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


HOLDER = "import fcntl,sys,time; f=open(sys.argv[1],'w'); fcntl.flock(f,2); print(1, flush=True); time.sleep(60)"


def test_a_lock_that_a_dead_process_left_is_free(tmp_path: Path) -> None:
    argv = (sys.executable, "-c", HOLDER, str(tmp_path / "lock"))
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with (
            pytest.raises(InfraError, match="another kzram-ci holds"),
            files.lock(tmp_path / "lock", Deadline.after(0.2)),
        ):
            pass
        holder.kill()
        holder.wait()
    with files.lock(tmp_path / "lock", Deadline.after(5)):
        assert (tmp_path / "lock").exists()


def test_a_cache_of_another_user_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "entry").mkdir()
    (tmp_path / "entry" / cache.MANIFEST).write_text("{}")

    def not_yours(*words: Any, **more: Any) -> NoReturn:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "utime", not_yours)
    assert cache.once(tmp_path / "entry", lambda: None, Deadline.after(1)) == tmp_path / "entry"


# ---- surroundings --------------------------------------------------------------------------------------------------

SURROUNDINGS: dict[str, dict[str, str | None]] = {
    "no HOME": {"HOME": None},
    "a HOME that is not there": {"HOME": "/nonexistent"},
    "a HOME that cannot be written": {"HOME": "/proc/self", "KZRAM_CACHE": None, "XDG_CACHE_HOME": None},
    "no TERM": {"TERM": None},
    "a dumb terminal of 20 columns": {"TERM": "dumb", "COLUMNS": "20", "LINES": "3"},
    "LC_ALL=C": {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "ASCII output": {"PYTHONIOENCODING": "ascii"},
    "a TMPDIR that is not there": {"TMPDIR": "/nonexistent"},
    "a cache that cannot be made": {"KZRAM_CACHE": "/proc/nothing"},
}
UNWRITABLE = ("a cache that cannot be made", "a HOME that cannot be written")
COMMANDS = [("plan", "overrun"), ("validate", "overrun"), ("history",), ("schema",)]


@pytest.mark.parametrize("which", SURROUNDINGS)
@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_commands_work_in_poor_surroundings(words: tuple[str, ...], which: str, tmp_path: Path) -> None:
    env = {**os.environ, "KZRAM_CACHE": str(tmp_path / "cache"), "PYTHONPATH": str(ROOT)}
    for name, value in SURROUNDINGS[which].items():
        env.pop(name, None)
        if value is not None:
            env[name] = value
    work = tmp_path / os.fsdecode(b"a dir\xff")
    work.mkdir()
    argv = (sys.executable, "-m", "kzram_ci", *words)
    done = subprocess.run(argv, cwd=work, env=env, capture_output=True, timeout=120, check=False)
    error = done.stderr.decode("utf-8", "replace")
    assert "Traceback" not in error
    assert "a defect" not in error
    assert done.returncode in ((0, 2, 69) if which in UNWRITABLE else (0,)), error


# ---- the list ------------------------------------------------------------------------------------------------------

ROW = re.compile(r"^\| (?!fault|---)(.+?) \| (.+?) \| `(\S+?)::(\S+?)` \|$", re.MULTILINE)


def test_the_list_of_faults_names_tests_that_are_there() -> None:
    rows = ROW.findall((ROOT / "docs" / "faults.md").read_text())
    assert len(rows) >= 40
    assert len({fault for fault, *_ in rows}) == len(rows)
    for _, _, path, name in rows:
        assert re.search(rf"def {name}\(", (ROOT / "tests" / path).read_text()), (path, name)
