"""The history as a web page, for people of this host: read-only, on the loopback unless another address is asked for.

A page is drawn anew for each request. Files of run directories are shown as text, but for their report.html, which is
kept apart in a sandbox: a run directory may come from elsewhere. A request that names another host than this one is
refused, so that a page of the web cannot read through a name that it points here.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from kzram_ci.base import proc
from kzram_ci.base.errors import KzramError, UserError
from kzram_ci.base.values import dataclass
from kzram_ci.model.layout import RunFile
from kzram_ci.results.crashes import crashes
from kzram_ci.results.history import History
from kzram_ci.results.reports.past_page import render

FILE_BYTES = 64 << 20
NEWEST_RUNS = 500
_TEXT = "text/plain; charset=utf-8"
_HTML = "text/html; charset=utf-8"
_SANDBOX = "sandbox allow-scripts; connect-src 'none'; form-action 'none'"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a request gets."""

    status: int
    kind: str
    body: bytes
    policy: str = "default-src 'none'; style-src 'unsafe-inline'"


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """The pages, without a network: a path to an answer."""

    history: History

    def answer(self, target: str) -> Answer:
        """The answer to a GET of this path; never raises what a file or a history may bring."""
        parts = urlsplit(target)
        words = [unquote(word) for word in parts.path.split("/") if word]
        try:
            if not words:
                return self._overview(parse_qs(parts.query).get("plan", [""])[0])
            if words[0] == "run" and len(words) > 2:
                return self._file(words[1], words[2:])
        except (KzramError, OSError, ValueError) as error:
            return _error(500, str(error))
        return _error(404, "no such page")

    def _overview(self, plan: str) -> Answer:
        runs = self.history.runs(limit=NEWEST_RUNS)
        shown = [run for run in reversed(runs) if plan in ("", run.plan)]
        page = render(
            self.history.records(plan=plan),
            shown,
            crashes(self.history.crashes(plan=plan)),
            plans=sorted({run.plan for run in runs}),
            plan=plan,
            present=frozenset(run.run for run in shown if (Path(run.directory) / RunFile.HTML).is_file()),
        )
        return Answer(status=200, kind=_HTML, body=page.encode())

    def _file(self, name: str, words: list[str]) -> Answer:
        """A file in the directory of a recorded run; a link that leads out of it is not followed."""
        place = next((Path(run.directory) for run in self.history.runs() if run.run == name), None)
        if place is None or any(word in ("", ".", "..") or "/" in word or "\0" in word for word in words):
            return _error(404, "no such run")
        root, file = place.resolve(), place.joinpath(*words).resolve()
        if not file.is_relative_to(root) or not file.is_file() or not (root / RunFile.PLAN).is_file():
            return _error(404, "no such file")
        page = file == root / RunFile.HTML
        with file.open("rb") as handle:
            return Answer(status=200, kind=_HTML if page else _TEXT, body=handle.read(FILE_BYTES), policy=_SANDBOX)


def _error(status: int, text: str) -> Answer:
    return Answer(status=status, kind=_TEXT, body=f"{text}\n".encode("utf-8", "backslashreplace"))


@contextmanager
def server(history: History, address: str, port: int) -> Iterator[ThreadingHTTPServer]:
    """A server that listens; its caller lets it serve. Raises UserError for an address that cannot be had."""
    site, names = Site(history=history), _names(address)

    class Handler(BaseHTTPRequestHandler):
        """One request."""

        timeout = 30

        def do_GET(self) -> None:
            """Answer with the page or file."""
            self._send(with_body=True)

        def do_HEAD(self) -> None:
            """The same without its body."""
            self._send(with_body=False)

        def _send(self, *, with_body: bool) -> None:
            named = self.headers.get("Host", "").rsplit(":", 1)[0].strip("[]").lower()
            answer = site.answer(self.path) if not names or named in names else _error(403, "another host is named")
            self.send_response(answer.status)
            headers: Mapping[str, str] = {
                "Content-Type": answer.kind,
                "Content-Length": str(len(answer.body)),
                "Content-Security-Policy": answer.policy,
                "X-Content-Type-Options": "nosniff",
                "Cross-Origin-Resource-Policy": "same-origin",
                "Referrer-Policy": "no-referrer",
                "Cache-Control": "no-store",
            }
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            if with_body:
                self.wfile.write(answer.body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing: the terminal is the person's."""

    try:
        made = ThreadingHTTPServer((address, port), Handler)
    except (OSError, OverflowError) as error:
        raise UserError(
            f"cannot listen on {address}:{port}: {error}",
            hint="an --address of this host, another --port, or 0 for any",
        ) from error
    with made:
        yield made


def until_interrupted(made: ThreadingHTTPServer) -> None:
    """Serve until somebody stops this process (Ctrl-C, SIGTERM)."""
    made.timeout = 0.5
    while not proc.cancelled():
        made.handle_request()


def _names(address: str) -> frozenset[str]:
    """The names by which a browser of this host may ask; empty for an address that others reach: any name is right."""
    try:
        loopback = ipaddress.ip_address(address).is_loopback
    except ValueError:
        loopback = address == "localhost"
    return frozenset({"localhost", "127.0.0.1", "::1", address}) if loopback else frozenset()
