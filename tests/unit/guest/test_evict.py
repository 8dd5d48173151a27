"""How the guest forces pages out: by which file, how much, and which page it sees on its way."""

import errno
import json
import subprocess
from pathlib import Path

import guest_programs
import pytest
from guest_programs import ROOTFS

V2, V1 = "sys/fs/cgroup", "sys/fs/cgroup/memory"


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    source = Path(guest_programs.__file__).parent / "guest" / "evict.c"
    out = tmp_path_factory.mktemp("evict") / "evict"
    return guest_programs.compile_c(out, source, ROOTFS / "src" / "common.c")


class Machine:
    """A root directory as the guest finds it, and what the program makes of it."""

    def __init__(self, driver: Path, root: Path) -> None:
        self.driver, self.root = driver, root
        self.file("pages", "mmssmmmm")
        self.file("proc/sys/vm/page-cluster", "3\n")
        self.file("proc/self/pagemap")

    def file(self, path: str, text: str = "") -> Path:
        whole = self.root / path
        whole.parent.mkdir(parents=True, exist_ok=True)
        whole.write_text(text)
        return whole

    def cgroup(self, directory: str, **files: str) -> None:
        self.file(f"{directory}/cgroup.procs")
        if directory == V2:
            self.file(f"{directory}/cgroup.subtree_control")
        self.file(f"{directory}/anonmutate/cgroup.procs")
        for name, text in files.items():
            self.file(f"{directory}/anonmutate/{name.replace('__', '.')}", text)

    def run(self, *lines: str, how: str = "memcg", pageout: int = 0) -> tuple[int, list[str]]:
        argv = (str(self.driver), str(self.root), how, str(pageout))
        done = subprocess.run(
            argv, check=False, input="\n".join(lines), capture_output=True, text=True, env=guest_programs.ENVIRONMENT
        )
        assert done.stderr == ""
        return done.returncode, [line.strip() for line in done.stdout.splitlines() if line.strip()]

    def note(self, how: str) -> str:
        return json.dumps({"ev": "note", "text": f"evicting by {how}"}, separators=(",", ":"))


@pytest.fixture
def machine(driver: Path, tmp_path: Path) -> Machine:
    return Machine(driver, tmp_path)


def test_by_madvise_where_the_kernel_has_it(machine: Machine) -> None:
    code, told = machine.run("force 2 3", how="auto")
    assert code == 0
    assert sorted(told[:2]) == sorted([machine.note("MADV_PAGEOUT"), "madvise=0+1"])
    assert told[2] == "madvise=2+3"


def test_a_cgroup_takes_its_place_where_the_kernel_has_none(machine: Machine) -> None:
    machine.cgroup(V2, memory__high="max", memory__current="40960\n")
    code, told = machine.run("force 2 3", how="auto", pageout=errno.EINVAL)
    assert code == 0
    assert machine.note("memory cgroup (memory.high)") in told
    assert told[-1] == f"memory.high={40960 - 6 * 4096} memory.high=max", (
        "all that is in memory, whatever was asked for"
    )
    assert (machine.root / V2 / "cgroup.subtree_control").read_text() == "+memory"
    assert (machine.root / V2 / "anonmutate" / "cgroup.procs").read_text() == "0"
    assert (machine.root / "proc/sys/vm/page-cluster").read_text() == "0"


@pytest.mark.parametrize(
    ("directory", "files", "file", "wrote"),
    [
        (
            V2,
            {"memory__reclaim": "", "memory__high": "", "memory__current": "1"},
            "memory.reclaim",
            "memory.reclaim=24576",
        ),
        (V2, {"memory__high": "", "memory__current": "4096"}, "memory.high", "memory.high=0 memory.high=max"),
        (
            V1,
            {"memory__limit_in_bytes": "", "memory__usage_in_bytes": "28672"},
            "memory.limit_in_bytes",
            "memory.limit_in_bytes=4096 memory.limit_in_bytes=-1",
        ),
    ],
)
def test_by_the_file_that_the_kernel_has(
    machine: Machine, directory: str, files: dict[str, str], file: str, wrote: str
) -> None:
    machine.cgroup(directory, **files)
    code, told = machine.run("force 0 1")
    assert (code, told) == (0, [machine.note(f"memory cgroup ({file})"), wrote])


