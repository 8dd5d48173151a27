"""Programs of a Debian of packages, over our kernel: zram, the race and its proof are as in the initramfs."""

from pathlib import Path

import pytest
import requires

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
    counters = results["python"].evidence.counters
    assert [value for name, value in counters.items() if name.endswith("swaps")] == [1]
    assert [value for name, value in counters.items() if name.endswith("debian")] == [1]
