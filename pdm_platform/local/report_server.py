"""Serves the reports below a home folder on loopback, because a browser follows no link from a site to a file."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


class _Reports(SimpleHTTPRequestHandler):
    """HTML files only: the store, the models and the folders' listings are nobody's business here."""

    def send_head(self) -> Any:
        if Path(self.translate_path(self.path)).suffix != ".html":
            return self.send_error(HTTPStatus.NOT_FOUND, "only reports are served here")
        return super().send_head()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the terminal belongs to `pdmctl dev`."""


@contextmanager
def served_reports(home: Path, port: int = 0) -> Iterator[str]:
    """Serve while the block runs, on `port` or a free one; yields the address that stands for `home`."""
    directory = str(home.absolute())
    server = ThreadingHTTPServer(("127.0.0.1", port), lambda *request: _Reports(*request, directory=directory))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, name="reports", daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
