"""Where the time-series store is: `PDM_STORE_URL` taken apart. The one place that knows the schemes."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, parse_qsl, urlsplit

from pdm_platform.contract.errors import SettingsError

_INFLUX_PORT: Final = 8086
_INFLUX_FORM: Final = "influxdb://HOST:8086/PREFIX?org=ORG"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class SqliteAddress:
    """The embedded store: one file."""

    path: Path


@dataclass(frozen=True, slots=True)
class InfluxAddress:
    """InfluxDB 2: `url` is `http(s)://host:port`; its buckets are `{prefix}_…` of the organisation `org`."""

    url: str
    prefix: str
    org: str


StoreAddress = SqliteAddress | InfluxAddress


def parse_store_url(url: str) -> StoreAddress:
    """What `url` names: `sqlite:///folder/file`, `sqlite:////folder/file` or `influxdb[+https]://HOST:8086/PREFIX?org=ORG`.

    Raises SettingsError for a scheme that is not known, for a part that is missing, wrong or too much, and for a
    URL that carries a password or a token; those are never shown.
    """
    scheme, separator, rest = url.partition("://")
    parse = _PARSERS.get(scheme)
    if not separator or parse is None:
        raise SettingsError(
            f"store URL {without_credentials(url)!r} has the unknown scheme {scheme!r}; known: {', '.join(_PARSERS)}",
            hint="Set PDM_STORE_URL, for example to sqlite:///var/dev/store/telemetry.sqlite",
        )
    return parse(rest)


def without_credentials(text: str) -> str:
    """The text with the user and password of a URL, and what its query calls a token or password, masked."""
    masked = re.sub(r"://[^/?#]*@", "://***@", text)
    return re.sub(r"(?i)([?&](?:[a-z_]*token|[a-z_]*password|[pu])=)[^&#]*", r"\1***", masked)


def _sqlite(rest: str) -> SqliteAddress:
    # taken literally, not percent-decoded: a folder may well have '#', '?' or '%' in its name
    host, slash, path = rest.partition("/")
    if host or not slash or not path:
        raise SettingsError(
            f"store URL 'sqlite://{rest}' must be sqlite:/// followed by the path of a file",
            hint="An absolute path has four slashes: sqlite:////srv/pdm/telemetry.sqlite",
        )
    return SqliteAddress(Path(path))


def _influx(scheme: str, http: str) -> Callable[[str], InfluxAddress]:
    def parse(rest: str) -> InfluxAddress:
        shown = without_credentials(f"{scheme}://{rest}")
        try:
            parts = urlsplit(f"{http}://{rest}")
            port = parts.port or _INFLUX_PORT
        except ValueError as error:
            raise _wrong(shown, str(error)) from None
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        if shown != f"{scheme}://{rest}":
            raise SettingsError(
                f"store URL {shown!r} carries a credential",
                hint="Give the token in PDM_STORE_TOKEN_FILE or PDM_STORE_TOKEN; the URL is logged and shown.",
            )
        _check(shown, parts, query)
        host = f"[{parts.hostname}]" if ":" in str(parts.hostname) else parts.hostname
        return InfluxAddress(f"{http}://{host}:{port}", parts.path[1:], query["org"])

    return parse


def _check(shown: str, parts: SplitResult, query: dict[str, str]) -> None:
    if not parts.hostname:
        raise _wrong(shown, "the host is missing")
    # a slash in a bucket's name would be read as database and retention policy by InfluxQL
    if not _NAME.fullmatch(parts.path[1:]):
        raise _wrong(shown, f"the prefix of the buckets {parts.path[1:]!r} does not match {_NAME.pattern}")
    if unknown := sorted(query.keys() - {"org"}):
        raise _wrong(shown, f"unknown parameter {unknown[0]!r}")
    if not query.get("org"):
        raise _wrong(shown, "the organisation is missing")
    if parts.fragment:
        raise _wrong(shown, f"nothing may follow '#': {parts.fragment!r}")


def _wrong(shown: str, what: str) -> SettingsError:
    return SettingsError(f"store URL {shown!r}: {what}", hint=f"It has the form {_INFLUX_FORM}")


_PARSERS: Final[dict[str, Callable[[str], StoreAddress]]] = {
    "sqlite": _sqlite,
    "influxdb": _influx("influxdb", "http"),
    "influxdb+https": _influx("influxdb+https", "https"),
}
