"""kzwatch on the host: descriptor 3 is a pipe, and the kernel's files are a directory of the test's."""

import fcntl
import json
import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import guest_programs
import pytest
import requires
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

F_SETPIPE_SZ = 1031
SECONDS = 60.0  # far more than any of these takes
PATIENCE_MS = 300  # with a host that does not read


@pytest.fixture(scope="module")
def kzwatch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program; what it reads of the kernel lies below `root` beside it."""
    directory = tmp_path_factory.mktemp("kzwatch")
    flags = (f'-DROOT="{directory / "root"}"', f"-DPATIENCE_MS={PATIENCE_MS}")
    return guest_programs.program("kzwatch", directory / "kzwatch", flags=flags)


@pytest.fixture
def root(kzwatch: Path) -> Iterator[Path]:
    path = kzwatch.parent / "root"
    write(path, {"proc/uptime": "1 1"})
    yield path
    subprocess.run(("rm", "-r", str(path)), check=True)


def gone(process: int) -> bool:
    """Whether a process has ended; its parent may not have asked for its status yet."""
    try:
        return Path(f"/proc/{process}/stat").read_text().split()[2] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


class Port:
    """The host's end of the control port. `listen` reads on; until then nothing is read."""

    def __init__(self, size: int = 1 << 16) -> None:
        self.ours, theirs = os.pipe()
        self.theirs = fcntl.fcntl(theirs, fcntl.F_DUPFD_CLOEXEC, 20)  # clear of 3, which the child has
        os.close(theirs)
        fcntl.fcntl(self.ours, F_SETPIPE_SZ, size)
        self.data = b""
        self._reader: threading.Thread | None = None

    def listen(self) -> None:
        def read() -> None:
            while more := os.read(self.ours, 1 << 16):
                self.data += more

        self._reader = threading.Thread(target=read)
        self._reader.start()

    def close(self) -> None:
        """Our copy of the guest's end goes; then the reader sees the end."""
        if self.theirs >= 0:
            os.close(self.theirs)
            self.theirs = -1

    def finish(self) -> bytes:
        if self._reader is None:
            self.listen()
        self.close()
        assert self._reader is not None
        self._reader.join(timeout=SECONDS)
        assert not self._reader.is_alive(), "somebody still holds the control port"
        os.close(self.ours)
        return self.data


class Watch:
    """One run of kzwatch."""

    def __init__(self, kzwatch: Path, *words: str, port: Port | None = None) -> None:
        self.port = port or Port()
        self.stderr = tempfile.TemporaryFile()  # noqa: SIM115 # closed by wait()
        bash = (requires.tool("bash"), "-c", f'exec "$@" 3>&{self.port.theirs} {self.port.theirs}>&-', "-")
        self.child = subprocess.Popen(
            (*bash, str(kzwatch), *words),
            pass_fds=(self.port.theirs,),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self.stderr,
            env={**os.environ, **guest_programs.ENVIRONMENT},
        )
        self.port.close()

    def wait(self) -> int:
        code = self.child.wait(timeout=SECONDS)
        self.stderr.seek(0)
        told = self.stderr.read().decode()
        self.stderr.close()
        assert "Sanitizer" not in told and "runtime error" not in told, told
        return code

    def lines(self) -> list[bytes]:
        return self.port.finish().splitlines()

    def result(self) -> tuple[int, list[dict[str, Any]]]:
        """Exit code, and all events; a line that is not a JSON object fails."""
        self.port.listen()
        code = self.wait()
        events = [json.loads(line) for line in self.lines()]
        assert all(isinstance(event["ev"], str) and event["t"] >= 0 for event in events)
        return code, events


def run(kzwatch: Path, *words: str) -> tuple[int, list[dict[str, Any]]]:
    return Watch(kzwatch, *words).result()


