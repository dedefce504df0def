"""`pdmctl secrets` and `pdmctl devices` as people type them: what they print, and what they never do."""

import json
import re
import shlex
from pathlib import Path

import pytest
import typer
from click.testing import Result
from typer.testing import CliRunner

from pdm_platform.contract.payloads import Telemetry, decode
from pdm_platform.deployment import devices_cli, secrets_cli
from pdm_platform.deployment.access import Passwords
from pdm_platform.deployment.devices import DeviceError
from pdm_platform.deployment.settings import DeploymentSettings
from pdm_platform.deployment.vault import SecretsError
from tests.unit.deployment.conftest import Site

# what may be shown unasked: certificates are public, the access list holds names only
PUBLIC = re.compile(r".*(\.crt|/acl|/roles)")


pytestmark = pytest.mark.usefixtures("folder")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the commands find their secrets; nothing else is set."""
    for name in (*DeploymentSettings.model_fields, "topic_root"):
        monkeypatch.delenv(f"PDM_{name.upper()}", raising=False)
    monkeypatch.setenv("PDM_SECRETS_DIR", str(tmp_path / "secrets"))
    return tmp_path / "secrets"


def typed(app: typer.Typer, *words: str) -> Result:
    """Type one command. Fails where it ends with an error."""
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, (result.output, result.exception)
    return result


def refusal(app: typer.Typer, *words: str) -> BaseException | None:
    """The error that one command ends with; `pdmctl` prints it and exits with 1."""
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 1
    assert result.stdout == ""
    return result.exception


def secret_values(folder: Path) -> set[str]:
    """Every secret value that there is, and each line of a private key."""
    contents = Site(folder).contents()
    return {
        line
        for name, content in contents.items()
        if not PUBLIC.fullmatch(name)
        for line in content.decode().split()
        if len(line) > 20 and "PRIVATE" not in line
    }


# -- secrets


def test_init_tells_which_files_it_made_and_what_is_in_none_of_them(folder: Path) -> None:
    told = typed(secrets_cli.app, "init").output

    names = set(Site(folder).contents())
    assert {f"made {folder / name}" for name in names} <= set(told.splitlines())
    assert len(secret_values(folder)) > 15
    assert not any(value in told for value in secret_values(folder))


def test_a_second_init_says_that_all_is_there(folder: Path) -> None:
    typed(secrets_cli.app, "init")

    assert f"all secrets are in {folder}" in typed(secrets_cli.app, "init").output.splitlines()


def test_a_container_tells_the_folder_as_people_see_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PDM_SECRETS_DIR_ON_HOST", "./deploy/secrets")

    made = typed(secrets_cli.app, "init").output
    shown = typed(secrets_cli.app, "show").output
    added = json.loads(typed(devices_cli.app, "add", "pump-a", "--json").stdout)

    assert "made deploy/secrets/ca/ca.key\n" in made
    assert "\tdeploy/secrets/operator/ca.crt\t" in shown
    assert added["ca"] == "deploy/secrets/operator/ca.crt"
    assert str(folder) not in made + shown


def test_show_says_where_the_credentials_lie_and_no_value(folder: Path) -> None:
    typed(secrets_cli.app, "init")
    typed(devices_cli.app, "add", "pump-a")

    shown = typed(secrets_cli.app, "show").output

    assert not any(value in shown for value in secret_values(folder))
    rows = {row[0]: row[1:] for row in (line.split("\t") for line in shown.splitlines())}
    assert rows["Grafana"] == ["admin", str(folder / "operator/grafana-admin-password"), "there"]
    assert rows["InfluxDB, read only"][-1] == "missing"
    assert re.fullmatch(r"until \d{4}-\d\d-\d\d", rows["broker's certificate"][-1])


def test_show_reveals_on_demand_what_is_for_people_and_nothing_else(folder: Path) -> None:
    typed(secrets_cli.app, "init")
    site = Site(folder)

    shown = typed(secrets_cli.app, "show", "--reveal").output

    for_people = {site.read(f"operator/{name}").decode() for name in ("mqtt-password", "grafana-admin-password")}
    assert {value for value in secret_values(folder) if value in shown} == for_people


def test_renew_tells_both_ends(folder: Path) -> None:
    typed(secrets_cli.app, "init")
    before = Site(folder).contents()

    told = typed(secrets_cli.app, "renew").output

    assert Site(folder).changed_since(before) == {"mosquitto/server.crt", "mosquitto/server.key"}
    assert re.fullmatch(r"the broker's certificate was good until [\d-]+, the new one is until [\d-]+\n", told)


def test_renew_before_init_says_what_is_missing(folder: Path) -> None:
    refused = refusal(secrets_cli.app, "renew")

    assert isinstance(refused, SecretsError)
    assert f"{str(folder / 'mosquitto/server.crt')!r} is missing" in str(refused)


# -- devices


def test_add_prints_the_password_once_and_how_to_connect(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PDM_BROKER_NAMES", "plant.example,10.0.0.5")
    monkeypatch.setenv("PDM_BROKER_TLS_PORT", "18883")
    typed(secrets_cli.app, "init")

    told = typed(devices_cli.app, "add", "pump-a").output
    facts = dict(re.findall(r"^(\w+) +(\S+)$", told, re.MULTILINE))
    password = facts.pop("password")

    assert facts == {
        "username": "pump-a",
        "role": "device",
        "host": "plant.example",
        "port": "18883",
        "ca": str(folder / "operator/ca.crt"),
    }
    assert Passwords.parse(Site(folder).read("mosquitto/passwd").decode()).accepts("pump-a", password)
    assert not any(password in value for value in secret_values(folder))
    assert "not shown again" in told


def test_the_printed_command_publishes_a_reading_of_the_contract_on_the_device_s_topic(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PDM_TOPIC_ROOT", "plant-7")
    typed(secrets_cli.app, "init")

    words = shlex.split(typed(devices_cli.app, "add", "pump-a").stdout.splitlines()[-1])
    options = dict(zip(words[1::2], words[2::2], strict=True))

    assert words[0] == "mosquitto_pub"
    assert options["-t"] == "plant-7/pumps/pump-a/telemetry"
    assert (options["-u"], options["-q"], options["--cafile"]) == ("pump-a", "1", str(folder / "operator/ca.crt"))
    assert decode(Telemetry, options["-m"].encode()).device_id == "pump-a"


def test_a_reader_is_shown_how_to_listen() -> None:
    typed(secrets_cli.app, "init")

    words = shlex.split(typed(devices_cli.app, "add", "office", "--role", "reader").stdout.splitlines()[-1])

    assert words[0] == "mosquitto_sub"
    assert words[-2:] == ["-t", "factory/#"]


def test_for_machines_add_prints_one_json_object(folder: Path) -> None:
    typed(secrets_cli.app, "init")

    facts = json.loads(typed(devices_cli.app, "add", "gw", "--role", "gateway", "--json").stdout)

    assert facts.keys() == {"username", "password", "role", "host", "port", "ca"}
    assert (facts["username"], facts["role"], facts["port"]) == ("gw", "gateway", 8883)
    assert Site(folder).accounts.list() == {"gw": "gateway"}


def test_list_and_revoke_do_as_they_say(folder: Path) -> None:
    typed(secrets_cli.app, "init")
    assert typed(devices_cli.app, "list").output == ""
    typed(devices_cli.app, "add", "pump-b")
    typed(devices_cli.app, "add", "gw", "--role", "gateway")

    assert typed(devices_cli.app, "list").output == "gw\tgateway\npump-b\tdevice\n"
    assert typed(devices_cli.app, "revoke", "pump-b").output == "revoked pump-b\n"
    assert typed(devices_cli.app, "list").output == "gw\tgateway\n"
    assert Site(folder).read("mosquitto/passwd").count(b"pump-b") == 0


@pytest.mark.parametrize(
    "words",
    [
        *(("add", name) for name in ("pump/+", "pdm-bridge", "", "pump-a")),
        ("add", "pump-z", "--rotate"),
        ("revoke", "pump-z"),
    ],
    ids=" ".join,
)
def test_what_cannot_be_done_is_refused_by_name_and_prints_no_password(folder: Path, words: tuple[str, ...]) -> None:
    typed(secrets_cli.app, "init")
    typed(devices_cli.app, "add", "pump-a")
    before = Site(folder).contents()

    refused = refusal(devices_cli.app, *words)

    assert isinstance(refused, DeviceError)
    assert f"device id {words[1]!r}" in str(refused)
    assert refused.hint
    assert Site(folder).changed_since(before) == set()


def test_a_role_that_does_not_exist_is_a_wrong_use_of_the_command(folder: Path) -> None:
    typed(secrets_cli.app, "init")

    result = CliRunner().invoke(devices_cli.app, ["add", "pump-a", "--role", "king"])

    assert result.exit_code == 2
    assert "king" in result.output
    assert Site(folder).accounts.list() == {}
