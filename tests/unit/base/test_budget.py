import os
from pathlib import Path

import pytest

from kzram_ci.base import budget

GIB = 1 << 30
MEMINFO = "MemTotal:       16777216 kB\nMemFree:         1048576 kB\nMemAvailable:    8388608 kB\n"
V1 = "33 31 0:30 {shown} /sys/fs/cgroup/{name} rw,relatime shared:9 - cgroup cgroup rw,{name}\n"
V2 = "41 31 0:38 {shown} /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"


@pytest.fixture(autouse=True)
def eight_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)))


def tree(root: Path, files: dict[str, str], *, group: str = "", mounts: str = "") -> Path:
    everything = {
        "proc/meminfo": MEMINFO,
        "proc/self/cgroup": group,
        "proc/self/mountinfo": f"22 1 0:20 / / rw - ext4 /dev/vda rw\n{mounts}torn line\n",
        **{f"sys/fs/cgroup/{name}": text for name, text in files.items()},
    }
    for name, text in everything.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def v2(root: Path, files: dict[str, str], group: str = "/a/b", shown: str = "/") -> Path:
    return tree(root, files, group=f"0::{group}\n", mounts=V2.format(shown=shown))


def v1(root: Path, files: dict[str, str], group: str = "/a", shown: str = "/") -> Path:
    names = ("cpu", "cpuset", "memory")
    lines = "".join(f"{n}:{name}:{group}\n" for n, name in enumerate(names, start=1))
    return tree(root, files, group=lines + "0::/\n", mounts="".join(V1.format(name=n, shown=shown) for n in names))


def test_without_groups_the_affinity_mask_and_meminfo_count(tmp_path: Path) -> None:
    root = tree(tmp_path, {})
    assert budget.cpus(root) == 8
    assert budget.memory(root) == budget.Memory(total=16 << 10, available=8 << 10)


def test_nothing_readable_is_one_processor_and_no_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {3})
    assert budget.cpus(tmp_path) == 1
    assert budget.memory(tmp_path) == budget.Memory(total=0, available=0)


@pytest.mark.parametrize(
    ("files", "count"),
    [
        ({"a/b/cpu.max": "max 100000\n"}, 8),
        ({"a/b/cpu.max": "200000 100000\n"}, 2),
        ({"a/b/cpu.max": "150000 100000\n"}, 2),
        ({"a/b/cpu.max": "1000 100000\n"}, 1),
        ({"a/b/cpu.max": "max 100000\n", "a/cpu.max": "300000 100000\n"}, 3),
        ({"a/b/cpu.max": "400000 100000\n", "a/cpu.max": "300000 100000\n"}, 3),
        ({"a/b/cpu.max": "200000\n", "a/b/cpuset.cpus.effective": "\n"}, 8),
        ({"a/b/cpuset.cpus.effective": "0-1,4,6-7\n"}, 5),
        ({"a/b/cpu.max": "nonsense\n", "a/b/cpuset.cpus.effective": "0-x\n"}, 8),
        ({"cpu.max": "100000 100000\n"}, 1),
    ],
)
def test_processors_of_a_unified_hierarchy(tmp_path: Path, files: dict[str, str], count: int) -> None:
    assert budget.cpus(v2(tmp_path, {"a/b/cgroup.procs": "", **files})) == count


@pytest.mark.parametrize(
    ("files", "count"),
    [
        ({"cpu/a/cpu.cfs_quota_us": "-1\n", "cpu/a/cpu.cfs_period_us": "100000\n"}, 8),
        ({"cpu/a/cpu.cfs_quota_us": "250000\n", "cpu/a/cpu.cfs_period_us": "100000\n"}, 3),
        ({"cpu/cpu.cfs_quota_us": "100000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 1),
        ({"cpuset/a/cpuset.cpus": "0-3\n", "cpuset/a/cpuset.effective_cpus": "0-1\n"}, 2),
        ({"cpuset/a/cpuset.cpus": "0-3\n"}, 4),
    ],
)
def test_processors_of_separate_hierarchies(tmp_path: Path, files: dict[str, str], count: int) -> None:
    assert budget.cpus(v1(tmp_path, files)) == count


@pytest.mark.parametrize("shown", ["/docker/1234", "/docker/1234/inner"])
def test_a_container_sees_its_own_group_at_the_mount_point(tmp_path: Path, shown: str) -> None:
    root = v2(tmp_path, {"cpu.max": "100000 100000"}, group="/docker/1234/inner", shown=shown)
    assert budget.cpus(root) == 1


def test_a_group_outside_of_the_namespace_is_its_mount_point(tmp_path: Path) -> None:
    root = v2(tmp_path, {"cpu.max": "300000 100000", "other/cpu.max": "100000 100000"}, group="/../other")
    assert budget.cpus(root) == 3


@pytest.mark.parametrize(
    ("files", "total", "available"),
    [
        ({"a/memory.max": "max", "a/memory.current": "5"}, 16, 8),
        ({"a/b/memory.max": str(4 * GIB), "a/b/memory.current": str(3 * GIB)}, 4, 1),
        (
            {
                "a/b/memory.max": str(4 * GIB),
                "a/b/memory.current": str(3 * GIB),
                "a/b/memory.stat": f"anon 1\ninactive_file {2 * GIB}\n",
            },
            4,
            3,
        ),
        ({"a/b/memory.max": "max", "a/b/memory.high": str(2 * GIB), "a/b/memory.current": str(3 * GIB)}, 2, 0),
        ({"a/b/memory.max": str(4 * GIB), "a/memory.max": str(2 * GIB), "a/memory.current": str(GIB)}, 2, 1),
        ({"a/b/memory.max": str(64 * GIB), "a/b/memory.current": "0"}, 16, 8),
    ],
)
def test_memory_of_a_unified_hierarchy(tmp_path: Path, files: dict[str, str], total: int, available: int) -> None:
    root = v2(tmp_path, {"a/b/cgroup.procs": "", **files})
    assert budget.memory(root) == budget.Memory(total=total << 10, available=available << 10)


@pytest.mark.parametrize(
    ("files", "total", "available"),
    [
        ({"memory/a/memory.limit_in_bytes": "9223372036854771712", "memory/a/memory.usage_in_bytes": "5"}, 16, 8),
        (
            {
                "memory/a/memory.limit_in_bytes": str(3 * GIB),
                "memory/a/memory.usage_in_bytes": str(2 * GIB),
                "memory/a/memory.stat": f"inactive_file 1\ntotal_inactive_file {GIB}\n",
            },
            3,
            2,
        ),
    ],
)
def test_memory_of_separate_hierarchies(tmp_path: Path, files: dict[str, str], total: int, available: int) -> None:
    assert budget.memory(v1(tmp_path, files)) == budget.Memory(total=total << 10, available=available << 10)


def test_on_this_host() -> None:
    assert 1 <= budget.cpus() <= 8
    found = budget.memory()
    assert 0 < found.available <= found.total
