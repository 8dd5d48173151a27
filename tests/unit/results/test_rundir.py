import json
import os
import re
import shutil
import threading
from dataclasses import replace
from pathlib import Path

import junitparser
import pytest
import report_samples as samples
from hypothesis import given
from hypothesis import strategies as st

from kzram_ci.base import files, proc
from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import InfraError, UserError
from kzram_ci.model import codec
from kzram_ci.model.cell import Plan
from kzram_ci.model.evidence import CellResult
from kzram_ci.model.outcome import Outcome
from kzram_ci.plan.matrix import safe_id
from kzram_ci.results import rundir
from kzram_ci.results.draw import Reports
from kzram_ci.results.layout import cell_folder


def junit(path: Path) -> tuple[int, int, int]:
    found = junitparser.JUnitXml.fromfile(str(path / "junit.xml"))
    return found.tests, found.failures, found.errors


def test_everything_is_there_before_anything_boots(tmp_path: Path) -> None:
    run = rundir.create(tmp_path, samples.PLAN, environment={"accel": "tcg"})
    assert re.fullmatch(r"\d{8}T\d{6}Z-overrun-[0-9a-f]{6}", run.path.name)
    assert {path.name for path in run.path.iterdir()} == {
        "plan.yaml", "plan.json", "environment.json", "results.jsonl", "cells", ".gitignore"
    }  # fmt: skip
    for cell in samples.PLAN.cells:
        place = run.cell_dir(cell)
        directory, relative = place.path, place.relative
        assert directory == run.path / relative == run.path / "cells" / safe_id(cell.id)
        born = codec.from_json(CellResult, json.loads((directory / "cell.json").read_text()))
        assert born.judgement.outcome is Outcome.NOT_RUN
        assert (born.id, born.kernel, born.axes, born.directory) == (cell.id, cell.kernel.name, cell.axes, relative)
    assert rundir.load(run.path) == (samples.PLAN, ())


def test_each_result_is_on_disk_at_once(tmp_path: Path) -> None:
    run = rundir.create(tmp_path, samples.PLAN)
    for number, result in enumerate(samples.results(), start=1):
        run.finish(result)
        assert len((run.path / "results.jsonl").read_text().splitlines()) == number
        cell = json.loads((run.path / result.directory / "cell.json").read_text())
        assert cell["judgement"]["outcome"] == result.judgement.outcome
        assert rundir.load(run.path)[1] == samples.results()[:number]
    assert [path.name for path in run.path.rglob(".*")] == [".gitignore"]


