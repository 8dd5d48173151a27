"""The loop of a watch in a world of its own, killed at every step; and the channels of its reports."""

from __future__ import annotations

import json
import stat
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
from watch_samples import CRASH, INFRA, OK

from kzram_ci.base import clock, proc
from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import InfraError, Interrupted, UserError
from kzram_ci.model.evidence import CellResult
from kzram_ci.watch import deliver
from kzram_ci.watch.deliver import Channels
from kzram_ci.watch.model import Bisected, Found, Phase, State
from kzram_ci.watch.session import Note, Watch, load

FRESH = State(repository="/r", branch="main", plan="p")
GOOD, BAD = "a" * 40, "b" * 40


class Killed(BaseException):
    """As kill -9: nothing is caught."""


@dataclass
class World:
    """A branch with a history; `killing`: how many calls until the process dies, in the middle of one."""

    tips: list[str]
    shows: dict[str, list[CellResult]]
    killing: int = 10**6
    runs: list[tuple[str, str]] = field(default_factory=list)
    bisections: list[str] = field(default_factory=list)
    refuses: str = ""

    def _live(self) -> None:
        self.killing -= 1
        if self.killing < 0:
            raise Killed

    def tip(self) -> str:
        self._live()
        return self.tips[0]

    def run(self, commit: str, directory: str, note: Note) -> Sequence[CellResult]:
        self._live()
        self.runs.append((commit, directory))
        note(directory or f"runs/{len(self.runs)}")
        self._live()
        return self.shows[commit]

    def bisect(self, state: State, found: Found, note: Note) -> Bisected:
        self._live()
        if self.refuses:
            raise UserError(self.refuses)
        self.bisections.append(state.bisection)
        note(state.bisection or f"runs/bisect-{len(self.bisections)}")
        self._live()
        return Bisected(directory=state.bisection or "new", commit="c" * 40, subject="break it")


def watch_of(path: Path, world: World, channels: Channels | None = None, said: list[str] | None = None) -> Watch:
    tell = (said if said is not None else []).append
    return Watch(
        directory=path, state=load(path, FRESH), world=world, channels=channels or Channels(outbox=path / "outbox"),
        tell=tell,
    )  # fmt: skip


def reports(path: Path) -> list[dict[str, Any]]:
    return [json.loads(one.read_text()) for one in sorted((path / "outbox").glob("*.json"))]


def test_a_new_finding_is_bisected_and_told_once(tmp_path: Path) -> None:
    world = World(tips=[GOOD], shows={GOOD: [OK], BAD: [CRASH]})
    assert watch_of(tmp_path, world).round() == 0
    assert watch_of(tmp_path, world).round() == 0
    assert world.runs == [(GOOD, "")]  # what was tested is not again
    world.tips = [BAD]
    assert watch_of(tmp_path, world).round() == 1
    (report,) = reports(tmp_path)
    assert (report["last_good"], report["commit"], report["bisected"]["commit"]) == (GOOD, BAD, "c" * 40)
    assert {one.suffix for one in (tmp_path / "outbox").iterdir()} == {".txt", ".json", ".eml"}
    world.tips, world.shows["d" * 40] = ["d" * 40], [CRASH]
    assert watch_of(tmp_path, world).round() == 0
    assert len(reports(tmp_path)) == 1


@pytest.mark.parametrize("killing", range(7))
def test_killed_anywhere_it_goes_on_and_tells_once(tmp_path: Path, killing: int) -> None:
    world = World(tips=[BAD], shows={BAD: [CRASH]}, killing=killing)
    load(tmp_path, FRESH)
    start = replace(FRESH, last_good=GOOD)
    first = Watch(
        directory=tmp_path, state=start, world=world, channels=Channels(outbox=tmp_path / "outbox"), tell=print
    )
    try:
        first.round()
    except Killed:
        world.killing = 10**6
        again = Watch(
            directory=tmp_path, state=load(tmp_path, start), world=world,
            channels=Channels(outbox=tmp_path / "outbox"), tell=print,
        )  # fmt: skip
        again.round()
    assert len(reports(tmp_path)) == 1
    assert {run for _, run in world.runs} <= {"", "runs/1"}  # gone on with, not begun again
    assert set(world.bisections) <= {"", "runs/bisect-1"}


def test_trouble_is_kept_and_tried_again(tmp_path: Path) -> None:
    world = World(tips=[BAD], shows={BAD: [INFRA]})
    for tries in (1, 2):
        with pytest.raises(InfraError, match="k/u"):
            watch_of(tmp_path, world).round()
        assert load(tmp_path, FRESH).tries == tries
    assert not (tmp_path / "outbox").exists()
    world.shows = {BAD: [OK]}
    assert watch_of(tmp_path, world).round() == 0
    assert load(tmp_path, FRESH).last_good == BAD


def test_a_range_that_cannot_be_bisected_is_told_so(tmp_path: Path) -> None:
    world = World(tips=[GOOD], shows={GOOD: [OK], BAD: [CRASH]}, refuses="aaaa is not an ancestor of bbbb")
    watch_of(tmp_path, world).round()
    world.tips = [BAD]
    assert watch_of(tmp_path, world).round() == 1
    assert reports(tmp_path)[0]["bisected"]["why_not"] == "aaaa is not an ancestor of bbbb"


