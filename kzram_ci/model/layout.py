"""The names of the files of a run directory: the one place that spells them."""

from __future__ import annotations

from enum import StrEnum


class RunFile(StrEnum):
    """What lies in a run directory itself."""

    PLAN_YAML = "plan.yaml"  # as the user wrote it
    PLAN = "plan.json"  # expanded: reports, --resume and repro.sh need no other file
    ENVIRONMENT = "environment.json"
    RESULTS = "results.jsonl"  # one line a finished cell: the record that everything else is drawn from
    JUNIT = "junit.xml"
    HTML = "report.html"
    SUMMARY = "summary.md"
    KCIDB = "kcidb.json"
    KTAP = "results.ktap"
    BLAME = "blame.json"  # whose code the crashes are in, by signature


REPORTS = (RunFile.JUNIT, RunFile.HTML, RunFile.SUMMARY, RunFile.KCIDB, RunFile.KTAP)
FOR_PROGRAMS = frozenset({RunFile.KCIDB, RunFile.KTAP})  # nobody wants to be told of at the end of a run
CELLS = "cells"  # the folder of the cells' folders


class CellFile(StrEnum):
    """What lies in the directory of a cell, or of one of its attempts."""

    CELL = "cell.json"  # of the cell as a whole, as is the next
    REPRO = "repro.sh"
    CONSOLE = "console.log"  # raw bytes of the guest's console
    CONTROL = "control.log"
    QEMU_ARGV = "qemu.txt"
    QEMU_LOG = "qemu.log"
    CONF = "cell.conf"
    ARCHIVE = "cell.cpio"  # the cell's own part of its initramfs
    INITRD = "initrd.img"
    DISK = "disk.img"
    COUNTERS = "counters.json"
    EVIDENCE = "evidence.json"
    STDOUT = "stdout.txt"  # of a test of the plan's own, as is the next
    STDERR = "stderr.txt"
    VMCORE = "vmcore"  # the guest's memory, see `machine: {dump: on-crash}`
    HANG_REGISTERS = "hang-registers.txt"


RESULTS = "results"  # the folder of the files that came back from the guest
OOPS_GLOB = "oops-*.txt"
BOOT_FAILED, ATTEMPT, INTERRUPTED = "boot-failed-", "attempt-", "interrupted-"  # folders, with a number behind
