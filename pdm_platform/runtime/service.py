"""A process of the platform: signals become a stop event, health and metrics are served, errors are printed once."""

import gc
import json
import logging
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, disable_created_metrics, generate_latest

from pdm_platform.contract.errors import PdmError, ProcessError

log = logging.getLogger(__name__)
LOOPBACK = "127.0.0.1"
_START = "start"
Body = Callable[[threading.Event, "Health", CollectorRegistry], None]


class Health:
    """What `/healthz` answers: whether each required part made progress lately, and what the watches found."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last_s: dict[str, float] = {}
        self._within_s: dict[str, float] = {}
        self._watches: dict[str, Callable[[], str | None]] = {}

    def starting(self) -> None:
        """Not healthy until something is required: who waits for a service must not take its port for the service."""
        self.watch(_START, lambda: "it is starting")

    def require(self, part: str, within_s: float) -> None:
        """From now on, `part` is healthy only while it reports progress at least every `within_s` seconds.

        To be called after every `watch`: the start is over.
        """
        with self._lock:
            self._watches.pop(_START, None)
            self._within_s[part] = within_s
            self._last_s[part] = time.monotonic()

    def progress(self, part: str) -> None:
        """Report that `part` got something done, or looked and found nothing to do."""
        self._last_s[part] = time.monotonic()

    def watch(self, name: str, check: Callable[[], str | None]) -> None:
        """Ask `check` on each request: None where all is well, else what is wrong."""
        with self._lock:
            self._watches[name] = check

    def problems(self) -> dict[str, str]:
        """What is wrong now, by part; empty when healthy."""
        now = time.monotonic()
        with self._lock:
            found = {
                part: f"no progress for {now - self._last_s[part]:.0f} s (allowed: {within_s:g} s)"
                for part, within_s in self._within_s.items()
                if now - self._last_s[part] > within_s
            }
            watches = dict(self._watches)
        for name, check in watches.items():
            if (problem := check()) is not None:
                found[name] = problem
        return found


def _handler(name: str, health: Health, registry: CollectorRegistry) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            match self.path:
                case "/healthz":
                    problems = health.problems()
                    status = HTTPStatus.SERVICE_UNAVAILABLE if problems else HTTPStatus.OK
                    body = json.dumps({"service": name, "healthy": not problems, "problems": problems}) + "\n"
                    self._answer(status, "application/json", body.encode())
                case "/metrics":
                    self._answer(HTTPStatus.OK, CONTENT_TYPE_LATEST, generate_latest(registry))
                case _:
                    self._answer(HTTPStatus.NOT_FOUND, "text/plain", b"there is /healthz and /metrics\n")

        def _answer(self, status: HTTPStatus, content_type: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            log.debug(format, *args)

    return Handler


@contextmanager
def serve_health(
    name: str, health: Health, registry: CollectorRegistry, http_port: int, http_host: str = LOOPBACK
) -> Iterator[None]:
    """Answer `/healthz` and `/metrics` while the block runs; port 0 means not at all.

    Raises ProcessError where the port is taken.
    """
    if http_port == 0:
        yield
        return
    try:
        server = ThreadingHTTPServer((http_host, http_port), _handler(name, health, registry))
    except OSError as error:
        raise ProcessError(
            f"{name} cannot serve health on {http_host}:{http_port}: {error.strerror}",
            hint=f"PDM_HTTP_HOST and PDM_{name.upper()}_HTTP_PORT set others; port 0 switches it off.",
        ) from None
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, name="health", daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


def configure_logging(level: str) -> None:
    """Log to stderr, one line an event, with UTC time."""
    logging.Formatter.converter = time.gmtime
    logging.basicConfig(
        level=level, stream=sys.stderr, format="%(asctime)sZ %(levelname)s %(name)s: %(message)s", force=True
    )


def spare_collector_pauses() -> None:
    """To be called once all is loaded: what is there now stays, and what comes is freed without the collector.

    It looked through 300,000 objects of imported libraries again and again, 150 ms in which no reading was answered.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def stop_on_signals() -> threading.Event:
    """An event that SIGTERM and SIGINT set. Only the main thread may call this."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stop.set())
    return stop


def run_service(name: str, body: Body, *, http_port: int, http_host: str = LOOPBACK, log_level: str) -> int:
    """Run `body(stop, health, metrics)` until it returns; it must return soon after `stop` is set.

    Returns the process's exit code: 0 after a clean end, 1 after an error that the user can mend (printed).
    """
    configure_logging(log_level)
    # a second series beside each counter and histogram, which tells nothing that the process's start does not
    disable_created_metrics()  # type: ignore[no-untyped-call]
    stop, health, registry = stop_on_signals(), Health(), CollectorRegistry()
    health.starting()
    try:
        with serve_health(name, health, registry, http_port, http_host):
            log.info("%s started", name)
            body(stop, health, registry)
    except PdmError as error:
        print(error, file=sys.stderr, flush=True)
        return 1
    log.info("%s stopped", name)
    return 0
