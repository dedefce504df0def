from pathlib import Path

import pytest

from pdm_platform.contract.errors import SettingsError
from pdm_platform.runtime.store_address import InfluxAddress, SqliteAddress, parse_store_url


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("sqlite:///var/t.sqlite", SqliteAddress(Path("var/t.sqlite"))),
        ("sqlite:////srv/a #1@b%20?/t.sqlite", SqliteAddress(Path("/srv/a #1@b%20?/t.sqlite"))),
        ("influxdb://store:8087/pdm?org=plant", InfluxAddress("http://store:8087", "pdm", "plant")),
        ("influxdb://store/north.1?org=a%20b", InfluxAddress("http://store:8086", "north.1", "a b")),
        ("influxdb+https://[::1]:443/pdm?org=plant", InfluxAddress("https://[::1]:443", "pdm", "plant")),
    ],
)
def test_a_url_names_a_file_or_a_server_with_its_buckets(url: str, address: object) -> None:
    assert parse_store_url(url) == address


@pytest.mark.parametrize(
    ("url", "named"),
    [
        ("influx://store/pdm?org=plant", "unknown scheme 'influx'"),
        ("influxdb:///pdm?org=plant", "host is missing"),
        ("influxdb://store:port/pdm?org=plant", "'port'"),
        ("influxdb://store?org=plant", "prefix of the buckets ''"),
        ("influxdb://store/a/b?org=plant", "prefix of the buckets 'a/b'"),
        ("influxdb://store/_pdm?org=plant", "prefix of the buckets '_pdm'"),
        ("influxdb://store/pdm", "organisation is missing"),
        ("influxdb://store/pdm?org=", "organisation is missing"),
        ("influxdb://store/pdm?org=plant&bucket=x", "unknown parameter 'bucket'"),
        ("influxdb://store/pdm?org=plant#top", "'top'"),
    ],
)
def test_a_url_that_cannot_be_used_is_refused_naming_the_part(url: str, named: str) -> None:
    with pytest.raises(SettingsError) as refused:
        parse_store_url(url)

    assert named in refused.value.what
    assert refused.value.hint


@pytest.mark.parametrize(
    "url",
    [
        "influxdb://pdm:hunter2@store/pdm?org=plant",
        "influxdb://hunter2@store/pdm?org=plant",
        "influxdb://store/pdm?org=plant&token=hunter2",
        "influxdb://store/pdm?API_TOKEN=hunter2&org=plant",
        "influxdb+https://store/pdm?org=plant&u=pdm&p=hunter2",
        "http://pdm:hunter2@store/pdm",
    ],
)
def test_a_credential_in_the_url_is_refused_and_never_shown(url: str) -> None:
    with pytest.raises(SettingsError) as refused:
        parse_store_url(url)

    assert "hunter2" not in str(refused.value)
    assert "***" in refused.value.what
