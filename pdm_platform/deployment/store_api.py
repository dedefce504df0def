"""InfluxDB 2's own API, as far as setting it up needs it."""

import json
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import urllib3
from urllib3.exceptions import HTTPError

from pdm_platform.contract.errors import StoreAccessError, StoreError
from pdm_platform.runtime.store_address import InfluxAddress

Answer = Mapping[str, Any]
_READY_WITHIN_S: Final = 60.0
_ASK_AGAIN_S: Final = 0.5
# a query that downsamples an hour of a thousand pumps takes some ten seconds
_TIMEOUT: Final = urllib3.Timeout(connect=5.0, read=600.0)
_MAX_REASON: Final = 500
# how the server says that a script failed after it had begun to answer, with 200
_LATE_ERROR: Final = "\r\n,error,reference\r\n"


class StoreApi:
    """One server, asked with one token. Every method raises StoreError that names what was asked."""

    def __init__(self, address: InfluxAddress, token: str = "") -> None:
        self.address = address
        self._pool = urllib3.PoolManager(retries=False, timeout=_TIMEOUT)
        self._headers = {"Authorization": f"Token {token}"} if token else {}

    def get(self, path: str, **fields: str | int) -> Any:
        """The JSON answer to a GET."""
        return self._json("GET", path, fields={name: str(value) for name, value in fields.items()})

    def send(self, method: str, path: str, body: Answer | None = None) -> Any:
        """The JSON answer, None where it is empty, to another method with a JSON body."""
        return self._json(method, path, body=None if body is None else json.dumps(body).encode())

    def flux(self, text: str) -> str:
        """The CSV that a Flux script gives, read to its end. Raises StoreError also for an error inside of it."""
        path = f"/api/v2/query?org={self.address.org}"
        answer = self._ask("POST", path, body=text.encode(), headers={"Content-Type": "application/vnd.flux"})
        table, failed, reason = answer.decode().partition(_LATE_ERROR)
        if failed:
            told = reason.replace(",", " ").strip()[:_MAX_REASON]
            raise StoreError(f"Flux at {self.address.url} ended with an error: {told}")
        return table

    def wait_ready(self, tell: Callable[[str], None]) -> None:
        """Wait until the server takes requests; `tell` hears once that it does not yet."""
        deadline_s = time.monotonic() + _READY_WITHIN_S
        told = False
        while True:
            try:
                self.get("/health")
                return
            except StoreError:
                if time.monotonic() > deadline_s:
                    raise
            if not told:
                tell(f"waiting for InfluxDB at {self.address.url} ...")
                told = True
            time.sleep(_ASK_AGAIN_S)

    def _json(self, method: str, path: str, **request: Any) -> Any:
        content = self._ask(method, path, **request)
        try:
            return json.loads(content) if content else None
        except ValueError:
            shown = content[:80].decode(errors="replace")
            raise StoreError(
                f"{method} {path} at {self.address.url}: {shown!r} is no JSON; is it InfluxDB 2?"
            ) from None

    def _ask(self, method: str, path: str, *, headers: Mapping[str, str] | None = None, **request: Any) -> bytes:
        what = f"{method} {path.partition('?')[0]} at {self.address.url}"
        sent = {"Content-Type": "application/json", **self._headers, **(headers or {})}
        try:
            answer = self._pool.request(method, self.address.url + path, headers=sent, **request)
        except (HTTPError, OSError) as error:
            raise StoreError(
                f"{what}: {str(error)[:_MAX_REASON]}", hint="Is it running, and is PDM_STORE_URL right?"
            ) from None
        if answer.status >= 400:
            reason = answer.data[:_MAX_REASON].decode(errors="replace").strip()
            refused = answer.status in (401, 403)
            raise (StoreAccessError if refused else StoreError)(f"{what} was answered {answer.status}: {reason}")
        return bytes(answer.data)