def test_of_a_result_its_line_is_pushed_to_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A push each for what the line says already would be most of the time that a result takes."""
    run, pushed = rundir.create(tmp_path, samples.PLAN), list[str]()
    monkeypatch.setattr(os, "fsync", lambda number: pushed.append(str(Path(f"/proc/self/fd/{number}").readlink())))
    run.finish(samples.results()[0])
    assert pushed == [str(run.path / "results.jsonl")]
    place = run.cell_dir(samples.PLAN.cells[0]).path
    assert codec.from_json(CellResult, json.loads((place / "cell.json").read_text())) == samples.results()[0]
    assert (place / "repro.sh").stat().st_mode & 0o777 == 0o755


def test_environment_grows(tmp_path: Path) -> None:
    run = rundir.create(tmp_path, samples.PLAN, environment={"host": {"cpus": 2}})
    before = run.revision
    run.note_environment({"accel": "tcg: KVM did not print"})
    run.note_environment({"accel": "tcg: KVM did not print"})
    assert run.revision == before + 1
    assert json.loads((run.path / "environment.json").read_text()) == {
        "host": {"cpus": 2},
        "accel": "tcg: KVM did not print",
    }
    assert rundir.open_run(run.path).environment == run.environment


def test_a_torn_last_line_is_no_result_and_resume_cuts_it_off(tmp_path: Path) -> None:
    run = rundir.create(tmp_path, samples.PLAN)
    first, second, third = samples.results()[:3]
    run.finish(first)
    with (run.path / "results.jsonl").open("a") as out:
        out.write('{"id": "stock/pressure", "kern')
    assert rundir.load(run.path)[1] == (first,)
    left = run.cell_dir(samples.PLAN.cells[1]).path / "console.log"
    left.write_text("half a boot")
    again = rundir.resume(run.path)
    assert again.finished() == {first.id}
    assert not left.exists()
    assert (left.parent / "interrupted-1" / "console.log").read_text() == "half a boot"
    again.finish(second)
    again.finish(third)
    assert rundir.load(run.path)[1] == (first, second, third)
    left.write_text("finished cells keep their logs")
    rundir.resume(run.path)
    assert left.exists()


def test_a_whole_last_line_without_its_newline_counts(tmp_path: Path) -> None:
    run = rundir.create(tmp_path, samples.PLAN)
    run.finish(samples.results()[0])
    log = run.path / "results.jsonl"
    log.write_bytes(log.read_bytes().rstrip(b"\n"))
    again = rundir.resume(run.path)
    again.finish(samples.results()[1])
    assert rundir.load(run.path)[1] == samples.results()[:2]


def test_damage_is_named(tmp_path: Path) -> None:
    run = rundir.create(tmp_path, samples.PLAN)
    for result in samples.results()[:2]:
        run.finish(result)
    log = run.path / "results.jsonl"
    log.write_text("garbage\n" + log.read_text())
    with pytest.raises(InfraError, match=r"results\.jsonl:1 is damaged"):
        rundir.load(run.path)
    with pytest.raises(UserError, match="is not a run directory"):
        rundir.load(tmp_path)
    (run.path / "plan.json").write_text("{}")
    with pytest.raises(
        InfraError,
        match=r"plan\.json is damaged: .*; fix: the run cannot be gone on with; anew: kzram-ci run .*plan\.yaml",
    ):
        rundir.load(run.path)


def test_a_later_word_on_a_cell_wins(tmp_path: Path) -> None:
    run = rundir.create(tmp_path, samples.PLAN)
    run.finish(samples.results()[0])
    newer = replace(samples.results()[0], seed=99)
    run.finish(newer)
    assert rundir.load(run.path)[1] == (newer,)


def test_a_moved_run_directory_still_loads_and_renders(tmp_path: Path) -> None:
    run = rundir.create(tmp_path / "a", samples.PLAN)
    run.finish(samples.results()[0])
    moved = tmp_path / "elsewhere"
    shutil.move(run.path, moved)
    Reports(run=rundir.open_run(moved)).draw()
    assert junit(moved) == (7, 0, 6)


def test_repro_runs_that_very_cell(tmp_path: Path) -> None:
    run = rundir.create(tmp_path / "with space", samples.PLAN)
    result = samples.results()[3]
    (run.path / result.directory / "qemu.txt").write_text("qemu-system-x86_64 -m 768 -append 'a b'\n")
    run.finish(result)
    script = run.path / result.directory / "repro.sh"
    assert os.access(script, os.X_OK)
    assert "#   qemu-system-x86_64 -m 768 -append 'a b'" in script.read_text()
    told = proc.run((str(script), "--jobs=1"), deadline=Deadline.after(20), env={"KZRAM_CI": "/bin/echo"}, cwd=tmp_path)
    assert told.text() == f"run --cell=unstable/directmutate/algorithm=lz4 --jobs=1 {run.path}/plan.json\n"
    version = proc.run(
        ("sh", "-c", script.read_text().replace("set -- run", "set -- --version; : "), str(script)),
        deadline=Deadline.after(60),
        cwd=tmp_path,
        env={"PYTHONPATH": str(Path(rundir.__file__).parents[2])},
    )
    assert version.text().startswith("kzram-ci ")


def test_cells_may_finish_in_several_threads(tmp_path: Path) -> None:
    run = rundir.create(tmp_path, samples.PLAN)
    threads = [threading.Thread(target=run.finish, args=(result,)) for result in samples.results()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert rundir.load(run.path)[1] == samples.results()
    assert run.revision == 7


def test_one_process_at_a_time_works_on_a_run(tmp_path: Path) -> None:
    run = rundir.create(tmp_path, samples.PLAN)
    with files.held(run.path), pytest.raises(UserError, match="another kzram-ci works on"):
        rundir.resume(run.path)
    rundir.resume(run.path)


class TestNewest:
    def made(self, root: Path, name: str, *, done: int = 0) -> Path:
        run = rundir.create(root, samples.PLAN)
        for result in samples.results()[:done]:
            run.finish(result)
        (run.path / "report.html").write_text("drawn")
        return run.path.rename(root / name)

    def test_is_the_newest_that_is_not_finished(self, tmp_path: Path) -> None:
        self.made(tmp_path, "20260101T000000Z-a")
        wanted = self.made(tmp_path, "20260102T000000Z-a", done=6)
        self.made(tmp_path, "20260103T000000Z-a", done=7)
        damaged = self.made(tmp_path, "20260104T000000Z-a", done=1)
        (damaged / "plan.json").write_text("{")
        (tmp_path / "20260105T000000Z-bisect-a").mkdir()
        assert rundir.newest(tmp_path) == wanted

    def test_is_one_whose_reports_do_not_show_its_last_cell(self, tmp_path: Path) -> None:
        """It was killed between its last result and its last drawing: what CI reads says that cells did not run."""
        killed = self.made(tmp_path, "20260101T000000Z-a", done=7)
        results, report = killed / "results.jsonl", killed / "report.html"
        with pytest.raises(UserError, match="no unfinished run in"):
            rundir.newest(tmp_path)
        os.utime(report, ns=(0, results.stat().st_mtime_ns - 1))
        assert rundir.newest(tmp_path) == killed
        report.unlink()
        assert rundir.newest(tmp_path) == killed

    def test_is_not_one_that_another_process_works_on(self, tmp_path: Path) -> None:
        older = self.made(tmp_path, "20260101T000000Z-a")
        busy = self.made(tmp_path, "20260102T000000Z-a")
        with files.held(rundir.open_run(busy).path):
            assert rundir.newest(tmp_path) == older
        assert rundir.newest(tmp_path) == busy

    def test_may_not_exist(self, tmp_path: Path) -> None:
        with pytest.raises(UserError, match="no unfinished run in"):
            rundir.newest(tmp_path / "nowhere")


def test_two_runs_in_one_second_do_not_meet(tmp_path: Path) -> None:
    assert len({rundir.create(tmp_path, Plan(name="x", cells=())).path for _ in range(5)}) == 5


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cannot create .*: Not a directory; fix: name a directory"):
        rundir.create(tmp_path / "file", samples.PLAN)


@given(st.text(min_size=1), st.text(min_size=1))
def test_any_two_ids_get_two_safe_folders(one: str, two: str) -> None:
    for identity in (one, two):
        assert re.fullmatch(r"[A-Za-z0-9_=+-][A-Za-z0-9._=+-]{0,127}", cell_folder(identity))
    if safe_id(one) != safe_id(two):
        assert cell_folder(one) != cell_folder(two)
