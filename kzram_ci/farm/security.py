"""Certificates: a directory of them between machines, throw-away ones between the processes of one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from kzram_ci.base import files
from kzram_ci.base.errors import UserError

CA, CERT, KEY = "ca.pem", "cert.pem", "key.pem"
# On one host nobody vanishes without a word, and one that is busy may not read for longer than dask's half a minute.
_PATIENCE = "300s"
PATIENT = {"DASK_DISTRIBUTED__COMM__TIMEOUTS__TCP": _PATIENCE}  # in the environment of others
INSTALL = "pip install 'kzram-ci[cluster]'"


def needed() -> Any:
    """dask.distributed, quiet. Raises UserError where it is not installed."""
    try:
        import dask

        dask.config.set(
            {
                "logging": {"distributed": "critical"},
                "distributed.admin.large-graph-warning-threshold": "1 GiB",
                "distributed.worker.memory.target": False,
                "distributed.worker.memory.spill": False,
                "distributed.worker.memory.pause": False,
                "distributed.worker.profile.enabled": False,  # of threads that wait for a process
            }
        )
        import distributed
    except ImportError as error:
        raise UserError(
            f"--scheduler needs dask.distributed, which is not installed ({error})", hint=INSTALL
        ) from error
    return distributed


def patient() -> Any:
    """What PATIENT says, for this process and while the result is entered."""
    import dask

    return dask.config.set({"distributed.comm.timeouts.tcp": _PATIENCE})


def of_directory(name: str) -> Any:
    """What ca.pem, cert.pem and key.pem of a directory say who belongs together. Raises UserError."""
    directory = Path(name).expanduser()
    for part in (CA, CERT, KEY):
        if not (directory / part).is_file():
            raise UserError(f"{directory / part} does not exist", hint="docs/machines.md says how to make certificates")
    if (directory / KEY).stat().st_mode & 0o077:
        raise UserError(f"{directory / KEY} can be read by others", hint=f"chmod 600 {directory / KEY}")
    ca, cert, key = (str(directory / part) for part in (CA, CERT, KEY))
    words = {f"tls_{role}_{what}": path for role in ("client", "worker", "scheduler") for what, path in
             (("cert", cert), ("key", key))}  # fmt: skip
    return needed().Security(tls_ca_file=ca, require_encryption=True, **words)


def throw_away(directory: Path) -> Any:
    """Certificates for the processes of one run, in a directory that only this user reads. Raises UserError."""
    try:
        made = needed().Security.temporary()
    except ImportError as error:
        raise UserError(f"local workers need cryptography ({error})", hint=INSTALL) from error
    parts = {CA: made.tls_ca_file, CERT: made.tls_worker_cert, KEY: made.tls_worker_key}
    with files.disk_errors(f"cannot write {directory}"):
        os.chmod(directory, 0o700)
        for name, text in parts.items():
            with open(os.open(directory / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
                out.write(text)
    return made
