"""The workloads' frame on the host, where nothing is swapped: arguments, threads, reports, the end, exit codes."""

import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import guest_programs
import pytest
import requires

NAMES = ("anonmutate", "directmutate", "fsmutate", "pressure")
SMALL = ("--pages", "128", "--batch", "4", "--bulk", "8")
ENVIRONMENT = {**os.environ, **guest_programs.ENVIRONMENT}


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    where = tmp_path_factory.mktemp("workloads")
    return {name: guest_programs.program(name, where / name) for name in NAMES}


def events(out: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


def run(program: Path, *words: str) -> tuple[int, list[dict[str, Any]]]:
    argv = (str(program), *words)
    done = subprocess.run(argv, check=False, capture_output=True, timeout=60, env=ENVIRONMENT)
    assert done.stderr == b""
    return done.returncode, events(done.stdout)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--nosuch", "1"), "unknown argument --nosuch"),
        (("seed",), "unknown argument seed"),
        (("--seed",), "--seed wants a value"),
        (("--seed", "1x"), "--seed wants a number of at least 0"),
        (("--seed=-1",), "--seed wants a number of at least 0"),
        (("--seed", "99999999999999999999"), "--seed wants a number of at least 0"),
        (("--se", "1"), "unknown argument --se"),
        (('--"\\\n',), "unknown argument --???"),
    ],
)
def test_wrong_arguments(programs: dict[str, Path], name: str, words: tuple[str, ...], told: str) -> None:
    assert run(programs[name], *words) == (2, [{"ev": "error", "text": told}])


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("anonmutate", ("--mutators", "65")),
        ("anonmutate", ("--mutators", str(2**64 - 1))),  # the sum wraps around
        ("anonmutate", ("--batch", "9000")),
        ("anonmutate", ("--reclaimers", "63")),
        ("anonmutate", ("--reclaimers", str(2**64 - 1))),
        ("anonmutate", ("--pages", str(2**32))),
        ("directmutate", ("--mutators", str(2**64 - 1))),
        ("directmutate", ("--writers", "60", "--mutators", "5")),
        ("directmutate", ("--batch", str(2**63))),
        ("directmutate", ("--pages", "16", "--batch", "16")),
        ("fsmutate", ("--others", "62")),
        ("pressure", ("--threads", "65")),
    ],
)
def test_arguments_that_make_no_sense_together(programs: dict[str, Path], name: str, words: tuple[str, ...]) -> None:
    code, [event] = run(programs[name], *words)
    assert (code, event["ev"]) == (2, "error")
    assert event["text"].startswith("at most 64 threads")


def test_a_workload_reports_each_second_and_at_its_end(programs: dict[str, Path]) -> None:
    code, told = run(programs["anonmutate"], *SMALL, "--duration", "2", "--verify-threads", "2")
    assert code == 0
    assert [event["ev"] for event in told] == ["note", *["progress"] * (len(told) - 1)]
    progress = told[1:]
    assert len(progress) >= 3
    assert progress[-1]["verified"] >= progress[-2]["verified"] + 128, "all pages are verified when all has ended"
    assert progress[-1]["corrupt"] == 0
    assert progress[-1]["evicted"] > 0


def test_two_threads_on_a_page_each_verify_their_part(programs: dict[str, Path]) -> None:
    words = ("--shared", "--mutators", "3", "--verify-threads", "2", "--reclaimers", "1", "--duration", "2")
    code, told = run(programs["anonmutate"], *SMALL, *words)
    assert code == 0
    assert [event["ev"] for event in told] == ["note", *["progress"] * (len(told) - 1)], "no corruption"
    assert told[-1]["verified"] >= told[-2]["verified"] + 2 * 128, "both parts of all pages"
    assert told[-1]["mutated"] > 0
    assert told[-1]["corrupt"] == told[-1]["large_swapped_out"] == 0


def test_without_its_instrument_there_is_no_window_and_it_says_so(programs: dict[str, Path]) -> None:
    code, told = run(programs["anonmutate"], *SMALL, "--window-us", "100", "--duration", "1")
    assert code == 0
    assert told[0] == {"ev": "note", "text": "no window: this kernel is built without the series async-window"}
    assert told[-1]["mutated"] > 0


def test_sigterm_is_its_end_and_it_still_verifies(programs: dict[str, Path]) -> None:
    child = subprocess.Popen((str(programs["anonmutate"]), *SMALL), stdout=subprocess.PIPE, env=ENVIRONMENT)
    assert child.stdout
    first = [json.loads(child.stdout.readline()), json.loads(child.stdout.readline())]
    child.send_signal(signal.SIGTERM)
    rest = events(child.communicate(timeout=60)[0])
    assert child.returncode == 0
    assert first[0] == {"ev": "note", "text": "evicting by MADV_PAGEOUT"}
    assert rest[-1]["verified"] >= first[1]["verified"] + 128


