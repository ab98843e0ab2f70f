"""The page of a run while it trains, served to this machine alone."""

import hashlib
import os
import re
import signal
import sys
import threading
import time
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

from vlrlcd.errors import UserError
from vlrlcd.report.answers import PREDICTIONS
from vlrlcd.report.page import report
from vlrlcd.report.read import FILES, read_what_is_there, require_run
from vlrlcd.report.rendering import Page

ADDRESS, PORT = "127.0.0.1", 8765
OWN_HOST = re.compile(r"(127\.0\.0\.1|localhost)(:\d{1,5})?", re.IGNORECASE)
SILENCE_S = 30
"""So long a connection may say nothing."""
REST, NICENESS = 9, 10
"""A build is followed by nine times its seconds without one, and training goes first: at most a tenth of one core."""


def serve(folder: Path, port: int = PORT) -> None:
    """Serves the page until Ctrl-C or SIGTERM, and prints its address.

    Args:
        folder: of a run, finished or not; there may be nothing in it yet.
        port: of 127.0.0.1; 0 takes a free one.

    Raises:
        UserError: no such folder, one that holds something else than a run, or a port that cannot be had.
    """
    require_run(folder, may_be_empty=True)
    os.nice(NICENESS)
    with _server(LivePage(folder), port) as server, suppress(KeyboardInterrupt):
        # one that a script sends to the background would otherwise not hear SIGINT
        for name in (signal.SIGINT, signal.SIGTERM):
            signal.signal(name, signal.default_int_handler)
        print(f"live at http://{ADDRESS}:{server.server_port} until Ctrl-C", flush=True)
        server.serve_forever()


class LivePage:
    """The page of a run, built anew after a file of the run has changed, and not more often than `REST` allows."""

    def __init__(self, folder: Path):
        self.folder = folder
        self._lock = threading.Lock()
        self._built: tuple[str, Page] | None = None
        self._rests_until = 0.0

    def state(self) -> str:
        """Another text as soon as `page` would be another."""
        if self._built and time.monotonic() < self._rests_until:
            return self._built[0]
        return self._state_of_files()

    def page(self) -> Page:
        """The page of the present state; whoever asks while it is built waits for the same one."""
        with self._lock:
            # looked up before reading: what is written meanwhile makes another state
            state = self.state()
            if self._built is None or self._built[0] != state:
                began = time.monotonic()
                self._built = (state, report(read_what_is_there(self.folder), live=state))
                now = time.monotonic()
                self._rests_until = now + REST * (now - began)
            return self._built[1]

    def _state_of_files(self) -> str:
        paths = [self.folder / name for name in FILES]
        paths += sorted(self.folder.glob(PREDICTIONS))
        return hashlib.sha256(repr([_stamp(path) for path in paths]).encode()).hexdigest()


class LiveServer(ThreadingHTTPServer):
    """Answers `/` with the page and `/state` with its state."""

    daemon_threads = True

    def __init__(self, page: LivePage, port: int):
        self.page = page
        super().__init__((ADDRESS, port), _Handler)

    def handle_error(self, request, client_address) -> None:
        """A reader who has gone away is no fault."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: LiveServer
    timeout = SILENCE_S
    server_version, sys_version = "vlrlcd", ""

    def do_GET(self) -> None:
        # a page elsewhere may have given its own name this address, to read what is served here
        if not _is_own(self.headers.get_all("Host", [])):
            self._say(HTTPStatus.FORBIDDEN, "This page is served to 127.0.0.1 and localhost alone.")
        elif (path := urlsplit(self.path).path) == "/":
            self._page()
        elif path == "/state":
            self._say(HTTPStatus.OK, self.server.page.state())
        else:
            self._say(HTTPStatus.NOT_FOUND, "There is only the page of the run here, at /.")

    do_HEAD = do_GET

    def _page(self) -> None:
        try:
            page = self.server.page.page()
        except Exception as fault:  # whatever a half-written file leads to, the next state may be well again
            said = str(fault) if isinstance(fault, UserError) else f"{type(fault).__name__}: {fault}"
            self._say(HTTPStatus.SERVICE_UNAVAILABLE, f"The page cannot be built at the moment ({said})")
        else:
            self._send(HTTPStatus.OK, "text/html", page.html, page.policy)

    def _say(self, status: HTTPStatus, words: str) -> None:
        self._send(status, "text/plain", words, "default-src 'none'")

    def _send(self, status: HTTPStatus, kind: str, text: str, policy: str) -> None:
        body = text.encode(errors="replace")
        self.send_response(status)
        for name, value in (
            ("Content-Type", f"{kind}; charset=utf-8"),
            ("Content-Length", str(len(body))),
            ("Content-Security-Policy", f"{policy}; frame-ancestors 'none'"),
            ("Cross-Origin-Resource-Policy", "same-origin"),
            ("X-Content-Type-Options", "nosniff"),
            ("Referrer-Policy", "no-referrer"),
            ("Cache-Control", "no-store"),
        ):
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the page asks every other second."""


def _server(page: LivePage, port: int) -> LiveServer:
    try:
        return LiveServer(page, port)
    except OSError as fault:
        why = (fault.strerror or str(fault)).lower()
        raise UserError(f"port {port} of {ADDRESS} cannot be had ({why}): choose another one with --port.") from None


def _is_own(hosts: list[str]) -> bool:
    return len(hosts) == 1 and OWN_HOST.fullmatch(hosts[0].strip()) is not None


def _stamp(path: Path) -> tuple[str, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return path.name, status.st_size, status.st_mtime_ns
