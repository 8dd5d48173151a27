"""Commands that look execute nothing that an input names, and connect to nothing: inputs full of traps prove it.

Each trap leaves a mark when it is run. Beside that, the door of processes is watched: only tools of ours, called by
their own names, go through it.
"""

import re
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from git_tree import git, repository
from report_samples import PLAN as SAMPLE_PLAN
from report_samples import results

from kzram_ci.base import proc
from kzram_ci.cli.main import main
from kzram_ci.results import rundir

# What a look may start: it reads versions of the host's tools, objects and archives.
TOOLS = frozenset(
    (
        "addr2line",
        "dpkg-query",
        "gcc",
        "git",
        "grep",
        "ld",
        "llvm-symbolizer",
        "make",
        "nm",
        "objdump",
        "pahole",
        "readelf",
        "rustc",
        "tar",
    )
)
# No look runs these words of git: they write, or run hooks. (`mechanism` of a URL fetches it.)
NOT_OF_GIT = frozenset(("clone", "checkout", "commit", "pull", "push", "submodule", "diff", "stash"))
CONSOLE = b"""\
[    1.000000] BUG: kernel NULL pointer dereference, address: 0000000000000028
[    1.000000] RIP: 0010:obj_malloc+0x4b/0x160 [../../evil]
[    1.000000] Call Trace:
[    1.000000]  zs_malloc+0x1e7/0x4f0 [$(evil)]
[    1.000000]  evil+0x1/0x2 [evil]
[    1.000000] ---[ end trace 0000000000000000 ]---
"""
PLAN = """\
name: p
kernels:
  - {name: cc, source: {kind: directory, path: tree}, make: {CC: evil, HOSTCC: evil, LD: evil}}
  - {name: shell, source: {kind: directory, path: tree}, make: {CC: 'sh -c evil', MAKE: evil}}
  - {name: prefix, source: {kind: git, path: tree, ref: HEAD}, make: {CROSS_COMPILE: 'evil '}}
tests:
  a: {workload: script, run: ./repro.sh, programs: [evil], machine: {qemu_args: [-device, '`evil`']}}
  b: {workload: anonmutate, args: {pages: '$(evil)'}, machine: {cmdline: ['init=$(evil)']}}
"""


@pytest.fixture
def trap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], str]:
    """A working directory full of traps; answers what was run."""
    marks, evil = tmp_path / "marks", tmp_path / "bin" / "evil"
    evil.parent.mkdir()
    evil.write_text(f'#!/bin/sh\necho "$0 $*" >>{marks}\n')
    evil.chmod(0o755)
    for name in ("make-evil", "git-remote-evil", "evil gcc", "ssh", "rsh", "mkfs", "qemu-system-x86_64"):
        shutil.copy(evil, evil.with_name(name))
    monkeypatch.setenv("PATH", str(evil.parent), prepend=":")
    monkeypatch.setenv("KZRAM_CACHE", str(tmp_path / "cache"))
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    _tree(work / "tree", evil)
    (work / "p.yaml").write_text(PLAN)
    shutil.copy(evil, work / "repro.sh")
    (work / "console:evil.log").write_bytes(CONSOLE)
    _run(work)
    return lambda: marks.read_text() if marks.exists() else ""


def _tree(root: Path, evil: Path) -> None:
    """A kernel tree whose Makefile, scripts and git configuration are traps."""
    repository(root)
    (root / "MAINTAINERS").write_text("THE REST\nM:\tA <a@example.org>\nS:\tMaintained\nF:\t*\nF:\t*/\n")
    (root / "a.c").write_text("int obj_malloc(void)\n{\n\treturn 0;\n}\n")
    (root / "Makefile").write_text(
        f"VERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = $(shell {evil} y)\nX := $(shell evil x)\n"
    )
    (root / "scripts").mkdir(exist_ok=True)
    shutil.copy(evil, root / "scripts" / "setlocalversion")
    git(root, "add", "--all")
    git(root, "commit", "-qm", "traps")
    (root / ".git" / "info" / "attributes").write_text("* filter=evil diff=evil\n")
    hooks = root / ".git" / "hooks"
    for hook in ("post-index-change", "post-checkout", "pre-commit", "reference-transaction", "fsmonitor-watchman"):
        hooks.mkdir(exist_ok=True)
        shutil.copy(evil, hooks / hook)
    for name, value in {
        "filter.evil.clean": "", "filter.evil.smudge": "", "filter.evil.process": "", "filter.evil.required": "true",
        "filter.a=b.clean": "", "core.fsmonitor": "", "diff.external": "", "diff.evil.textconv": "",
        "diff.evil.command": "", "gpg.program": "", "log.showSignature": "true", "core.pager": "", "core.editor": "",
        "core.sshCommand": "", "core.askPass": "", "credential.helper": f"!{evil}", "alias.status": f"!{evil}",
        "alias.ls-files": f"!{evil}", "remote.origin.url": "ext::evil", "remote.origin.promisor": "true",
        "remote.origin.vcs": "evil", "remote.origin.uploadpack": "", "protocol.allow": "always",
        "extensions.partialClone": "origin", "core.repositoryFormatVersion": "1", "core.alternateRefsCommand": "",
    }.items():  # fmt: skip
        git(root, "config", name, value or f"{evil} {name}")
    (root / "a.c").touch()  # as if it were changed: git looks at its content


