"""Programs of a Debian of packages, over our kernel: zram, the race and its proof are as in the initramfs."""

import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import requires

from kzram_ci.base import clock
from kzram_ci.base.clock import Deadline
from kzram_ci.cli.main import main
from kzram_ci.results import rundir

pytestmark = pytest.mark.real
PLAN = """\
name: rooted
kernels: [{name: rooted, base: stock, add_config: [fs]}]
defaults:
  rootfs: {kind: debian, suite: trixie, packages: [python3-minimal]}
  zram: {size: 256M}
  duration: 90s
tests:
  race:
    workload: directmutate      # stable pages do not cover O_DIRECT: it overruns on every kernel of this line
    zram: {swap: false}
    args: {mutators: 2, keep-going: true}
    fault: {kind: failslab}
    repeats: 3
    expect: {outcome: oops, oops: {function: "^(obj_|zs_|fix_fullness_group|free_zspage|zram_)"}, floors: {overruns: 1}}
  python:
    workload: script
    run: ./mine.py
    expect: {floors: {workload.swaps: 1, workload.debian: 1}}
  selftests: # under the root's own bash and coreutils
    workload: kselftest
    collections: [size]
"""
SCRIPT = """\
#!/usr/bin/env python3
import platform
print("kzram: swaps=%d" % sum("zram0" in line for line in open("/proc/swaps")))
print("kzram: debian=%d" % (platform.freedesktop_os_release()["ID"] == "debian"))
"""


def test_a_debian_of_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    requires.tool("mmdebstrap")
    monkeypatch.chdir(tmp_path)
    Path("p.yaml").write_text(PLAN)
    Path("mine.py").write_text(SCRIPT)
    Path("mine.py").chmod(0o755)
    assert main(["run", "p.yaml", "--no-history", "--jobs", "1"]) == 0
    (path,) = (tmp_path / "runs").glob("*-rooted-*")
    results = {result.test: result for result in rundir.open_run(path).results()}
    assert results["race"].evidence.oopses
    (point,) = results["selftests"].evidence.points
    assert (point.name, point.status) == ("selftests: size: get_size / get runtime memory use", "pass")
    counters = results["python"].evidence.counters
    assert [value for name, value in counters.items() if name.endswith("swaps")] == [1]
    assert [value for name, value in counters.items() if name.endswith("debian")] == [1]


def test_a_second_way_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over a distribution's kernel, whose modules are brought along: a command by ssh, a file by scp."""
    requires.tool("mmdebstrap")
    root, kernel = "debian:trixie+openssh-server", "debian:linux-image-cloud-amd64@trixie"
    monkeypatch.chdir(tmp_path)
    words = (sys.executable, "-m", "kzram_ci", "boot", "--root", root, "--ssh", kernel)
    pipe = subprocess.PIPE
    with subprocess.Popen(words, stdin=pipe, stdout=subprocess.DEVNULL, stderr=pipe, text=True) as guest:
        _use(guest)
        assert guest.wait(60) == 0


def _use(guest: subprocess.Popen[str]) -> None:
    assert guest.stderr is not None
    assert guest.stdin is not None
    mark = "in another terminal: "
    line = shlex.split(next(text for text in guest.stderr if mark in text).partition(mark)[2])
    limit = Deadline.after(120)
    while True:
        asked = "grep -c zram0 /proc/swaps; exit 9"
        done = subprocess.run((*line, asked), capture_output=True, text=True, timeout=60, check=False)
        if done.returncode != 255 or limit.expired():
            break
        clock.sleep(1)
    assert (done.stdout, done.returncode) == ("1\n", 9), done.stderr
    copy = ("scp", "-P", line[2], *line[3:-1], "/etc/hostname", f"{line[-1]}:/tmp/x")
    subprocess.run(copy, check=True, timeout=60)
    guest.stdin.write("\x1d")
    guest.stdin.close()


def test_a_command_by_ssh_and_a_crash_that_cuts_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    requires.tool("mmdebstrap")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # where the logs of the crash are kept
    words = ("boot", "--root", "debian:trixie+openssh-server", "--ssh", "debian:linux-image-cloud-amd64@trixie", "--")
    assert main([*words, "echo out; echo err >&2; exit 9"]) == 9
    out, err = capfd.readouterr()
    assert out == "out\n"
    assert "\nerr\n" in err
    assert main([*words, "echo begun; echo c >/proc/sysrq-trigger; sleep 60"]) == 1
    out, err = capfd.readouterr()
    assert out == "begun\n"
    assert "kernel panic: sysrq triggered crash\n" in err, "a crash outranks the link that it cut"


def test_a_disk_that_is_not_bootable(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    disk = tmp_path / "disk.img"
    disk.write_bytes(b"no file system" * 100_000)
    assert main(["boot", "--root", f"image:{disk}", "debian:linux-image-cloud-amd64@trixie", "--", "echo ran"]) == 2
    out, err = capfd.readouterr()
    assert out == "", "the command would have run in another place"
    assert "kzram-ci: the guest: not bootable: no root file system with /bin/sh on vda" in err
