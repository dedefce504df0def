"""What InfluxDB, or a proxy in front of it, answers, and what is made of it. Real answers: tests/contract/recorded."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from pdm_platform.contract.errors import StoreAccessError, StoreBusyError, StoreError
from pdm_platform.contract.measurements import PUMP_TELEMETRY
from pdm_platform.runtime.store_address import InfluxAddress
from pdm_platform.stores.influx_http import InfluxHttp, LinesRefusedError, retry_after_s
from pdm_platform.stores.influx_reads import blocks

TOKEN = "a-secret-token"
Answer = tuple[int, dict[str, str], bytes]


@contextmanager
def proxy(answer: Answer) -> Iterator[InfluxHttp]:
    """A server on loopback that answers everything with `answer`, as a gateway in front of InfluxDB may."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.do_GET()

        def do_GET(self) -> None:
            status, headers, body = answer
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Not to the terminal."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    http = InfluxHttp(InfluxAddress(f"http://127.0.0.1:{server.server_port}", "pdm", "plant"), TOKEN, "PDM_STORE_TOKEN")
    try:
        yield http
    finally:
        http.close()
        server.shutdown()
        thread.join()
        server.server_close()


def write(http: InfluxHttp) -> None:
    http.write("pdm_raw", b"m v=1 1\n")


def ask(http: InfluxHttp) -> None:
    http.ask("pdm_raw", "SHOW DATABASES")


def stream(http: InfluxHttp) -> None:
    with http.stream("pdm_raw", "SELECT v FROM m") as answer:
        answer.read()


def check(http: InfluxHttp) -> None:
    http.check()


def refusal(message: str) -> bytes:
    return b'{"code":"invalid","message":"%s"}' % message.encode()


@pytest.mark.parametrize("action", [write, ask, stream])
@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_store_says_when_to_come_back(action: Callable[[InfluxHttp], None], status: int) -> None:
    with proxy((status, {"Retry-After": "7"}, b"slow down")) as http, pytest.raises(StoreBusyError) as busy:
        action(http)

    assert busy.value.retry_after_s == 7.0
    assert f"'pdm_raw': InfluxDB answered {status}: slow down" in busy.value.what


def test_a_busy_store_that_does_not_say_leaves_the_time_open() -> None:
    with proxy((503, {}, b"")) as http, pytest.raises(StoreBusyError, match="no reason given") as busy:
        write(http)

    assert busy.value.retry_after_s == 0.0


@pytest.mark.parametrize(
    ("header", "seconds"), [("0", 0.0), ("1.5", 1.5), ("-3", 0.0), ("soon", 0.0), ("", 0.0), ("nan", 0.0), ("inf", 0.0)]
)
def test_retry_after_is_a_number_of_seconds_and_nothing_else_is_guessed(header: str, seconds: float) -> None:
    assert retry_after_s(header) == seconds


def test_retry_after_may_be_a_date() -> None:
    assert 58.0 <= retry_after_s(formatdate(time.time() + 60, usegmt=True)) <= 60.0
    assert retry_after_s(formatdate(time.time() - 60, usegmt=True)) == 0.0


@pytest.mark.parametrize("action", [write, ask, stream])
@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_token_is_named_by_bucket_and_source_and_never_shown(
    action: Callable[[InfluxHttp], None], status: int
) -> None:
    with proxy((status, {}, refusal("unauthorized access"))) as http, pytest.raises(StoreAccessError) as refused:
        action(http)

    assert refused.value.what == f"InfluxDB refused the token for bucket 'pdm_raw' ({status}): unauthorized access"
    assert "PDM_STORE_TOKEN" in refused.value.hint
    assert TOKEN not in str(refused.value) + repr(http)


@pytest.mark.parametrize(
    ("status", "body", "what", "hint"),
    [
        (
            401,
            refusal("unauthorized access"),
            "refused the token (401): unauthorized access",
            "PDM_STORE_TOKEN: ",
        ),
        (404, refusal("organization name not found"), "organization name not found", "`org` in PDM_STORE_URL"),
        (400, refusal("unable to parse"), "cannot use the store: InfluxDB answered 400: unable to parse", ""),
        (503, b"", "cannot use the store: InfluxDB answered 503", "tried again"),
        (200, b"<html>welcome</html>", "cannot use the store: InfluxDB at http://127.0.0.1:", "PDM_STORE_URL"),
        (200, b'{"databases":[]}', "missing required field `buckets`", "PDM_STORE_URL"),
    ],
)
def test_what_is_no_usable_influxdb_is_told_when_it_is_checked(status: int, body: bytes, what: str, hint: str) -> None:
    with proxy((status, {}, body)) as http, pytest.raises(StoreError) as error:
        check(http)

    assert not isinstance(error.value, LinesRefusedError)
    assert what in error.value.what
    assert hint in error.value.hint


@pytest.mark.parametrize(
    ("status", "message", "refused"),
    [
        (400, "unable to parse 'm v= 1': missing field value", True),
        (422, "failure writing points to database: partial write: field type conflict dropped=1", True),
        (413, "unable to read data: points batch is too large", True),
        (400, "invalid gzip header", False),
        (422, "unprocessable", False),
        (500, "engine: error writing WAL entry: no space left on device", False),
        (502, "<html>partial write</html>", False),
    ],
)
def test_only_an_answer_about_lines_makes_lines_the_culprits(status: int, message: str, refused: bool) -> None:
    with proxy((status, {}, refusal(message))) as http, pytest.raises(StoreError) as error:
        write(http)

    assert isinstance(error.value, LinesRefusedError) is refused
    assert message in error.value.what


def test_an_answer_that_is_not_influxdbs_is_an_error_of_the_store() -> None:
    with proxy((200, {}, b"<html>welcome</html>")) as http, pytest.raises(StoreError, match="cannot read bucket"):
        ask(http)


def test_an_answer_that_breaks_off_is_an_error_of_the_store() -> None:
    rows = b"".join(b"pump_telemetry,,%d,0,p1\n" % time_ns for time_ns in range(200_000))
    body = b"name,tags,time,present,device_id\n" + rows

    with (
        proxy((200, {"Content-Length": str(len(body) + 1_000_000)}, body)) as http,
        pytest.raises(StoreError, match="cannot read bucket 'pdm_raw'"),
        http.stream("pdm_raw", "SELECT v FROM m") as answer,
    ):
        list(blocks(PUMP_TELEMETRY, answer, []))


def test_a_server_that_is_not_there_is_named_with_what_to_do() -> None:
    with proxy((204, {}, b"")) as http:
        write(http)
        address = repr(http)

    gone = InfluxHttp(InfluxAddress("http://127.0.0.1:1", "pdm", "plant"), TOKEN, "")
    for action in (write, ask, stream, check):
        with pytest.raises(StoreError, match=r": InfluxDB at http://127\.0\.0\.1:1: .*refused") as refused:
            action(gone)
        assert "PDM_STORE_URL" in refused.value.hint
    assert "plant" in address


def test_a_closed_connection_closes_again_and_refuses_the_rest() -> None:
    with proxy((204, {}, b"")) as http:
        http.close()
        http.close()

        for action in (write, ask, stream, check):
            with pytest.raises(StoreError, match="closed"):
                action(http)
