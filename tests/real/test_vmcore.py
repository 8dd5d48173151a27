"""The memory of a guest that an overrun brought down, opened by drgn: it shows the chain of objects that broke."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest
import requires

from kzram_ci.cli.main import main

pytestmark = pytest.mark.real
ROOT = Path(__file__).parents[2]
PLAN = """\
name: vmcore
kernels: [{name: unstable-vmcore, base: unstable, add_config: [debug-info, vmcore]}]
machine: {dump: on-crash, memory: 512M}
tests:
  race:
    workload: anonmutate
    args: {pages: 8192, mutators: 2, keep-going: true}
    fault: {kind: failslab}
    zram: {size: 256M}
    duration: 90s
    repeats: 3
    expect: {outcome: oops, oops: {function: "^(obj_|zs_|fix_fullness_group|free_zspage|zram_)"}}
"""
CELL = "unstable-vmcore/race"


def test_the_broken_chain_is_found_in_the_memory_of_the_crash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    if "debuggers" not in requires.required():
        requires.lacking("debuggers", "not asked for: a kernel with debug info is built for it, a quarter of an hour")
    if importlib.util.find_spec("drgn") is None:
        requires.lacking("debuggers", "no drgn: pip install 'kzram-ci[drgn]'")
    monkeypatch.chdir(tmp_path)
    Path("p.yaml").write_text(PLAN)
    assert main(["run", "p.yaml", "--no-history", "--jobs", "1"]) == 0
    (run,) = (tmp_path / "runs").glob("*-vmcore-*")
    (core,) = run.rglob("vmcore")
    assert core.stat().st_size < 512 << 20
    for name in ("junit.xml", "summary.md", "report.html"):
        text = (run / name).read_text()
        assert f"drgn -c {core.relative_to(run)} -s " in text, name
        assert re.search(rf"crash \S+/vmlinux {core.relative_to(run)}", text), name
    capfd.readouterr()
    assert main(["drgn", "--print", str(run), CELL]) == 0
    assert f"drgn -c {core} -s " in capfd.readouterr().out
    script = ROOT / "docs" / "zspages.py"
    command = (sys.executable, "-m", "kzram_ci", "drgn", str(run), CELL, "--", str(script))
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert re.search(r"zram0: objects of \d+ bytes, zspage 0x[0-9a-f]+: (object|it begins)", done.stdout), done.stdout
    assert re.search(r"^\d+ zspages with whole chains$", done.stdout, re.MULTILINE)
    Path("stack.py").write_text("print(prog.crashed_thread().stack_trace())\n")
    done = subprocess.run((*command[:-1], "stack.py"), capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    for function, file in (("panic", "kernel/panic.c"), ("zram_submit_bio", "drivers/block/zram/zram_drv.c")):
        assert re.search(rf"^#\d+ +{function} \(\S*{file}:\d+:\d+\)$", done.stdout, re.MULTILINE), done.stdout
