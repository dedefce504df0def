"""Requests to one InfluxDB, and what its answers mean."""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from time import time
from typing import Any, Final, NoReturn

import msgspec
import urllib3
from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.client.write_api import SYNCHRONOUS
from influxdb_client.rest import ApiException
from urllib3.exceptions import HTTPError

from pdm_platform.contract.errors import StoreAccessError, StoreBusyError, StoreError
from pdm_platform.runtime.store_address import InfluxAddress

_CONNECT_S: Final = 5.0
# influxd gives up on a write after 10 s by itself; the bridge must show progress within 30 s
_WRITE_S: Final = 20.0
_READ_S: Final = 60.0
# less than what the bridge has for a sign of progress: it opens the store anew after a failure
_CHECK_S: Final = 10.0
# its write-ahead log does not get over a failed write
_FAILED: Final = "Its log says more. Is its disk full? Then make room and restart it."
_MAX_REASON: Final = 500
_BUSY: Final = (429, 503)
_REFUSED: Final = (401, 403)
# Answers about the lines of a request rather than the request: lines that cannot be parsed, a partial write, and a
# body that is too large. Others with 4xx come from wrong settings or from a proxy and are no line's fault.
_LINE_FAULTS: Final = {400: "unable to parse", 413: "", 422: "partial write"}

# what urllib3 says before the cause: the address, which the message has, and its own classes
_CONNECTION: Final = re.compile(r"^HTTPS?Connection(Pool)?\(.*?\): ")


class _Series(msgspec.Struct):
    columns: list[str]
    values: list[list[Any]] = []
    tags: dict[str, str] = {}


class _Result(msgspec.Struct):
    series: list[_Series] = []
    error: str = ""


class _Answer(msgspec.Struct):
    results: list[_Result]


class _Buckets(msgspec.Struct):
    buckets: list[Any]


_BUCKETS: Final = msgspec.json.Decoder(_Buckets)
_ANSWERS: Final = msgspec.json.Decoder(_Answer)


