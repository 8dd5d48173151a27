import shlex

from builders import a_cell
from hypothesis import given
from hypothesis import strategies as st

from kzram_ci.guest.conf import cell_conf, quoted
from kzram_ci.model.workload import Fault, FaultSpec, FilesystemSpec, WorkloadSpec, ZramSpec


def conf(work: WorkloadSpec) -> dict[str, str]:
    text = cell_conf(a_cell(workload=work, seed=7), "abc")
    return dict(word.split("=", 1) for line in text.splitlines() for word in shlex.split(line))


def test_every_value_of_the_contract() -> None:
    work = WorkloadSpec(
        program="anonmutate",
        args=("--pages", "8192"),
        zram=ZramSpec(size_mib=256, algorithm="lz4", stable_writes=False, swap=False),
        fault=FaultSpec(kind=Fault.FAILSLAB, probability=50, interval=2, times=9),
        stop=(("recompressions", 50000), ("grew", 200)),
        duration_s=30,
        readers=2,
    )
    assert conf(work) == {
        "NONCE": "abc",
        "ZRAM_SIZE": "256M",
        "ZRAM_ALGO": "lz4",
        "ZRAM_STABLE_WRITES": "0",
        "ZRAM": "1",
        "SWAP": "0",
        "FAULT": "failslab",
        "FAULT_PROBABILITY": "50",
        "FAULT_INTERVAL": "2",
        "FAULT_TIMES": "9",
        "WORKLOAD": "anonmutate --seed 7 --pages 8192",
        "STOP": "recompressions=50000 grew=200",
        "DURATION_S": "30",
        "SAMPLE_MS": "250",
        "READERS": "2",
        "MODULES": "",
        "SHELL": "0",
    }


def test_stable_writes_left_alone_is_empty() -> None:
    assert conf(WorkloadSpec(program="pressure"))["ZRAM_STABLE_WRITES"] == ""


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\0")))
def test_quoting_survives_a_shell(value: str) -> None:
    assert shlex.split("X=" + quoted(value)) == ["X=" + value]


def test_a_line_for_the_guests_shell_of_any_length() -> None:
    line = "echo 'it''s' $HOME; " + "x" * 10_000
    text = cell_conf(a_cell(), "abc", interactive=True, command=line)
    assert f"COMMAND={quoted(line)}\n" in text
    assert "COMMAND=" not in cell_conf(a_cell(), "abc", interactive=True)


def test_a_file_system_and_a_user() -> None:
    spec = FilesystemSpec(kind="ext4", options=("-O", "^has_journal"), mount=("noatime", "data=journal"))
    found = conf(WorkloadSpec(program="fsmutate", filesystem=spec, uid=1000))
    assert {name: found[name] for name in ("FS_KIND", "FS_MKFS", "FS_MOUNT", "RUN_AS")} == {
        "FS_KIND": "ext4",
        "FS_MKFS": "/usr/lib/kzram/mkfs.ext4 -q -F -O ^has_journal",
        "FS_MOUNT": "noatime,data=journal",
        "RUN_AS": "1000",
    }