class TestOnAFile:
    """directmutate takes any file that takes O_DIRECT."""

    @pytest.fixture
    def disk(self, tmp_path: Path) -> Path:
        path = tmp_path / "disk"
        path.write_bytes(bytes(64 * 4096))
        try:
            os.close(os.open(path, os.O_RDWR | os.O_DIRECT))
        except OSError as error:
            requires.lacking("odirect", f"{tmp_path}: {error.strerror}")
        return path

    def start(self, program: Path, disk: Path, *words: str) -> "subprocess.Popen[bytes]":
        argv = (str(program), "--device", str(disk), "--pages", "64", "--batch", "4", *words)
        with (disk.parent / "out").open("wb") as out:
            return subprocess.Popen(argv, stdout=out, env=ENVIRONMENT)

    def finish(self, child: "subprocess.Popen[bytes]", disk: Path) -> tuple[int, list[dict[str, Any]]]:
        return child.wait(timeout=60), events((disk.parent / "out").read_bytes())

    def test_what_was_written_is_read_back(self, programs: dict[str, Path], disk: Path) -> None:
        child = self.start(programs["directmutate"], disk, "--duration", "1")
        code, told = self.finish(child, disk)
        assert code == 0
        assert told[-1]["verified"] > 0
        assert told[-1]["corrupt"] == told[-1]["hot_read_errors"] == 0
        assert told[-1]["hot_reads"] > 0

    @pytest.mark.parametrize("words", [(), ("--keep-going", "--duration", "2")])
    def test_damage_is_corruption(self, programs: dict[str, Path], disk: Path, words: tuple[str, ...]) -> None:
        child = self.start(programs["directmutate"], disk, *words)
        with disk.open("r+b", buffering=0) as file:
            until = time.monotonic() + 60
            while child.poll() is None and time.monotonic() < until:
                for block in range(1, 16, 2):  # the control blocks
                    os.pwrite(file.fileno(), bytes(4096), block * 4 * 4096)
                time.sleep(0.01)
        code, told = self.finish(child, disk)
        assert code == 3
        damage = [event for event in told if event["ev"] == "corruption"]
        assert damage[0]["page"] % 8 == 4, "the first page of a control block"
        assert damage[0]["got"] == "0" * 16
        assert (told[-1]["ev"] == "progress") is bool(words)

    def test_a_device_that_is_not_there(self, programs: dict[str, Path], tmp_path: Path) -> None:
        code, told = self.finish(self.start(programs["directmutate"], tmp_path / "none"), tmp_path / "none")
        assert code == 4
        assert told[-1]["text"].startswith("cannot open ")


FS_MODES = ("odirect", "mmap", "buffered", "gup", "metadata", "inplace")


class TestFiles:
    """fsmutate on a directory of the host: its load and its checks, not the race."""

    @pytest.fixture
    def where(self) -> Iterator[Path]:
        """Open to other users, as pytest's own directories are not."""
        with tempfile.TemporaryDirectory() as name:
            path = Path(name)
            path.chmod(0o755)
            try:
                os.close(os.open(path / "probe", os.O_RDWR | os.O_CREAT | os.O_DIRECT))
            except OSError as error:
                requires.lacking("odirect", f"{path}: {error.strerror}")
            yield path

    def words(self, where: Path, mode: str) -> tuple[str, ...]:
        return ("--dir", str(where), "--mode", mode, "--pages", "128", "--batch", "4", "--names", "8")

    @pytest.mark.parametrize("mode", FS_MODES)
    def test_what_was_written_is_read_back(self, programs: dict[str, Path], where: Path, mode: str) -> None:
        code, told = run(programs["fsmutate"], *self.words(where, mode), "--duration", "1")
        assert code == 0, told
        last = told[-1]
        assert last["written"] > 0
        assert last["verified"] > (0 if mode in ("metadata", "inplace") else 128 // 4)
        assert last["corrupt"] == last["other_corrupt"] == last["errors"] == 0
        assert (last["synced"] > 0) is (mode != "odirect")

    @pytest.mark.parametrize(("mode", "file"), [("odirect", "kept.0"), ("mmap", "shared.0"), ("mmap", "other.0")])
    def test_damage_is_corruption_and_whose_it_is(
        self, programs: dict[str, Path], where: Path, mode: str, file: str
    ) -> None:
        argv = (str(programs["fsmutate"]), *self.words(where, mode), "--mutators", "0", "--keep-going")
        child = subprocess.Popen(argv, stdout=subprocess.PIPE, env={**ENVIRONMENT, "KZRAM_UID": "0"})
        assert child.stdout
        first = child.stdout.readline()
        assert json.loads(first)["corrupt"] == 0
        owner = "1" if file.startswith("other") else "0"
        child.send_signal(signal.SIGSTOP)
        with (where / owner / file).open("r+b", buffering=0) as damaged:
            for page in range(0, 32, 4):
                os.pwrite(damaged.fileno(), bytes(8), page * 4096 + 1024)
            os.fsync(damaged.fileno())
        child.send_signal(signal.SIGTERM)
        child.send_signal(signal.SIGCONT)
        told = events(child.communicate(timeout=60)[0])
        assert child.returncode == 3
        assert told[-1]["corrupt"] > 0
        assert (told[-1]["other_corrupt"] > 0) is (owner == "1")
        assert [event["ev"] for event in told].count("corruption") == told[-1]["corrupt"]

    def test_a_mode_that_does_not_exist(self, programs: dict[str, Path], where: Path) -> None:
        assert run(programs["fsmutate"], *self.words(where, "direct")) == (
            2,
            [{"ev": "error", "text": "unknown mode direct"}],
        )