def of(events: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [event for event in events if event["ev"] == kind]


def shell(script: str) -> tuple[str, ...]:
    return ("--", "sh", "-c", script)


STAT = "    10   0   80   1    20    0   160   2   0  3  4\n"
KERNEL = {
    "sys/block/zram0/mm_stat": "  4096  74  12288  0  12288  1  0  2\n",
    "sys/block/zram0/io_stat": "       0        1        0       13\n",
    "sys/block/zram0/debug_stat": "version: 1\n       6        2\n",
    "sys/block/zram0/stat": STAT,
    "proc/vmstat": "nr_free_pages 9\nnr_zspages 4\npswpin 5\npswpout 60\npswpout_other 7\noom_kill 0\n",
    "proc/meminfo": "MemTotal:       100 kB\nMemFree:         50 kB\nMemAvailable:    60 kB\nSwapFree:        70 kB\n",
    "proc/pressure/memory": "some avg10=0.00 avg60=0.00 total=123\nfull avg10=0.00 avg60=0.00 total=45\n",
}
COUNTERS = {
    "zram.orig_data_size": 4096,
    "zram.compr_data_size": 74,
    "zram.mem_used_total": 12288,
    "zram.mem_limit": 0,
    "zram.mem_used_max": 12288,
    "zram.same_pages": 1,
    "zram.pages_compacted": 0,
    "zram.huge_pages": 2,
    "zram.failed_reads": 0,
    "zram.failed_writes": 1,
    "zram.invalid_io": 0,
    "zram.notify_free": 13,
    "zram.writestall": 6,
    "zram.miss_free": 2,
    "zram.reads": 10,
    "zram.read_sectors": 80,
    "zram.writes": 20,
    "zram.write_sectors": 160,
    "vmstat.nr_zspages": 4,
    "vmstat.pswpin": 5,
    "vmstat.pswpout": 60,
    "vmstat.oom_kill": 0,
    "mem.free_kb": 50,
    "mem.available_kb": 60,
    "mem.swap_free_kb": 70,
    "psi.memory.some_us": 123,
    "psi.memory.full_us": 45,
}


class TestCounters:
    def test_all_that_the_kernel_counts(self, kzwatch: Path, root: Path) -> None:
        write(root, KERNEL)
        code, events = run(kzwatch, *shell("exit 0"))
        assert code == 0
        assert of(events, "sample")[-1]["counters"] == COUNTERS

    def test_a_kernel_that_counts_less(self, kzwatch: Path, root: Path) -> None:
        write(root, {"proc/vmstat": "pswpout 1\n", "sys/block/zram0/debug_stat": "version: 1\n       6\n"})
        _, events = run(kzwatch, *shell("exit 0"))
        assert of(events, "sample")[-1]["counters"] == {"vmstat.pswpout": 1, "zram.writestall": 6}

    def test_every_file_of_the_instrument(self, kzwatch: Path, root: Path) -> None:
        debug = "sys/kernel/debug/zram_overrun"
        write(root, {f"{debug}/recompressions": "51204\n", f"{debug}/grew": "7\n", "sys/kernel/debug/f/times": "990\n"})
        _, events = run(kzwatch, "--fault-file", "/sys/kernel/debug/f/times", "--fault-times", "1000", *shell("exit 0"))
        assert of(events, "sample")[-1]["counters"] == {"recompressions": 51204, "grew": 7, "fault.injected": 10}

    def test_samples_show_what_is_there_now(self, kzwatch: Path, root: Path) -> None:
        write(root, {"proc/vmstat": "pswpout 1\n", "sys/kernel/debug/zram_overrun/grew": "1\n"})
        change = f"cd {root}; sleep 0.2; echo pswpout 2 >proc/vmstat; echo 2 >sys/kernel/debug/zram_overrun/grew"
        _, events = run(kzwatch, "--sample", "10", *shell(f"{change}; sleep 0.2"))
        seen = [sample["counters"] for sample in of(events, "sample")]
        assert seen[0] == {"vmstat.pswpout": 1, "grew": 1}
        assert seen[-1] == {"vmstat.pswpout": 2, "grew": 2}
        assert len(seen) > 10


class TestStops:
    GREW = "sys/kernel/debug/zram_overrun/grew"

    def stop(self, events: list[dict[str, Any]]) -> tuple[str, int]:
        (event,) = of(events, "stop")
        assert events[-1] is event
        assert events[-2]["ev"] in ("sample", "note"), "the last counters come before the end"
        return event["why"], event["code"]

    def test_a_workload_that_ends_by_itself(self, kzwatch: Path, root: Path) -> None:
        code, events = run(kzwatch, "--stop", "", "--duration", "", *shell("exit 3"))
        assert (code, self.stop(events)) == (3, ("workload", 3))

    def test_exposure_ends_it_when_every_floor_is_reached(self, kzwatch: Path, root: Path) -> None:
        write(root, {self.GREW: "0\n", "proc/vmstat": "pswpout 100\n"})
        grow = f"trap 'exit 0' TERM; sleep 0.3; echo 5 >{root / self.GREW}; while :; do sleep 0.05; done"
        floors = ("--stop", "vmstat.pswpout=100 grew=5")
        code, events = run(kzwatch, *floors, "--sample", "10", *shell(grow))
        assert (code, self.stop(events)) == (0, ("exposure", 0))
        before = [sample["counters"]["grew"] for sample in of(events, "sample")]
        assert before[:5] == [0] * 5
        assert before[-1] == 5

    def test_a_floor_that_is_not_reached_leaves_it_to_the_clock(self, kzwatch: Path, root: Path) -> None:
        write(root, {self.GREW: "5\n"})
        clock = ("--duration", "1", "--sample", "10", *shell("exec sleep 60"))
        floors = ("grew=5 nosuch=1", "gre=1", "grewn=1", "grew", "grew=6")
        for watch in [Watch(kzwatch, "--stop", floor, *clock) for floor in floors]:
            code, events = watch.result()
            assert (code, self.stop(events)) == (128 + 15, ("duration", 128 + 15))
            assert of(events, "stop")[0]["ran_ms"] >= 1000

    def test_a_workload_has_its_grace_to_verify(self, kzwatch: Path, root: Path) -> None:
        slow = "trap 'sleep 0.5; exit 3' TERM; while :; do sleep 0.05; done"
        code, events = run(kzwatch, "--duration", "1", "--grace", "50", *shell(slow))
        assert (code, self.stop(events)) == (3, ("duration", 3))
        assert not of(events, "note")

    def test_and_no_more_than_its_grace(self, kzwatch: Path, root: Path) -> None:
        deaf = "trap '' TERM; while :; do sleep 0.05; done"
        code, events = run(kzwatch, "--duration", "1", "--grace", "1", "--sample", "20", *shell(deaf))
        assert (code, self.stop(events)) == (128 + 9, ("duration", 128 + 9))
        (note,) = of(events, "note")
        assert note["text"] == "the workload did not end within 1 s of SIGTERM: killed"


class TestTheChild:
    @pytest.mark.parametrize(("script", "code"), [("exit 0", 0), ("exit 4", 4), ("kill -SEGV $$", 128 + 11)])
    def test_its_exit_is_ours(self, kzwatch: Path, root: Path, script: str, code: int) -> None:
        found, events = run(kzwatch, *shell(script))
        assert found == of(events, "stop")[0]["code"] == code

    def test_a_program_that_is_not_there(self, kzwatch: Path, root: Path) -> None:
        code, events = run(kzwatch, "--", "/no/such/program")
        assert code == 4
        assert of(events, "error")[0]["text"] == "cannot run the workload: No such file or directory"

    def test_what_it_inherits(self, kzwatch: Path, root: Path) -> None:
        """No control port, default signals, nothing blocked, and the OOM killer's first choice."""
        script = "ls /proc/self/fd; grep -E '^Sig(Blk|Ign)' /proc/self/status; cat /proc/self/oom_score_adj"
        _, events = run(kzwatch, *shell(script))
        notes = [event["text"] for event in of(events, "note")]
        assert "3" in notes, "ls has its own directory open there"  # 0 1 2 and that one
        assert "4" not in notes
        masks = [int(note.split("\t")[1], 16) for note in notes if note.startswith("Sig")]
        # glibc keeps 32 and 33 for its threads and refuses to change them: what the parent left there stays
        assert [mask & ~(0b11 << 31) for mask in masks] == [0, 0]
        assert notes[-1] == "500"

    def test_its_whole_group_goes_with_it(self, kzwatch: Path, root: Path) -> None:
        _, events = run(kzwatch, *shell("sleep 600 & echo $!"))
        left = int(of(events, "note")[0]["text"])
        # a signal that was sent is on its way until its process runs: on a busy host that takes a moment
        until = time.monotonic() + SECONDS
        while not gone(left) and time.monotonic() < until:
            time.sleep(0.02)
        assert gone(left)

    def test_who_left_the_group_and_holds_the_pipe_does_not_keep_us(self, kzwatch: Path, root: Path) -> None:
        code, events = run(kzwatch, *shell("setsid sh -c 'echo $$; exec sleep 600' & sleep 0.3; exit 7"))
        os.kill(int(of(events, "note")[0]["text"]), 9)
        assert code == 7

    def test_closing_its_output_is_not_its_end(self, kzwatch: Path, root: Path) -> None:
        code, events = run(kzwatch, "--sample", "20", *shell("exec >&-; sleep 0.4; exit 5"))
        assert code == 5
        assert len(of(events, "sample")) > 5


class TestForwarding:
    def test_events_get_the_time_put_in(self, kzwatch: Path, root: Path) -> None:
        _, events = run(kzwatch, *shell("""echo '{"ev":"progress","mutated":5}'; echo '{"ev":"x"}'"""))
        assert of(events, "progress")[0]["mutated"] == 5
        assert set(of(events, "x")[0]) == {"ev", "t"}

    def test_all_else_is_a_note(self, kzwatch: Path, root: Path) -> None:
        lines = r'plain\n{"ev":"torn\n{"ev":"open",\n"quoted" \\ \001 \377 \303\251\n\nlast, without its newline'
        _, events = run(kzwatch, *shell(f"printf '{lines}'"))
        texts = [event["text"] for event in of(events, "note")]
        assert texts == [
            "plain",
            '{"ev":"torn',
            '{"ev":"open",',
            '"quoted" \\ \x01 \xff \xc3\xa9',  # byte by byte: it may be anything
            "last, without its newline",
        ]

    def test_a_line_may_come_in_parts(self, kzwatch: Path, root: Path) -> None:
        parts = """printf '{"ev":"pro'; sleep 0.2; printf 'gress","a":1'; sleep 0.2; echo '}'"""
        _, events = run(kzwatch, *shell(parts))
        assert of(events, "progress")[0]["a"] == 1
        assert not of(events, "note")

    def test_a_line_without_end_is_cut(self, kzwatch: Path, root: Path) -> None:
        _, events = run(kzwatch, *shell("head -c 20000 /dev/zero | tr '\\0' x; echo; echo after"))
        notes = of(events, "note")
        assert len(notes) == 4
        assert notes[-1]["text"] == "after"
        assert {*notes[0]["text"]} == {"x"}

    @given(data=st.binary(max_size=300))
    @settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_whatever_it_prints_the_port_carries_json(self, kzwatch: Path, root: Path, data: bytes) -> None:
        (root / "said").write_bytes(b"".join(b"." + line + b"\n" for line in data.split(b"\n")))
        code, events = run(kzwatch, "--", "cat", str(root / "said"))
        assert code == 0
        assert len(of(events, "note")) >= 1


class TestADeafHost:
    def test_it_costs_lines_and_not_the_run(self, kzwatch: Path, root: Path) -> None:
        """The first lost line is waited for, the later ones are not; when the host reads again it is told."""
        port = Port(4096)
        os.set_blocking(port.theirs, False)
        assert os.write(port.theirs, b"-" * 4095 + b"\n") == 4096
        watch = Watch(kzwatch, "--sample", "50", *shell("sleep 1.2; echo heard"), port=port)
        threading.Event().wait(0.9)  # past its patience
        port.listen()
        assert watch.wait() == 0
        events = [json.loads(line) for line in watch.lines()[1:]]
        lost = [event["text"] for event in of(events, "note") if "lines were lost" in event["text"]]
        assert "heard" in {event["text"] for event in of(events, "note")}
        assert lost
        assert int(lost[0].split()[0]) >= 1
        assert of(events, "stop")[0]["code"] == 0

    def test_for_good(self, kzwatch: Path, root: Path) -> None:
        port = Port(4096)
        os.set_blocking(port.theirs, False)
        os.write(port.theirs, b"-" * 4096)
        assert Watch(kzwatch, "--sample", "20", *shell("sleep 0.2; exit 3"), port=port).wait() == 3
        assert port.finish() == b"-" * 4096

    def test_a_torn_line_spoils_no_other(self, kzwatch: Path, root: Path) -> None:
        """A line longer than what fits: the host gets a part, reads later, and then only whole lines."""
        for number in range(57):
            write(root, {f"sys/kernel/debug/zram_overrun/{'long_name_' * 5}{number:03}": f"{2**62}\n"})
        watch = Watch(kzwatch, "--sample", "100", *shell("sleep 1.2; exit 0"), port=Port(4096))
        threading.Event().wait(0.9)
        watch.port.listen()
        assert watch.wait() == 0
        first, *rest = watch.lines()
        assert len(first) == 4096
        with pytest.raises(ValueError, match=r"Unterminated|delimiter|Expecting"):
            json.loads(first)
        events = [json.loads(line) for line in rest]
        assert len(of(events, "sample")) > 1
        assert all(len(sample["counters"]) == 57 for sample in of(events, "sample"))


class TestEmit:
    def test_text_and_json(self, kzwatch: Path, root: Path) -> None:
        words = ("ready", 'zram:={"swap":1}', "fault=none", 'a="b\\', "empty=", "equals=a=b", "code:=0")
        code, (event,) = run(kzwatch, "--emit", *words)
        del event["t"]
        want = {"zram": {"swap": 1}, "fault": "none", "a": '"b\\', "empty": "", "equals": "a=b", "code": 0}
        assert (code, event) == (0, {"ev": "ready", **want})

    def test_a_word_without_a_value(self, kzwatch: Path, root: Path) -> None:
        assert run(kzwatch, "--emit", "boot", "release") == (2, [])

    def test_without_a_port(self, kzwatch: Path) -> None:
        done = subprocess.run((str(kzwatch), "--emit", "boot"), check=False, capture_output=True, close_fds=True)
        assert done.returncode == 4
        assert b"no control port at descriptor 3" in done.stderr


@pytest.mark.parametrize(
    "words",
    [(), ("--",), ("true",), ("--stop",), ("--sample", "0", "--", "true"), ("--frob", "1", "--", "true")],
    ids=" ".join,
)
def test_wrong_arguments(kzwatch: Path, root: Path, words: tuple[str, ...]) -> None:
    assert run(kzwatch, *words) == (2, [])


def test_as_another_user(kzwatch: Path) -> None:
    """For readers of the disk: no control port, no rights."""
    done = subprocess.run(
        (str(kzwatch), "--as", "1000", "--", "id", "-u"), check=False, capture_output=True, timeout=60
    )
    if os.getuid():
        assert (done.returncode, b"cannot become user 1000" in done.stderr) == (4, True)
    else:
        assert (done.returncode, done.stdout) == (0, b"1000\n")
