"""What the user asks of a watch, and the watch that follows from it, in its directory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from kzram_ci.base.digest import digest_json
from kzram_ci.base.errors import UserError
from kzram_ci.base.files import held
from kzram_ci.base.values import dataclass
from kzram_ci.bisect.session.repository import is_url
from kzram_ci.kernel.sandbox import wanted
from kzram_ci.model.events import silent
from kzram_ci.results.layout import slug
from kzram_ci.results.rundir import RunDir
from kzram_ci.run.request import RunRequest
from kzram_ci.run.selection import plan_of
from kzram_ci.watch.deliver import Channels
from kzram_ci.watch.model import State
from kzram_ci.watch.session import Watch, load
from kzram_ci.watch.world import RealWorld


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchRequest:
    """`how`: plan, selection and options of its runs. `directory`: None for one below the runs."""

    repository: str
    branch: str
    how: RunRequest
    budget_s: float
    good: str = ""
    directory: Path | None = None
    sender: str = ""
    to: str = ""
    webhook: str = ""
    command: tuple[str, ...] = ()


@contextmanager
def opened(
    request: WatchRequest, *, watched: Callable[[RunDir], Any], tools: Callable[[], Mapping[str, Any]],
    tell: Callable[[str], None],
) -> Iterator[Watch]:  # fmt: skip
    """The watch, held by this process alone. Raises UserError, InfraError."""
    if not request.branch or request.branch.startswith("-"):
        raise UserError(f"{request.branch!r} is not a branch")
    repository = request.repository if is_url(request.repository) else str(Path(request.repository).absolute())
    plan_of(request.how.plan)  # what is wrong with it is said before anything is polled
    directory = request.directory or _place(request, repository)
    channels = Channels(
        outbox=directory / "outbox", sender=request.sender, to=request.to, webhook=request.webhook,
        command=request.command,
    )  # fmt: skip
    channels.check()
    fresh = State(repository=repository, branch=request.branch, plan=request.how.plan, last_good=request.good)
    how = replace(request.how, sandbox=wanted(request.how.sandbox, tell))  # whatever the source: others push it
    world = RealWorld(
        repository=repository,
        branch=request.branch,
        how=how,
        budget_s=request.budget_s,
        watched=watched,
        tools=tools,
        warn=tell,
        listener=silent,
    )
    with held(directory):
        state = load(directory, fresh)
        yield Watch(directory=directory, state=state, world=world, channels=channels, tell=tell)


def _place(request: WatchRequest, repository: str) -> Path:
    selection = request.how.selection
    what = [repository, request.branch, request.how.plan, selection.kernels, selection.tests]
    return request.how.runs / f"watch-{slug(request.branch)[:40]}-{digest_json(what)[:8]}"
