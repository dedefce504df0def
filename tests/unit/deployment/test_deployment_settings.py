"""Settings of secrets and device accounts: defaults, and what is refused by name and value."""

from pathlib import Path

import pytest

from pdm_platform.contract.errors import SettingsError
from pdm_platform.deployment.settings import DeploymentSettings, is_address


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in DeploymentSettings.model_fields:
        monkeypatch.delenv(f"PDM_{name.upper()}", raising=False)


def test_unset_the_secrets_lie_beside_the_compose_file_and_devices_are_told_localhost() -> None:
    settings = DeploymentSettings.load()

    assert settings.secrets_dir == settings.told_dir == Path("deploy/secrets")
    assert settings.operator_uid is None
    assert (settings.broker_name, settings.broker_tls_port) == ("localhost", 8883)
    assert settings.broker_name_list == ()


def test_empty_variables_as_compose_passes_them_on_are_unset_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PDM_SECRETS_DIR", "PDM_OPERATOR_UID", "PDM_BROKER_NAMES", "PDM_BROKER_TLS_PORT"):
        monkeypatch.setenv(name, "")

    assert DeploymentSettings.load() == DeploymentSettings()


def test_devices_are_told_the_first_of_the_broker_s_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PDM_BROKER_NAMES", " plant.example, 10.0.0.5 ,, ::1")

    settings = DeploymentSettings.load()

    assert settings.broker_name_list == ("plant.example", "10.0.0.5", "::1")
    assert settings.broker_name == "plant.example"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PDM_BROKER_NAMES", "plant example"),
        ("PDM_BROKER_NAMES", "a.example,-b.example"),
        ("PDM_BROKER_NAMES", "*.example"),
        ("PDM_BROKER_NAMES", "https://plant.example"),
        ("PDM_BROKER_NAMES", "plant..example"),
        ("PDM_BROKER_NAMES", "x" * 64 + ".example"),
        ("PDM_BROKER_TLS_PORT", "70000"),
        ("PDM_OPERATOR_UID", "-1"),
        ("PDM_OPERATOR_UID", "alice"),
    ],
)
def test_a_value_that_cannot_be_used_is_named_with_its_variable(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)

    with pytest.raises(SettingsError) as refused:
        DeploymentSettings.load()

    assert f"{variable}={value!r}" in str(refused.value)


@pytest.mark.parametrize(
    ("name", "address"),
    [("10.0.0.5", True), ("::1", True), ("10.0.0", False), ("10.0.0.5/24", False), ("localhost", False)],
)
def test_an_address_is_told_from_a_host_name(name: str, address: bool) -> None:
    assert is_address(name) is address
