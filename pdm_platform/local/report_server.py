"""Serves the reports below a home folder, because a browser follows no link from a site to a file."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from pdm_platform.contract.errors import ProcessError
from pdm_platform.runtime.service import LOOPBACK, configure_logging, stop_on_signals
from pdm_platform.runtime.settings import PlatformSettings

log = logging.getLogger(__name__)


class _Reports(SimpleHTTPRequestHandler):
    """HTML files only: the store, the models and the folders' listings are nobody's business here."""

    def send_head(self) -> Any:
        if self.path == "/healthz":
            return self._say_healthy()
        home, path = Path(self.directory).resolve(), Path(self.translate_path(self.path))
        # a link that leads out of the folder is no report either
        if path.suffix != ".html" or not path.resolve().is_relative_to(home):
            return self.send_error(HTTPStatus.NOT_FOUND, "only reports are served here")
        return super().send_head()

    def _say_healthy(self) -> None:
        """200 while the folder and those in it can be read: a volume that is another user's is found here."""
        try:
            for folder in filter(Path.is_dir, Path(self.directory).iterdir()):
                next(folder.iterdir(), None)
        except OSError as error:
            return self.send_error(HTTPStatus.SERVICE_UNAVAILABLE, f"cannot read the reports: {error.strerror}")
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Length", "0")
        return self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """At DEBUG only: the terminal belongs to `pdmctl dev`, and a container's log to what went wrong."""
        log.debug(format, *args)


def _server(home: Path, host: str, port: int) -> ThreadingHTTPServer:
    directory = str(home.absolute())
    server = ThreadingHTTPServer((host, port), lambda *request: _Reports(*request, directory=directory))
    server.daemon_threads = True
    return server


@contextmanager
def served_reports(home: Path, port: int = 0) -> Iterator[str]:
    """Serve on loopback while the block runs, on `port` or a free one; yields the address that stands for `home`."""
    server = _server(home, LOOPBACK, port)
    threading.Thread(target=server.serve_forever, name="reports", daemon=True).start()
    try:
        yield f"http://{LOOPBACK}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def run_reports(settings: PlatformSettings, host: str, port: int) -> int:
    """Serve the reports below `settings.home`, on this address, until a signal ends it. Returns the exit code.

    Raises ProcessError where the address cannot be listened on.
    """
    configure_logging(settings.log_level)
    stop = stop_on_signals()
    try:
        server = _server(settings.home, host, port)
    except OSError as error:
        raise ProcessError(
            f"cannot serve reports on {host}:{port}: {error.strerror}", hint="--host and --port name another address."
        ) from None
    threading.Thread(target=server.serve_forever, name="reports", daemon=True).start()
    log.info("reports below %s are served on %s:%d", settings.home.absolute(), host, server.server_port)
    stop.wait()
    server.shutdown()
    server.server_close()
    return 0