def test_the_old_controller_where_the_new_has_no_memory(machine: Machine) -> None:
    machine.cgroup(V2)
    machine.cgroup(V1, memory__limit_in_bytes="", memory__usage_in_bytes="28672")
    code, told = machine.run()
    assert (code, told) == (0, [machine.note("memory cgroup (memory.limit_in_bytes)")])


def test_nothing_in_memory_is_nothing_to_do(machine: Machine) -> None:
    machine.file("pages", "ssss")
    machine.cgroup(V2, memory__reclaim="")
    assert machine.run("force 0 4", "leaves 0 4 0")[1][1:] == ["none"]


@pytest.mark.parametrize(
    ("pages", "wrote"), [("mmsmm", (16384, 8192)), ("mllm", (16384, 8192)), ("ss", ()), ("ll", (8192,))]
)
def test_all_go_as_long_as_more_goes(machine: Machine, pages: str, wrote: tuple[int, ...]) -> None:
    machine.file("pages", pages)
    machine.cgroup(V2, memory__reclaim="")
    code, told = machine.run("all")
    assert (code, "".join(told[1:])) == (0, " ".join(f"memory.reclaim={number}" for number in wrote))


@pytest.mark.parametrize("number", [errno.EAGAIN, errno.EBUSY, errno.EINTR])
def test_not_all_of_it_could_go(machine: Machine, number: int) -> None:
    machine.cgroup(V2, memory__high="", memory__current="40960")
    code, told = machine.run(f"answer {number}", "force 0 1")
    assert code == 0
    assert told[-1].endswith("memory.high=max")


def test_a_file_that_takes_nothing_is_an_error(machine: Machine) -> None:
    machine.cgroup(V2, memory__reclaim="")
    code, told = machine.run(f"answer {errno.EIO}", "force 0 1")
    assert code == 4
    assert '"cannot write 24576 to memory.reclaim: Input/output error"' in "".join(told)


def test_without_a_memory_controller_it_says_what_is_missing(machine: Machine) -> None:
    code, told = machine.run()
    assert (code, told) == (
        4,
        ['{"ev":"error","text":"no memory cgroup to force pages out with: it needs CONFIG_MEMCG"}'],
    )


@pytest.mark.parametrize(
    ("pages", "line", "number"),
    [
        ("mmmm", "leaves 0 4 0", "none"),
        ("ssss", "leaves 0 4 0", "none"),
        ("mslm", "leaves 0 4 0", "2"),
        ("mlsl", "leaves 0 4 0", "1"),
        ("mlsl", "leaves 0 4 2", "3"),
        ("mlsl", "leaves 0 4 8", "1"),
        ("lmmm", "leaves 1 3 0", "none"),
        ("m" * 70 + "l" + "m" * 9, "leaves 60 20 3", "70"),
        ("m" * 70 + "l" + "m" * 9, "leaves 0 80 0", "none"),  # the first 64 are looked at
    ],
)
def test_a_page_on_its_way_is_unmapped_and_in_the_swap_cache(
    machine: Machine, pages: str, line: str, number: str
) -> None:
    machine.file("pages", pages)
    machine.cgroup(V2, memory__reclaim="")
    assert machine.run(line)[1][1:] == [number]


def test_where_no_page_can_be_seen_any_may_be_it(machine: Machine) -> None:
    (machine.root / "proc/self/pagemap").unlink()
    machine.cgroup(V2, memory__reclaim="")
    code, told = machine.run("leaves 2 4 5")
    assert code == 0
    assert "CONFIG_PROC_PAGE_MONITOR" in told[1]
    assert told[-1] == "3"
