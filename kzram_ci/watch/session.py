"""The loop of a watch: look, test, bisect, tell. Each step is on disk before it begins: a kill costs that step only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from kzram_ci.base import clock, files, proc
from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import InfraError, Interrupted, KzramError, UserError
from kzram_ci.model import codec
from kzram_ci.model.evidence import CellResult
from kzram_ci.watch import decide
from kzram_ci.watch.deliver import Channels
from kzram_ci.watch.model import VERSION, Bisected, Found, Phase, State
from kzram_ci.watch.report import subject

STATE = "state.json"
POLL_SECONDS = 0.5
Note = Callable[[str], None]  # keeps the directory of work that begins


class World(Protocol):
    """What a watch needs done. Tests put another in the place of the real one."""

    def tip(self) -> str:
        """The newest commit of the branch. Raises UserError, InfraError."""

    def run(self, commit: str, directory: str, note: Note) -> Sequence[CellResult]:
        """The plan on a commit; `directory`: a run to go on with."""

    def bisect(self, state: State, found: Found, note: Note) -> Bisected:
        """Who brought a finding, between the last good commit and this one; `state.bisection`: one to go on with."""


@dataclass(slots=True, kw_only=True)
class Watch:
    """A watch in its directory; one process works on it."""

    directory: Path
    state: State
    world: World
    channels: Channels
    tell: Callable[[str], None]

    def keep(self, state: State) -> None:
        """Write the state down, in one step."""
        if state != self.state:
            files.write_json(self.directory / STATE, codec.to_json(state))
            self.state = state

    def forever(self, interval: float) -> None:
        """Rounds until interrupted; trouble of the host is told and tried again in the next one."""
        first = True
        while True:
            try:
                self.round()
            except Interrupted:
                raise
            except KzramError as error:
                if first and isinstance(error, UserError):
                    raise  # a wrong name, a missing tool: it would never get better
                self.tell(f"{error}; tried again in {interval:.0f} s")
            first = False
            self._wait(Deadline.after(interval))

    def _wait(self, deadline: Deadline) -> None:
        while not deadline.expired():
            if proc.cancelled():
                raise Interrupted("interrupted; the watch goes on where it was when it is started again")
            clock.sleep(min(POLL_SECONDS, deadline.remaining()))

    def round(self) -> int:
        """Everything that is to be done now; how many findings were reported.

        Raises InfraError after the trouble is kept, UserError, Interrupted.
        """
        count = 0
        while (phase := self.state.phase) is not Phase.IDLE or self._look():
            if phase is Phase.TELLING:
                count += len(self.state.found)
            self._guarded(_STEPS[self.state.phase])
            if self.state.trouble:
                raise InfraError(self.state.trouble)
        return count

    def _look(self) -> bool:
        """Whether the branch has a commit that was not tested."""
        self.keep(decide.saw(self.state, self.world.tip()))
        if self.state.phase is Phase.IDLE:
            return False
        self.tell(f"new: {self.state.commit}")
        return True

    def _guarded(self, step: Callable[[Watch], None]) -> None:
        try:
            step(self)
        except InfraError as error:
            self.keep(decide.troubled(self.state, str(error)))
            raise

    def _test(self) -> None:
        results = self.world.run(self.state.commit, self.state.run, lambda run: self.keep(replace(self.state, run=run)))
        self.keep(decide.tested(self.state, results, clock.now_utc().isoformat(timespec="seconds")))
        if self.state.phase is Phase.IDLE and not self.state.trouble:
            good = self.state.last_good == self.state.commit
            self.tell(f"{self.state.commit}: {'good' if good else 'nothing new'}")

    def _bisect(self) -> None:
        def note(directory: str) -> None:
            self.keep(replace(self.state, bisection=directory))

        try:
            answer = self.world.bisect(self.state, self.state.found[0], note)
        except UserError as error:  # a rebased branch, a test that no other commit can run: told, not tried for ever
            answer = Bisected(directory=self.state.bisection, why_not=str(error))
        self.keep(decide.bisected(self.state, answer))

    def _tell(self) -> None:
        report = decide.report_of(self.state)
        for channel in self.channels.names:
            if channel not in self.state.sent:
                self.channels.deliver(channel, report)
                self.keep(decide.sent(self.state, channel))
        self.tell(f"{subject(report)}: {self.channels.outbox / report.id}.txt")
        self.keep(decide.told(self.state))


_STEPS: dict[Phase, Callable[[Watch], None]] = {
    Phase.TESTING: Watch._test,
    Phase.BISECTING: Watch._bisect,
    Phase.TELLING: Watch._tell,
}


def load(directory: Path, fresh: State) -> State:
    """What a watch kept; `fresh` where it is new. Raises UserError, InfraError."""
    file = directory / STATE
    with suppress(FileNotFoundError):
        file.stat()
        try:
            found = codec.from_json(State, files.read_json(file))
        except ValueError as error:
            raise InfraError(f"{file} is damaged", hint=f"mv {file} {file}.bad, and say --good COMMIT") from error
        asked = (fresh.repository, fresh.branch, fresh.plan)
        if found.version != VERSION or (found.repository, found.branch, found.plan) != asked:
            raise UserError(
                f"{directory} is of another watch: {found.plan} on {found.branch} of {found.repository}",
                hint="--directory DIR",
            )
        return found if found.last_good else replace(found, last_good=fresh.last_good)
    with files.disk_errors(f"cannot make {directory}"):
        directory.mkdir(parents=True, exist_ok=True)
    return fresh
