"""Which commands build under bubblewrap without being asked: those that build what others decided meanwhile."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import requires
from builders import a_cell, a_kernel
from house import SECONDS, House
from watch_samples import CRASH

from kzram_ci.base import git
from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import OutOfTime, UserError
from kzram_ci.bisect import run as bisect_run
from kzram_ci.bisect.session import store
from kzram_ci.bisect.session.request import WorkRequest
from kzram_ci.kernel import sandbox
from kzram_ci.kernel.workshop import KernelContext
from kzram_ci.model.cell import Plan
from kzram_ci.model.events import Note, silent
from kzram_ci.model.source import DebianSource, DirectorySource, LocalGit, RemoteGit, RemoteTarball, Source
from kzram_ci.results import rundir
from kzram_ci.run import boot_shell, kernels, recorded
from kzram_ci.run.boot_shell import BootRequest
from kzram_ci.run.kernels import BuildRequest
from kzram_ci.run.request import RunRequest
from kzram_ci.watch import world
from kzram_ci.watch.model import Found, State
from kzram_ci.watch.request import WatchRequest, opened

URL = "https://example.org/linux.git"
MISSING = "bwrap not found in PATH"
SOURCES: tuple[tuple[Source, bool], ...] = (
    (RemoteGit(url=URL, ref="main"), True),
    (LocalGit(path="../linux", ref="main"), False),
    (DirectorySource(path="."), False),
    (DebianSource(package="linux-source-6.12"), False),
    (RemoteTarball(url="https://example.org/linux.tar.xz", sha256="0" * 64), False),
)


class Asked(Exception):
    """What a command would have built with."""

    def __init__(self, context: KernelContext) -> None:
        self.sandbox = context.sandbox


def stop(*given: Any) -> Any:
    raise Asked(next(one for one in given if isinstance(one, KernelContext)))


@dataclass
class Host:
    """Where bubblewrap works, or why it does not; what was told."""

    monkeypatch: pytest.MonkeyPatch
    path: Path
    told: list[str]

    def bwrap(self, why: str) -> None:
        self.monkeypatch.setattr(sandbox, "unusable", lambda: why)

    def run(self, source: Source, choice: bool | None) -> bool:
        self.monkeypatch.setattr(recorded, "real_stages", stop)
        cells = (a_cell("own", kernel=a_kernel("own")), a_cell("k", kernel=a_kernel("k", source=source)))
        directory = rundir.create(self.path, Plan(name="p", cells=cells))
        with pytest.raises(Asked) as asked:
            recorded.execute(
                RunRequest(sandbox=choice, record=False), directory, tools=dict, listener=silent, warn=self.told.append
            )
        return asked.value.sandbox

    def build(self, source: Source, choice: bool | None) -> bool:
        self.monkeypatch.setattr(kernels, "specs_of", lambda *given: (a_kernel("k", source=source),))

        def listen(event: object) -> None:
            if isinstance(event, Note):
                self.told.append(event.text)

        return kernels.asked(BuildRequest(kernels=("k",), sandbox=choice), listen)[1].sandbox

    def boot(self, source: Source, choice: bool | None) -> bool:
        self.monkeypatch.setattr(boot_shell, "specs_of", lambda *given: (a_kernel("k", source=source),))
        self.monkeypatch.setattr(boot_shell, "_rootfs", lambda *given: None)
        self.monkeypatch.setattr(boot_shell, "image_for", stop)
        with pytest.raises(Asked) as asked:
            boot_shell.boot(BootRequest(kernel="k", sandbox=choice), tell=self.told.append, output=print)
        return asked.value.sandbox

    def bisect(self, source: Source, choice: bool | None) -> bool:
        self.monkeypatch.setattr(bisect_run, "real_stages", stop)
        cell = a_cell("t", kernel=a_kernel("k", source=source))
        session: Any = SimpleNamespace(asked=SimpleNamespace(cell=cell))
        with pytest.raises(Asked) as asked:
            bisect_run.local_runner(
                session, WorkRequest(sandbox=choice), lambda subject, text: self.told.append(text), silent
            )
        return asked.value.sandbox


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Host:
    monkeypatch.setenv("KZRAM_CACHE", str(tmp_path / "cache"))
    return Host(monkeypatch, tmp_path / "runs", [])


COMMANDS: tuple[Callable[[Host, Source, bool | None], bool], ...] = (Host.run, Host.build, Host.boot, Host.bisect)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda one: one.__name__)
@pytest.mark.parametrize(("source", "boxed"), SOURCES, ids=str)
def test_what_is_fetched_by_a_name_alone_is_sandboxed(
    host: Host, command: Callable[[Host, Source, bool | None], bool], source: Source, boxed: bool
) -> None:
    host.bwrap("")
    assert command(host, source, None) is boxed
    assert command(host, source, True) is True
    assert command(host, source, False) is False
    assert host.told == []
    host.bwrap(MISSING)
    assert command(host, source, None) is False
    assert [line.split(" (")[0] for line in host.told] == [f"builds are NOT sandboxed: {MISSING}"] * boxed
    with pytest.raises(UserError, match=f"--sandbox: {MISSING}"):
        command(host, source, True)


def watched(path: Path, choice: bool | None, told: list[str]) -> world.RealWorld:
    """The world of a watch of a repository on this host."""
    request = WatchRequest(
        repository=str(path), branch="main", how=RunRequest(plan="overrun", runs=path, sandbox=choice), budget_s=1.0
    )
    with opened(request, watched=lambda run: None, tools=dict, tell=told.append) as watch:
        assert isinstance(watch.world, world.RealWorld)
        return watch.world


def test_a_watch_sandboxes_whatever_its_source_is(host: Host, tmp_path: Path) -> None:
    host.bwrap("")
    assert watched(tmp_path, None, host.told).how.sandbox is True
    assert watched(tmp_path, False, host.told).how.sandbox is False
    assert host.told == []
    host.bwrap(MISSING)
    assert watched(tmp_path, None, host.told).how.sandbox is False
    assert len(host.told) == 1
    assert host.told[0].startswith(f"builds are NOT sandboxed: {MISSING}")
    with pytest.raises(UserError, match=MISSING):
        watched(tmp_path, True, host.told)


@pytest.mark.parametrize("bwrap", ["", MISSING])
def test_its_runs_and_bisections_do_as_it_does(host: Host, tmp_path: Path, bwrap: str) -> None:
    """Also those that were stopped and go on, and the command that goes on with a bisection by hand."""
    host.bwrap(bwrap)
    there, asked = watched(tmp_path, None, host.told), list[bool | None]()

    def begin(request: RunRequest, warn: object) -> Any:
        asked.append(request.sandbox)
        raise UserError("as far as that")

    def work(session: object, request: WorkRequest, **more: object) -> None:
        asked.append(request.sandbox)
        raise OutOfTime("2 h are over")

    host.monkeypatch.setattr(world, "begin", begin)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "plan.json").write_text("{}")
    for directory in ("", str(tmp_path / "run")):
        with pytest.raises(UserError, match="as far as that"):
            there.run("a" * 40, directory, print)
    host.monkeypatch.setattr(world, "work", work)
    session = SimpleNamespace(path=tmp_path / "b", facts=SimpleNamespace(boots=(), builds=()))
    host.monkeypatch.setattr(store, "load", lambda path: session)
    host.monkeypatch.setattr(world, "_answered", lambda session, more: more)
    state = State(repository="/r", branch="main", plan="p", bisection=str(tmp_path / "b"))
    found = Found(cell="k/t", kernel="k", test="t", outcome=str(CRASH.judgement.outcome), title="BUG")
    words = "".join(cast("tuple[str, ...]", there.bisect(state, found, print)))
    assert asked == [not bwrap] * 3
    assert words.endswith(f"kzram-ci bisect --resume {tmp_path}/b{'' if bwrap else ' --sandbox'}")


def test_a_commit_that_is_pushed_is_built_in_a_sandbox_and_one_that_is_built_is_found(tmp_path: Path) -> None:
    """The whole of it, with a real make, a real bubblewrap and a fake QEMU. The key is the same with it and without."""
    requires.tool("bwrap")
    if why := sandbox.unusable():
        requires.lacking("sandbox", why)
    house = House(tmp_path / "house", tmp_path / "cache")
    house.plan(k="FAKE pass")
    repository = house.path / "trees" / "k"

    def commit(text: str) -> str:
        with (repository / "fake.c").open("a") as file:
            file.write(f"/* {text} */\n")
        for words in (("init", "-q", "-b", "main"), ("add", "."), ("commit", "-q", "-m", text)):
            name = ("-c", "user.name=A", "-c", "user.email=a@example.org")
            subprocess.run(("git", *name, *words), cwd=repository, check=True, timeout=SECONDS)
        return git.run("rev-parse", "HEAD", at=repository, deadline=Deadline.after(SECONDS)).text().strip()

    def command(*words: str) -> str:
        done = subprocess.run(
            (sys.executable, "-m", "kzram_ci", *words, "--no-history"), cwd=house.path, env=house.env,
            capture_output=True, text=True, check=False, timeout=SECONDS,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stderr

    def slots() -> list[str]:
        names = (path.name for path in (tmp_path / "cache" / "slots").iterdir() if path.is_dir())
        return sorted(name.partition("-")[2] for name in names)

    watch = ("watch", str(repository), "main", "whole.yaml", "--once")
    commit("first")
    assert "built under bubblewrap" in command(*watch)
    assert slots() == ["sandbox"]
    tip = commit("second")
    assert "bubblewrap" not in command("run", "whole.yaml", "--kernel", f"git:{repository}@{tip}")
    assert slots() == ["", "sandbox"]
    kernels_before = sorted(path.name for path in (tmp_path / "cache" / "kernels").iterdir())
    assert len(kernels_before) == 2
    assert "built under bubblewrap" not in command(*watch)
    assert sorted(path.name for path in (tmp_path / "cache" / "kernels").iterdir()) == kernels_before
