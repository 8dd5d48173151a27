"""`kzram-ci doctor`: what is here, what is missing, how to get it."""

from __future__ import annotations

import argparse
import json

from kzram_ci.base.cache import cache_root
from kzram_ci.base.clock import Deadline
from kzram_ci.base.values import dataclass
from kzram_ci.host import doctor
from kzram_ci.host.doctor import Check
from kzram_ci.model import codec
from kzram_ci.model.arch import ARCHS, arch_of

DEADLINE_SECONDS = 120.0
EXIT_MISSING = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class DoctorRequest:
    """What to check: a host for guests of these architectures."""

    archs: tuple[str, ...] = ("x86_64",)
    as_json: bool = False


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "doctor",
        help="check what this host has and what is missing",
        description="Check every prerequisite and prove, by booting a tiny guest, whether acceleration works.",
        epilog="exit codes: 0 all there · 2 something required is missing\n\nexample: kzram-ci doctor --json",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", action="store_true", help="print for programs")
    parser.add_argument(
        "--arch", action="append", choices=[row.name for row in ARCHS], help="architecture of guests (default x86_64)"
    )
    parser.set_defaults(func=main)


def main(args: argparse.Namespace) -> int:
    """The command."""
    archs = tuple(args.arch) if args.arch else DoctorRequest().archs
    return examine(DoctorRequest(archs=archs, as_json=args.json))


def examine(request: DoctorRequest) -> int:
    """Run the checks and print them."""
    deadline = Deadline.after(DEADLINE_SECONDS)
    checks = doctor.examine(request.archs, cache=cache_root(), deadline=deadline)
    have_qemu = {check.name for check in checks if check.ok}
    cache, archs = cache_root(), [name for name in request.archs if arch_of(name).qemu in have_qemu]
    checks += tuple(doctor.acceleration(name, cache=cache, deadline=deadline) for name in archs)
    ok = all(check.ok for check in checks if check.required)
    if request.as_json:
        print(json.dumps({"ok": ok, "checks": [codec.to_json(check) for check in checks]}, indent=2))
    else:
        _print(checks)
    return 0 if ok else EXIT_MISSING


def _print(checks: tuple[Check, ...]) -> None:
    width = max(len(check.name) for check in checks)
    for check in checks:
        mark = "ok     " if check.ok else ("MISSING" if check.required else "no     ")
        fix = f"  -> {check.fix}" if check.fix else ""
        print(f"{mark} {check.name:<{width}}  {check.version:<20} {check.why}{fix}".rstrip())
        for line in check.detail.splitlines():
            print(f"{'':<8}{line}")
    command = doctor.missing_command(checks)
    if command:
        print(f"\ninstall what is missing: {command}")
