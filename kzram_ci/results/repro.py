"""`repro.sh`: a cell again, by the kzram-ci that made it unless $KZRAM_CI names another."""

from __future__ import annotations

import shlex
import sys

from kzram_ci.model.layout import RunFile
from kzram_ci.results.reports.sanitize import one_line


def repro_script(cell_id: str, *, command: str = "") -> str:
    """The text of the script. `command`: QEMU's command line, as a comment for people."""
    comment = ["# The boot itself:", *(f"#   {line}" for line in command.splitlines())] if command.strip() else []
    python = shlex.quote(sys.executable)
    lines = (
        "#!/bin/sh",
        f"# Runs cell {one_line(cell_id)} again, in a new run directory under ./runs; arguments are passed on.",
        *comment,
        "set -eu",
        'run=$(CDPATH= cd -- "$(dirname -- "$0")/../.." && pwd)',
        f'set -- run {shlex.quote(f"--cell={cell_id}")} "$@" "$run/{RunFile.PLAN}"',
        'if [ -n "${KZRAM_CI:-}" ]; then exec "$KZRAM_CI" "$@"; fi',
        f'if [ -x {python} ]; then exec {python} -m kzram_ci "$@"; fi',
        'exec kzram-ci "$@"',
    )
    return "\n".join(lines) + "\n"
