"""The words for what happened (`Outcome`) and what it means against the plan (`Verdict`)."""

from __future__ import annotations

from enum import StrEnum


class Outcome(StrEnum):
    """What happened. A cell is born NOT_RUN."""

    NOT_RUN = "not-run"
    PASS = "pass"
    FAIL = "fail"
    CORRUPTION = "corruption"
    OOPS = "oops"
    HANG = "hang"
    INCONCLUSIVE = "inconclusive"
    BOOT_FAILED = "boot-failed"
    LOST = "lost"
    INFRA = "infra"
    PATCH_FAILED = "patch-failed"
    CONFIG_UNMET = "config-unmet"
    BUILD_FAILED = "build-failed"
    SKIPPED = "skipped"


class Verdict(StrEnum):
    """What it means. An expected oops that did not come is a finding, never ok."""

    OK = "ok"
    FINDING = "finding"
    INCONCLUSIVE = "inconclusive"
    ERROR = "error"
    SKIPPED = "skipped"


KERNEL_OUTCOMES = frozenset({Outcome.PATCH_FAILED, Outcome.CONFIG_UNMET, Outcome.BUILD_FAILED})
HOST_OUTCOMES = frozenset({Outcome.BOOT_FAILED, Outcome.LOST, Outcome.INFRA, Outcome.NOT_RUN})