class LinesRefusedError(StoreError):
    """The server refused lines of one request. Those it did not may be stored or not. `reason` is the server's own."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class InfluxHttp:
    """One server. All methods may be called by several threads; all raise StoreError that says what to do next."""

    def __init__(self, address: InfluxAddress, token: str, token_from: str) -> None:
        self._address = address
        self._token_from = token_from or "The token"
        self._client = InfluxDBClient(
            address.url,
            token,
            org=address.org,
            timeout=(int(_CONNECT_S * 1_000), int(_WRITE_S * 1_000)),
        )
        self._writes = self._client.write_api(write_options=SYNCHRONOUS)
        self._pool = urllib3.PoolManager(
            maxsize=8,
            retries=False,
            timeout=urllib3.Timeout(connect=_CONNECT_S, read=_READ_S),
            headers={"Authorization": f"Token {token}"},
        )
        self._closed = False

    def __repr__(self) -> str:
        return f"InfluxHttp({self._address})"

    def close(self) -> None:
        """Drop the connections; whatever is asked afterwards raises StoreError."""
        self._closed = True
        self._pool.clear()
        self._client.close()  # type: ignore[no-untyped-call]

    def check(self) -> None:
        """Raises StoreError where the server does not answer, refuses the token or has no such organisation."""
        with self._failures_named("use", ""):
            answer = self._pool.request(
                "GET",
                f"{self._address.url}/api/v2/buckets",
                fields={"org": self._address.org, "limit": "1"},
                timeout=urllib3.Timeout(connect=_CONNECT_S, read=_CHECK_S),
            )
            if answer.status != 200:
                self._fail("use", "", answer.status, answer.data.decode(errors="replace"), answer.headers)
            _BUCKETS.decode(answer.data)

    def write(self, bucket: str, lines: bytes) -> None:
        """Write lines in one request; on return they are on the server's disk. Raises LinesRefusedError, StoreError."""
        with self._failures_named("write to", bucket):
            self._writes.write(bucket, self._address.org, lines)

    def ask(self, bucket: str, query: str, **params: object) -> list[list[dict[str, Any]]]:
        """Rows of each statement of an InfluxQL query, as dicts by column and by grouping tag; for small answers."""
        with self._failures_named("read", bucket):
            answer = self._post(bucket, query, params, "application/json")
            results = _ANSWERS.decode(answer.data).results
        for result in results:
            if result.error:
                self._fail_query(bucket, result.error)
        return [
            [
                series.tags | dict(zip(series.columns, row, strict=True))
                for series in result.series
                for row in series.values
            ]
            for result in results
        ]

    @contextmanager
    def stream(self, bucket: str, query: str, **params: object) -> Iterator[urllib3.BaseHTTPResponse]:
        """The CSV of one InfluxQL statement, as it comes.

        It does not tell an error of the statement: the server answers with no rows, or stops after some.
        """
        with self._failures_named("read", bucket):
            answer = self._post(bucket, query, params, "application/csv", chunked="true")
            try:
                yield answer
            except BaseException:
                answer.close()  # what is left of the answer must not be read before the next request
                raise
            answer.release_conn()

    def _post(
        self, bucket: str, query: str, params: Mapping[str, object], accept: str, **more: str
    ) -> urllib3.BaseHTTPResponse:
        fields = {"db": bucket, "epoch": "ns", "q": query, **more}
        if params:
            fields["params"] = json.dumps(params)
        answer = self._pool.request(
            "POST",
            f"{self._address.url}/query",
            fields=fields,
            encode_multipart=False,
            headers={**self._pool.headers, "Accept": accept},
            preload_content=False,
        )
        if answer.status != 200:
            text = answer.data.decode(errors="replace")
            self._fail("read", bucket, answer.status, text, answer.headers)
        return answer

    @contextmanager
    def _failures_named(self, action: str, bucket: str) -> Iterator[None]:
        """action: "read", "write to", or "use" with no bucket, which is the server as a whole."""
        if self._closed:
            raise StoreError(f"{self._cannot(action, bucket)}: this store was closed")
        try:
            yield
        except ApiException as error:
            if error.status:
                self._fail(action, bucket, error.status, str(error.body or ""), error.headers or {})
            self._fail_connection(action, bucket, str(error.reason))
        except (HTTPError, OSError, msgspec.DecodeError) as error:
            self._fail_connection(action, bucket, str(error) or type(error).__name__)

    def _cannot(self, action: str, bucket: str) -> str:
        return f"cannot {action} " + (f"bucket {bucket!r}" if bucket else "the store")

    def _fail_connection(self, action: str, bucket: str, cause: str) -> NoReturn:
        cause = _CONNECTION.sub("", cause)[:_MAX_REASON]
        raise StoreError(
            f"{self._cannot(action, bucket)}: InfluxDB at {self._address.url}: {cause}",
            hint="Is it running, and is PDM_STORE_URL right?",
        ) from None

    def _fail(self, action: str, bucket: str, status: int, body: str, headers: Mapping[str, str]) -> NoReturn:
        reason = _message(body)
        if action == "write to" and _LINE_FAULTS.get(status, "\0") in reason:
            raise LinesRefusedError(reason) from None
        if status in _REFUSED:
            what = f"InfluxDB refused the token{f' for bucket {bucket!r}' if bucket else ''} ({status}): {reason}"
            cause = f" may not {action} it" if bucket else f": {self._address.url} does not know this token"
            raise StoreAccessError(what, hint=f"{self._token_from}{cause}. `pdmctl store init` makes tokens.") from None
        if status == 404:
            hint = "`pdmctl store init` makes the buckets of PDM_STORE_URL."
            raise StoreError(
                f"{self._cannot(action, bucket)}: {reason}",
                hint=hint if bucket else f"`org` in PDM_STORE_URL must be one that {self._address.url} has.",
            ) from None
        what = f"{self._cannot(action, bucket)}: InfluxDB answered {status}: {reason}"
        if status in _BUSY:
            raise StoreBusyError(
                what, hint="It is tried again later.", retry_after_s=retry_after_s(headers.get("Retry-After", ""))
            ) from None
        raise StoreError(what, hint=_FAILED if status >= 500 else "") from None

    def _fail_query(self, bucket: str, reason: str) -> NoReturn:
        if reason.startswith("database not found"):
            raise StoreAccessError(
                f"cannot read bucket {bucket!r}: it does not exist, or the token may not read it ({reason})",
                hint=f"`pdmctl store init` makes the buckets. The token comes from {self._token_from}.",
            )
        raise StoreError(f"cannot read bucket {bucket!r}: {reason}")


def _message(body: str) -> str:
    """What the server says in its JSON answer, else the start of what a proxy says."""
    try:
        return str(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError):
        return body[:_MAX_REASON].strip() or "no reason given"


def retry_after_s(header: str) -> float:
    """Seconds that a Retry-After header asks for: a number, or a date (RFC 9110); 0 where it is neither."""
    if re.fullmatch(r"\d+(\.\d+)?", header):
        return float(header)
    try:
        return max(parsedate_to_datetime(header).timestamp() - time(), 0.0)
    except ValueError:
        return 0.0