def _run(work: Path) -> None:
    """A run directory and a history that name programs wherever they name anything."""
    run = rundir.create(work, SAMPLE_PLAN)
    for result in results():
        run.finish(result)
    (work / "runs").mkdir()
    hostile = run.path.rename(work / "runs" / "hostile")
    (hostile / "plan.yaml").write_text(PLAN)
    kept = hostile / "results.jsonl"
    kept.write_text(kept.read_text().replace("zs_malloc", "$(evil)").replace("6.12", "`evil`"))
    for name in ("repro.sh", "qemu.txt"):
        for cell in (hostile / "cells").iterdir():
            (cell / name).write_text("evil\n")
    with sqlite3.connect(work / "evil.sqlite") as database:
        database.execute("CREATE VIEW runs AS SELECT load_extension('evil') AS id")
    database.close()


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, ...]]]:
    """The command lines that go through the door of processes."""
    seen: list[tuple[str, ...]] = []
    real = proc.spawn

    def spawn(argv: tuple[str, ...], **how: object) -> proc.Child:
        seen.append(tuple(argv))
        return real(argv, **how)  # type: ignore[arg-type]

    monkeypatch.setattr(proc, "spawn", spawn)
    yield seen
    for argv in seen:
        assert argv[0] in TOOLS or Path(argv[0]).name in TOOLS - {"make"}, argv
        assert "evil" not in argv[0], argv
        if argv[0] == "git":
            words = argv[1:]
            while words[0].startswith("-"):
                words = words[2:]
            assert words[0] not in NOT_OF_GIT, argv
        if argv[0] in ("gcc", "ld", "make", "pahole", "rustc"):
            assert argv[1:] == ("--version",), argv


LOOKS = (
    ("plan", "p.yaml"),
    ("plan", "p.yaml", "--json", "--patch", "tree/a.c"),
    ("plan", "overrun", "--kernel", "directory:tree", "--kernel", "git:tree@HEAD"),
    ("validate", "p.yaml", "tree/Makefile"),
    ("schema",),
    ("report", "runs/hostile"),
    ("report", "runs/hostile", "--json"),
    ("compare", "runs/hostile", "runs/hostile"),
    ("oops", "console:evil.log", "--tree", "tree", "--vmlinux", "repro.sh", "--modules", "tree", "--json"),
    ("oops", "console:evil.log", "--tree", "tree", "--group"),
    ("ktap", "console:evil.log"),
    ("mechanism", "directory:tree", "--json"),
    ("mechanism", "git:tree@HEAD"),
    ("mechanism", "git:tree@--upload-pack=evil"),
    ("mechanism", "git:ext::evil@HEAD"),
    ("history", "*"),
    ("history", "--runs", "--database", "console:evil.log"),
    ("history", "--runs", "--database", "evil.sqlite"),
)


@pytest.mark.parametrize("words", LOOKS, ids=lambda words: " ".join(words)[:60])
def test_a_look_starts_nothing_that_an_input_names(
    words: tuple[str, ...],
    trap: Callable[[], str],
    started: list[tuple[str, ...]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    code = main(words)
    assert trap() == ""
    assert code in (0, 1, 2, 3, 69), capsys.readouterr().err
    assert "a defect" not in capsys.readouterr().err


def test_the_traps_work(trap: Callable[[], str], tmp_path: Path) -> None:
    """Else the test above could not fail."""
    subprocess.run(("git", "-C", "tree", "status"), capture_output=True, check=False)
    subprocess.run(("make", "-C", "tree", "-n"), capture_output=True, check=False)
    assert "core.fsmonitor" in trap()
    assert "filter.evil.process" in trap()
    assert "bin/evil x" in trap()


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("memory: 900T", "memory"),
        ("memory: 99999999999999999999T", "memory"),
        (f"memory: {'9' * 400}T", "memory"),
        ("cpus: 100000", "cpus: expected at most 256"),
        ("memory: 9999999999", "memory"),
        ("disk: 900T", "disk: 900T is larger than any file: at most 16T"),
        ("dump_limit: 900T", "dump_limit"),
        ("console_limit: 900T", "console_limit"),
    ],
)
def test_a_guest_that_no_host_has_is_an_error_of_the_plan(
    field: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    plan = f"name: p\nkernels: [stock]\ntests:\n  t:\n    workload: anonmutate\n    machine: {{{field}}}\n"
    Path("p.yaml").write_text(plan)
    assert main(("validate", "p.yaml")) == 2
    assert main(("plan", "p.yaml")) == 2
    errors = capsys.readouterr().err.splitlines()
    assert [line for line in errors if re.search(rf"p\.yaml:6:\d+: tests\.t\.machine\.{text}", line)] == errors
    assert len(errors) == 2
