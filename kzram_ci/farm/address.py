"""Where a scheduler is, and whether the way to it is safe. Pure."""

from __future__ import annotations

import re
from ipaddress import ip_address

from kzram_ci.base.errors import UserError
from kzram_ci.base.values import dataclass

FORMS = "tls://HOST:PORT, tcp://127.0.0.1:PORT or local:N"
PORT = 8786  # of dask's scheduler, where none is given
_URL = re.compile(r"(?:(?P<scheme>\w+)://)?(?P<host>\[[0-9a-fA-F:.]+\]|[\w.-]+)(?::(?P<port>\d{1,5}))?/?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A scheduler somewhere, or `workers` of this host's own (and no host)."""

    scheme: str = "tls"
    host: str = ""
    port: int = PORT
    workers: int = 0

    @property
    def local(self) -> bool:
        """Whether the workers are started here, for this run."""
        return self.workers > 0

    @property
    def loopback(self) -> bool:
        """Whether it cannot be reached from another host."""
        name = self.host.strip("[]")
        try:
            return self.local or name == "localhost" or ip_address(name).is_loopback
        except ValueError:
            return False

    def __str__(self) -> str:
        return f"local:{self.workers}" if self.local else f"{self.scheme}://{self.host}:{self.port}"


def address_of(word: str) -> Address:
    """What --scheduler names: without a scheme, TLS beyond the loopback. Raises UserError."""
    if word.startswith("local:"):
        count = word.removeprefix("local:")
        if not count.isdigit() or not 0 < int(count) <= 1024:
            raise UserError(f"{word}: local:N starts N workers, 1 to 1024")
        return Address(workers=int(count))
    match = _URL.fullmatch(word)
    if match is None or match["scheme"] not in (None, "tcp", "tls") or int(match["port"] or PORT) > 65535:
        raise UserError(f"{word!r} is not the address of a scheduler", hint=FORMS)
    found = Address(scheme=match["scheme"] or "tls", host=match["host"], port=int(match["port"] or PORT))
    if match["scheme"] is None and found.loopback:
        return Address(scheme="tcp", host=found.host, port=found.port)
    return found


def checked(address: Address, *, tls: str, insecure: bool) -> Address:
    """The address, if messages on the way to it are from those they seem to be from. Raises UserError.

    A message to a scheduler or a worker can have any program run there.
    """
    if address.local:
        return address
    if address.scheme == "tls" and not tls:
        raise UserError(
            f"{address} needs certificates", hint="--tls DIR with ca.pem, cert.pem and key.pem (docs/machines.md)"
        )
    if address.scheme == "tcp" and not address.loopback and not insecure:
        raise UserError(
            f"{address} is not the loopback: who reaches the port could run programs on every worker",
            hint="tls:// and --tls DIR; or --insecure, in a network that you trust as you trust yourself",
        )
    return address
