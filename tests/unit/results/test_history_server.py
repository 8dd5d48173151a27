"""The history on a server of PostgreSQL: the same answers as from a file, many writers, nothing of a password."""

import json
import multiprocessing
import os
import random
import re
import signal
import sqlite3
import sys
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import history_writer
import postgres
import pytest
import report_samples as samples
from hypothesis import given
from hypothesis import strategies as st

from kzram_ci.base.errors import InfraError, UserError
from kzram_ci.cli.main import main
from kzram_ci.model.evidence import CellResult
from kzram_ci.results import history_server
from kzram_ci.results.history import History, Record, default_history, history_at
from kzram_ci.results.history_server import SCHEMA_VERSION, pattern
from kzram_ci.results.serve import Site

RUN = "20261128T160445Z-overrun-292817"


@pytest.fixture(scope="module")
def running() -> Iterator[postgres.Server]:
    with postgres.server() as made:
        yield made


@pytest.fixture
def team(running: postgres.Server, request: pytest.FixtureRequest) -> str:
    """The URL of an empty schema: a database of its own costs a second."""
    name = f"t{sha256(request.node.name.encode()).hexdigest()[:12]}"
    running.ask(f"CREATE SCHEMA {name}")
    return running.url(name)


def name_of(url: str) -> str:
    """The schema."""
    return url.rpartition("%3D")[2]


def filled(history: History) -> History:
    history.add_run("run-1", samples.PLAN, Path("/runs/run-1"), {"python": "3"})
    for result in samples.results():
        history.add_result("run-1", result)
    history.add_run("run-2", samples.PLAN, Path("/runs/run-2"))
    history.add_result("run-2", replace(samples.results()[0], seconds=20.0))
    history.add_past(
        "run-3",
        samples.results()[:2],
        plan="other",
        directory="/x",
        recorded="2026-01-01T00:00:00+00:00",
        origin="junit x",
    )
    return history


def test_a_server_answers_as_a_file_does(team: str, tmp_path: Path) -> None:
    there, here = filled(history_at(team)), filled(history_at(tmp_path / "history.sqlite"))
    for cell in ("", "*", "unstable/*", "[us]*", "[^u]*", "*/anonmutate", "unstable/anonmutat?", "[", "none"):
        for plan in ("", "overrun", "other"):
            assert told(there.records(cell=cell, plan=plan)) == told(here.records(cell=cell, plan=plan)), (cell, plan)
            assert crashes(there, plan, cell) == crashes(here, plan, cell)
    assert told(there.records(run="run-2")) == told(here.records(run="run-2"))
    assert told(there.records(limit=2)) == told(here.records(limit=2))
    assert there.seconds("overrun") == here.seconds("overrun") != {}
    assert there.cells() == here.cells()
    assert [replace(run, recorded="") for run in there.runs()] == [replace(run, recorded="") for run in here.runs()]
    assert there.runs(plan="other") == here.runs(plan="other")
    assert len(there.runs(limit=1)) == 1


def told(records: Iterable[Record]) -> list[CellResult]:
    return [record.result for record in records]


def crashes(history: History, plan: str, cell: str) -> list[object]:
    return [
        (one.signature, one.count, one.runs, one.cells, one.newest) for one in history.crashes(plan=plan, cell=cell)
    ]


def test_looking_makes_no_table(team: str, running: postgres.Server) -> None:
    history = history_at(team)
    assert not any((history.records(), history.runs(), history.crashes(), history.cells()))
    assert history.seconds("overrun") == {}
    assert main(["history", "--runs", "--database", team]) == 0
    assert not running.ask(f"SELECT 1 FROM pg_tables WHERE schemaname = '{name_of(team)}'")


