"""A run and the history beside it: what cannot be recorded costs warnings, and is there to be imported later."""

from pathlib import Path
from types import SimpleNamespace

import fake_stages
import postgres
import pytest
from builders import a_cell

from kzram_ci.base.errors import InfraError
from kzram_ci.cli.main import main
from kzram_ci.model.cell import Expectation, Plan
from kzram_ci.results import rundir
from kzram_ci.results.history import history_at
from kzram_ci.results.rundir import RunDir
from kzram_ci.run import recorded
from kzram_ci.run.recorded import HISTORY_FAILURES
from kzram_ci.run.request import RunRequest

CELLS = 6


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunDir:
    monkeypatch.setattr(recorded, "real_stages", lambda *given: (fake_stages.stages(), SimpleNamespace(accels={})))
    good = Expectation(floors=(("vmstat.pswpout", 1),))
    return rundir.create(
        tmp_path, Plan(name="p", cells=tuple(a_cell(f"good-{number}", expect=good) for number in range(CELLS)))
    )


def run(directory: RunDir, url: str) -> list[str]:
    """Run all of it; the warnings."""
    warned: list[str] = []
    request = RunRequest(database=url, jobs=1)
    results = recorded.execute(request, directory, tools=lambda: {}, listener=lambda event: None, warn=warned.append)
    assert [str(result.judgement.outcome) for result in results] == ["pass"] * CELLS
    return warned


def test_a_server_that_is_lost_meanwhile_costs_no_result(directory: RunDir, monkeypatch: pytest.MonkeyPatch) -> None:
    with postgres.server() as server:
        server.ask("CREATE SCHEMA team")
        url, finish = server.url("team"), RunDir.finish

        def lose(self: RunDir, result: object) -> None:
            finish(self, result)  # type: ignore[arg-type]
            if len(self.finished()) == 3:
                server.ask("ALTER TABLE team.results RENAME TO gone")

        monkeypatch.setattr(RunDir, "finish", lose)
        warned = run(directory, url)
        server.ask("ALTER TABLE team.gone RENAME TO results")
        assert len(warned) == HISTORY_FAILURES + 1
        assert all('relation "results" does not exist' in line for line in warned[:-1])
        assert f"kzram-ci history import {recorded.shown_at(directory)}" in warned[-1]
        history = history_at(url)
        assert len(history.records()) == 2
        assert main(["history", "import", str(directory.path), "--database", url]) == 0
        assert len(history.records()) == CELLS
        assert str(server.sockets) not in (directory.path / "environment.json").read_text()


def test_a_server_that_is_not_there_is_told_before_anything_is_built(directory: RunDir) -> None:
    postgres.needed()
    with pytest.raises(InfraError, match=r"history postgresql://127\.0\.0\.1:1/x: "):
        run(directory, "postgresql://127.0.0.1:1/x")
    assert not directory.finished()