def test_a_watch_goes_on_after_trouble_and_ends_when_it_is_told_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, said = World(tips=[BAD], shows={BAD: [INFRA]}), list[str]()

    def nap(seconds: float) -> None:
        world.shows = {BAD: [OK]}
        if load(tmp_path, FRESH).last_good:
            proc.cancel_all()

    monkeypatch.setattr(clock, "sleep", nap)
    try:
        with pytest.raises(Interrupted):
            watch_of(tmp_path, world, said=said).forever(0.05)
    finally:
        proc.resume_all()
    assert any("tried again in" in line for line in said)
    assert len(world.runs) == 2


def test_a_wrong_name_ends_it_at_once(tmp_path: Path) -> None:
    class Nowhere(World):
        def tip(self) -> str:
            raise UserError("no branch")

    with pytest.raises(UserError):
        watch_of(tmp_path, Nowhere(tips=[], shows={})).forever(60)


def test_the_state_of_another_watch_and_a_damaged_one_are_refused(tmp_path: Path) -> None:
    watch_of(tmp_path, World(tips=[GOOD], shows={GOOD: [OK]})).round()
    with pytest.raises(UserError, match="another watch"):
        load(tmp_path, replace(FRESH, branch="other"))
    (tmp_path / "state.json").write_text('{"version": 1}')
    with pytest.raises(InfraError, match="damaged"):
        load(tmp_path, FRESH)


class Hook(BaseHTTPRequestHandler):
    """Keeps what it gets; `codes`: what it answers, in turn."""

    got: ClassVar[list[tuple[str, bytes]]]
    codes: ClassVar[list[int]]
    hold: ClassVar[threading.Event]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.got.append((self.headers["Idempotency-Key"], body))
        code = self.codes.pop(0) if self.codes else 200
        if code == 0:
            self.hold.wait(20)
        self.send_response(code or 200)
        if code == 302:
            self.send_header("Location", "http://127.0.0.1:1/elsewhere")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        return


@pytest.fixture
def hook() -> Iterator[tuple[str, type[Hook]]]:
    class Mine(Hook):
        got: ClassVar[list[tuple[str, bytes]]] = []
        codes: ClassVar[list[int]] = []
        hold: ClassVar[threading.Event] = threading.Event()

    kind = Mine
    server = HTTPServer(("127.0.0.1", 0), kind)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/hook", kind
    kind.hold.set()
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_webhook_that_fails_gets_the_same_report_again_and_the_mail_is_not_written_twice(
    tmp_path: Path, hook: tuple[str, type[Hook]]
) -> None:
    url, kind = hook
    kind.codes[:] = [503, 302]
    world, channels = World(tips=[BAD], shows={BAD: [CRASH]}), Channels(outbox=tmp_path / "outbox", webhook=url)
    for code in ("503", "302"):
        with pytest.raises(InfraError, match=f"answered {code}"):
            watch_of(tmp_path, world, channels).round()
    written = {one: one.stat().st_mtime_ns for one in (tmp_path / "outbox").iterdir()}
    assert watch_of(tmp_path, world, channels).round() == 1
    assert {one: one.stat().st_mtime_ns for one in (tmp_path / "outbox").iterdir()} == written
    keys = {key for key, _ in kind.got}
    assert (len(kind.got), len(keys)) == (3, 1)
    assert json.loads(kind.got[0][1])["found"][0]["signature"] == "bug:f"
    assert len(world.runs) == 1
    assert load(tmp_path, FRESH).phase is Phase.IDLE


def test_a_server_that_says_nothing_is_given_up(hook: tuple[str, type[Hook]]) -> None:
    url, kind = hook
    kind.codes[:] = [0]
    began = clock.monotonic()
    with pytest.raises(InfraError, match=r"in time|timed out"):
        deliver.post(url, {}, "id", Deadline.after(0.5))
    assert clock.monotonic() - began < 10


def test_a_command_gets_the_json_and_the_place_of_the_text(tmp_path: Path) -> None:
    script = tmp_path / "tell me"
    script.write_text(f'#!/bin/sh\ncat >"{tmp_path}/in.json"\ncp "$KZRAM_REPORT" "{tmp_path}/in.txt"\nexit $1\n')
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    world = World(tips=[BAD], shows={BAD: [CRASH]})
    failing = Channels(outbox=tmp_path / "outbox", command=(str(script), "3"))
    with pytest.raises(InfraError, match="the command for reports"):
        watch_of(tmp_path, world, failing).round()
    assert watch_of(tmp_path, world, replace(failing, command=(str(script), "0"))).round() == 1
    assert json.loads((tmp_path / "in.json").read_text())["commit"] == BAD
    assert BAD in (tmp_path / "in.txt").read_text()


@pytest.mark.parametrize("channels", [{"webhook": "file:///etc/passwd"}, {"command": ("no-such-program",)}])
def test_what_could_never_work_is_said_first(tmp_path: Path, channels: dict[str, Any]) -> None:
    with pytest.raises(UserError):
        Channels(outbox=tmp_path, **channels).check()