def test_a_file_s_runs_move_to_a_server(team: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old = filled(history_at(tmp_path / "history.sqlite"))
    file, count = str(old.database), len(old.records())
    assert main(["history", "import", file, "--database", team]) == 0
    assert main(["history", "import", file, "--database", team]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first == f"{file}: {count} results of 3 runs"
    assert second == f"{file}: 0 results of 3 runs, {count} known already"
    there = history_at(team)
    assert sorted(told(there.records()), key=repr) == sorted(told(old.records()), key=repr)
    assert [(run.run, run.plan, run.recorded, run.verdicts) for run in there.runs()] == [
        (run.run, run.plan, run.recorded, run.verdicts) for run in old.runs()
    ]


def test_commands_work_with_it(team: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old = Path(__file__).parents[2] / "data" / "run_of_0.1"
    assert main(["history", "import", str(old), "--database", team]) == 0
    assert main(["history", "import", str(old), "--database", team]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert re.search(r": [1-9]\d* results? of ", first)
    assert re.search(r": 0 results of .*, [1-9]\d* known already", second)
    assert main(["history", "--runs", "--json", "--database", team]) == 0
    (run,) = json.loads(capsys.readouterr().out)
    assert main(["compare", run["run"], str(old), "--database", team]) == 0
    assert Site(history=history_at(team)).answer("/").status == 200


@pytest.mark.parametrize("table", ["runs", "results"])
@pytest.mark.parametrize("statement", ["DELETE FROM {}", "UPDATE {} SET recorded = ''", "TRUNCATE {} CASCADE"])
def test_it_is_append_only(team: str, running: postgres.Server, table: str, statement: str) -> None:
    filled(history_at(team))
    with pytest.raises(Exception, match="history is append-only"):
        running.ask(f"SET search_path = {name_of(team)}", statement.format(table))


def test_many_writers_lose_nothing_and_import_a_run_once(team: str) -> None:
    count = len(samples.results())
    with multiprocessing.get_context("spawn").Pool(3) as pool:  # the tables are made by one of them
        imported = pool.map(history_writer.write, [(team, number) for number in range(6)])
    assert sorted(imported) == [0] * 5 + [count]
    history = history_at(team)
    assert len(history.records()) == 7 * count
    assert all(len(history.records(run=f"run-{number}")) == count for number in range(6))


def test_another_schema_is_refused(team: str, running: postgres.Server) -> None:
    filled(history_at(team))
    running.ask(f"INSERT INTO {name_of(team)}.kzram_history VALUES (99)")
    with pytest.raises(UserError, match=rf"has schema 99, this kzram-ci knows {SCHEMA_VERSION}"):
        history_at(team).records()


def test_a_step_that_fails_leaves_nothing(team: str, running: postgres.Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history_server, "STEPS", ("CREATE TABLE half (a INT); CREATE TABLE half (b INT)",))
    with pytest.raises(InfraError, match="already exists"):
        filled(history_at(team))
    assert not running.ask(f"SELECT 1 FROM pg_tables WHERE schemaname = '{name_of(team)}'")


def test_who_may_only_read_can_read(team: str, running: postgres.Server) -> None:
    name = name_of(team)
    filled(history_at(team))
    running.ask(
        f"CREATE ROLE r_{name} LOGIN",
        f"GRANT USAGE ON SCHEMA {name} TO r_{name}",
        f"GRANT SELECT ON ALL TABLES IN SCHEMA {name} TO r_{name}",
    )
    reader = history_at(running.url(name, user=f"r_{name}"))
    assert len(reader.records(plan="overrun")) == len(samples.results()) + 1
    with pytest.raises(InfraError, match="permission denied"):
        reader.add_run("x", samples.PLAN, Path("/x"))


def test_texts_that_a_server_takes_amiss(team: str) -> None:
    history = history_at(team)
    odd = "a\0b\udcff\U0001f40d'\";--"
    result = replace(samples.results()[0], id=odd, kernel=odd)
    history.add_run(odd, replace(samples.PLAN, name=odd), Path("/runs"))
    history.add_result(odd, result)
    assert [record.result for record in history.records()] == [result]
    assert len(history.cells()) == 1
    assert len(history.records(run=odd, plan=odd, cell="a*b*")) == 1
    assert main(["history", "\udcff*", "--database", team]) == 0


def test_a_password_is_needed_taken_and_never_shown(
    team: str, running: postgres.Server, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    name = name_of(team)
    running.ask("DROP ROLE IF EXISTS guarded", "CREATE ROLE guarded LOGIN SUPERUSER PASSWORD 'pa:ss w%rd'")
    good = running.url(name, user="guarded", password="pa%3Ass%20w%25rd")
    filled(history_at(good))
    assert "pa" not in repr(history_at(good)) and "w%" not in str(history_at(good).database)
    monkeypatch.setenv("KZRAM_TRACEBACK", "1")
    for wrong in (
        running.url(name, user="guarded", password="s3cr%3At"),
        running.url(name, user="guarded") + "&password=s3cr%3At",
        f"postgresql://guarded:s3cr%3At@127.0.0.1:1/{name}",
        running.url(name, user="guarded", password="s3cr%3At") + "&nonsense=1",
        "postgresql://guarded:s3cr%3At@127.0.0.1:port/x",
        "postgresql://guarded:s3cr%3At@[::1/x",
        "mysql://guarded:s3cr%3At@host/x",
        "postgresql://guarded:s3cr%3At@ho\udcffst/x",
        "postgresql://guarded:s3cr%3At@a..b/x",
    ):
        monkeypatch.setenv("KZRAM_DATABASE", wrong)
        done = [main(["history", "--runs"]), main(["history", "--runs", "--database", wrong])]
        said = "".join(capsys.readouterr())
        assert set(done) <= {2, 69}, wrong
        assert said and not re.search("s3cr|%3At", said), said


def test_a_server_that_stopped_answering_is_left(
    team: str, running: postgres.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    history = filled(history_at(team))
    stopped = []
    try:
        with pytest.raises(InfraError, match=r"no answer within 0\.5 s"), history.database.reading() as ask:
            ((backend,),) = ask("SELECT pg_backend_pid()", {})
            stopped.append(backend)
            os.kill(backend, signal.SIGSTOP)
            monkeypatch.setattr(history_server, "ANSWER_SECONDS", 0.5)  # not before: a busy host takes its time
            ask("SELECT 1", {})
    finally:
        for backend in stopped:
            os.kill(backend, signal.SIGCONT)
    assert stopped


@given(st.text("ab/^[]*?.\\", max_size=8), st.text("ab/^[].\\", max_size=6))
def test_patterns_fit_what_the_file_s_do(shell: str, text: str) -> None:
    with closing(sqlite3.connect(":memory:")) as db:
        ((fits,),) = db.execute("SELECT ? GLOB ?", (text, shell))
    assert bool(re.search(pattern(shell), text, re.DOTALL)) == bool(fits), pattern(shell)


@pytest.mark.parametrize(("shell", "yes", "no"), [("[a-c]x", "bx", "dx"), ("[^a-c]x", "dx", "bx"), ("[]a]", "]", "b")])
def test_sets_and_ranges(shell: str, yes: str, no: str) -> None:
    assert re.search(pattern(shell), yes) and not re.search(pattern(shell), no)


def test_patterns_are_read_so_by_a_server(team: str) -> None:
    history, chance = filled(history_at(team)), random.Random(1)
    with closing(sqlite3.connect(":memory:")) as db, history.database.reading() as ask:
        for _ in range(400):
            shell = "".join(chance.choices("ab/-^[]*?.\\+({|$é", k=chance.randint(0, 6)))
            text = "".join(chance.choices("ab/-^[].\\+({|$é\n", k=chance.randint(0, 4)))
            if re.search(r"[^\[]-[^]]", shell):
                continue  # a range, perhaps a backward one
            ((file,),) = db.execute("SELECT ? GLOB ?", (text, shell))
            ((server,),) = ask(
                "SELECT (:text)::text ~ :fits".replace("::text", ""), {"text": text, "fits": pattern(shell)}
            )
            assert server == bool(file), (shell, text, pattern(shell))


def test_without_the_libraries_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    history_server._engine.cache_clear()
    with pytest.raises(UserError, match="needs SQLAlchemy and psycopg") as caught:
        history_at("postgresql://team:word@nowhere.invalid/x").runs()
    assert "kzram-ci[postgres]" in str(caught.value.hint)


def test_the_environment_names_a_history(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KZRAM_DATABASE", "postgresql://me@db/ci")
    assert str(default_history().database) == "postgresql://me@db/ci"
    assert str(default_history(str(tmp_path / "x")).database) == str(tmp_path / "x")
