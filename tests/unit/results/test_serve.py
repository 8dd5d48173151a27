"""The history as a web page: what it shows, what it never gives away, and that only this host may ask."""

import http.client
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import report_samples as samples

from kzram_ci.base import proc
from kzram_ci.base.errors import UserError
from kzram_ci.results import rundir
from kzram_ci.results.draw import Reports
from kzram_ci.results.history import History, history_at
from kzram_ci.results.imports import import_path
from kzram_ci.results.serve import Site, server, until_interrupted


@pytest.fixture
def run(tmp_path: Path) -> Path:
    made = rundir.create(tmp_path / "runs", samples.PLAN)
    for result in samples.results():
        made.finish(result)
    Reports(run=made).draw()
    return made.path


@pytest.fixture
def history(tmp_path: Path, run: Path) -> History:
    history = history_at(tmp_path / "history.sqlite")
    import_path(run, history)
    return history


def test_cells_crashes_and_runs_with_their_reports(history: History, run: Path) -> None:
    answer = Site(history=history).answer("/")
    page = answer.body.decode()
    assert (answer.status, answer.kind) == (200, "text/html; charset=utf-8")
    assert f'<a href="/run/{run.name}/report.html">' in page
    assert "1/1 (3-100%)" in page
    assert "overrun: boots that crashed" in page
    assert samples.OOPS.signature.replace("<", "&lt;") in page
    assert "<script" not in page
    report = Site(history=history).answer(f"/run/{run.name}/report.html")
    assert report.body == (run / "report.html").read_bytes()
    assert report.policy.startswith("sandbox ")


def test_how_long_boots_lived_is_drawn_where_some_crashed(tmp_path: Path) -> None:
    history = history_at(tmp_path / "history.sqlite")
    crash, clean = samples.results()[2], samples.results()[0]
    same = replace(clean, id="x/y", kernel="x<b>", test=crash.test, axes=())
    for number in range(4):
        history.add_run(f"run-{number}", samples.PLAN, tmp_path)
        for result in (replace(crash, axes=()), same):
            history.add_result(f"run-{number}", result)
    page = Site(history=history).answer("/").body.decode()
    assert page.count("Kaplan-Meier") == 1
    assert "4 of 4 boots crashed" in page
    assert "0 of 4 boots crashed" in page
    assert "x&lt;b&gt;" in page and "x<b>" not in page


def test_without_a_crash_there_are_no_curves(tmp_path: Path) -> None:
    history = history_at(tmp_path / "history.sqlite")
    for number in range(4):
        history.add_run(f"run-{number}", samples.PLAN, tmp_path)
        history.add_result(f"run-{number}", samples.results()[0])
    assert "Kaplan-Meier" not in Site(history=history).answer("/").body.decode()


def test_one_plan_and_an_empty_history(history: History, tmp_path: Path) -> None:
    assert "stock/anonmutate" in Site(history=history).answer("/?plan=overrun").body.decode()
    assert "stock/anonmutate" not in Site(history=history).answer("/?plan=other").body.decode()
    assert "nothing recorded" in Site(history=history_at(tmp_path / "none")).answer("/").body.decode()
    assert not (tmp_path / "none").exists()


def test_files_of_a_run_are_text_and_nothing_outside_is_given(history: History, run: Path, tmp_path: Path) -> None:
    site = Site(history=history)
    (tmp_path / "secret").write_text("secret")
    (run / "cells" / "stock.anonmutate" / "evil.html").write_text("<script>1</script>")
    (run / "link").symlink_to(tmp_path / "secret")
    plain = site.answer(f"/run/{run.name}/cells/stock.anonmutate/evil.html")
    assert (plain.status, plain.kind) == (200, "text/plain; charset=utf-8")
    for path in (
        f"/run/{run.name}/../../secret",
        f"/run/{run.name}/%2e%2e/%2e%2e/secret",
        f"/run/{run.name}/..%2f..%2fsecret",
        f"/run/{run.name}/link",
        f"/run/{run.name}/cells",
        f"/run/{run.name}/a%00b",
        "/run/unknown/report.html",
        "/etc/passwd",
        f"/run/{run.name}",
    ):
        answer = site.answer(path)
        assert answer.status == 404, path
        assert b"secret" not in answer.body


def test_a_history_that_cannot_be_read_is_an_answer(tmp_path: Path) -> None:
    (tmp_path / "bad").write_text("not a database, though long enough to look at")
    assert Site(history=history_at(tmp_path / "bad")).answer("/").status == 500


@pytest.fixture
def port(history: History) -> Iterator[int]:
    with server(history, "127.0.0.1", 0) as made:
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield made.server_address[1]
        made.shutdown()
        thread.join(10)


def ask(port: int, method: str, path: str, **headers: str) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request(method, path, headers=headers)
    return connection.getresponse()


def test_over_the_network_it_only_reads_and_only_for_this_host(port: int) -> None:
    answer = ask(port, "GET", "/")
    assert answer.status == 200
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert b"stock/anonmutate" in answer.read()
    head = ask(port, "HEAD", "/")
    assert (head.status, head.read()) == (200, b"")
    for method in ("POST", "PUT", "DELETE"):
        assert ask(port, method, "/").status == 501
    assert ask(port, "GET", "/", Host="localhost:1").status == 200
    assert ask(port, "GET", "/", Host="evil.example").status == 403


def test_a_port_that_is_taken_says_so(port: int, history: History) -> None:
    with pytest.raises(UserError, match=f"cannot listen on 127.0.0.1:{port}"), server(history, "127.0.0.1", port):
        pass


def test_it_ends_when_it_is_interrupted(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = iter([False, False, True])
    monkeypatch.setattr(proc, "cancelled", lambda: next(asked))
    with server(history, "127.0.0.1", 0) as made:
        until_interrupted(made)
