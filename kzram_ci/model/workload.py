"""What runs in the guest: zram set-up, fault injection, workload, stop conditions."""

from __future__ import annotations

from enum import StrEnum

from kzram_ci.base.values import dataclass


class Fault(StrEnum):
    """Which injector makes zram's atomic path fail."""

    NONE = "none"
    FAILSLAB = "failslab"
    FAIL_PAGE_ALLOC = "fail_page_alloc"


@dataclass(frozen=True, slots=True, kw_only=True)
class ZramSpec:
    """The zram device. `stable_writes` is written to queue/stable_writes before swapon; None leaves it.

    `present` is False for a test that does not ask for a device: none is set up then, and a kernel needs none.
    """

    size_mib: int = 512
    algorithm: str = "lzo-rle"
    stable_writes: bool | None = None
    swap: bool = True
    present: bool = True


# Workloads that are not programs of ours: what a plan brings, and what the kernel's own tree brings.
KUNIT, KSELFTEST = "kunit", "kselftest"
OWN_TESTS = ("script", KUNIT, KSELFTEST)
OF_THE_KERNEL = frozenset({KUNIT, KSELFTEST})  # their tests must tell of themselves


@dataclass(frozen=True, slots=True, kw_only=True)
class SentFile:
    """A file of the user's that goes into the guest: its path there, and where it was when the plan was read."""

    path: str
    source: str
    sha256: str
    mode: int = 0o644


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnTest:
    """A test that is not a program of ours. `run` are the words of its command, `results` the files that come back.

    `files` and `programs` are as the plan has them; `sent` is what they came to. `suites`: KUnit's, as a glob; empty
    for all that the kernel has. `collections`: kselftest's, or COLLECTION:TEST, as globs; `test_timeout`: seconds for
    each of them, 0 for those that the tree gives it.
    """

    run: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()
    results: tuple[str, ...] = ()
    sent: tuple[SentFile, ...] = ()
    suites: str = ""
    collections: tuple[str, ...] = ()
    test_timeout: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class FilesystemSpec:
    """A file system on the zram device, in place of swap. `options` are words for its mkfs, `mount` the mount's own."""

    kind: str
    options: tuple[str, ...] = ()
    mount: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultSpec:
    """Fault injection on zram's atomic allocation; probability in percent."""

    kind: Fault = Fault.NONE
    probability: int = 100
    interval: int = 1
    times: int = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadSpec:
    """A workload and when it has done enough.

    `stop`: pairs (counter, at least); the workload ends when all are reached, or after `duration_s` of
    guest time. `args` are passed to the program after `--seed N`. `uid`: the user that the readers are, and that a
    workload becomes which can.
    """

    program: str
    args: tuple[str, ...] = ()
    zram: ZramSpec = ZramSpec()
    fault: FaultSpec = FaultSpec()
    stop: tuple[tuple[str, int], ...] = ()
    duration_s: int = 60
    sample_ms: int = 250
    readers: int = 0
    filesystem: FilesystemSpec | None = None
    uid: int = 0
    own: OwnTest | None = None
