"""What InfluxDB's own API answers when something goes wrong, where no server is needed to say it again."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from pdm_platform.contract.errors import StoreError
from pdm_platform.deployment.store_api import StoreApi
from pdm_platform.runtime.store_address import InfluxAddress

# Recorded from influxd 2.9.1, shortened by the rows between: whether an error comes with the status or, as here, after
# the answer has begun with 200, is a matter of its timing.
BEGUN_THEN_FAILED = (
    ",result,table,_time,_value\r\n,a,0,2020-01-01T00:00:00Z,0\r\n,a,0,2020-01-01T23:59:59.712Z,299999\r\n\r\n"
    "\r\n,error,reference\r\n,runtime error: cannot divide by zero,\r\n"
)


@pytest.fixture
def api() -> Iterator[StoreApi]:
    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self._say(BEGUN_THEN_FAILED)

        def do_GET(self) -> None:
            self._say("<html>some other server</html>")

        def _say(self, text: str) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield StoreApi(InfluxAddress(f"http://127.0.0.1:{server.server_port}", "pdm", "pdm"), "token")
        server.shutdown()


def test_a_script_that_fails_after_its_answer_has_begun_is_an_error(api: StoreApi) -> None:
    with pytest.raises(StoreError, match=r"ended with an error: runtime error: cannot divide by zero$"):
        api.flux("anything")


def test_another_server_s_answer_is_told_as_such(api: StoreApi) -> None:
    with pytest.raises(StoreError, match=r"GET /api/v2/setup at http://.*'<html>some.*is it InfluxDB 2\?"):
        api.get("/api/v2/setup")
