from pathlib import Path

import pytest

from pdm_platform.contract.errors import SettingsError
from pdm_platform.runtime.settings import PlatformSettings


def test_without_any_variable_the_platform_lives_below_var_dev() -> None:
    settings = PlatformSettings(home=Path("var/dev"))

    assert settings.resolved_store_url == f"sqlite:///{Path('var/dev').absolute()}/store/telemetry.sqlite"
    assert settings.registry_path == Path("var/dev").absolute() / "registry"
    assert settings.topics.root == "factory"


def test_variables_are_read_with_their_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PDM_MQTT_PORT", "18830")
    monkeypatch.setenv("PDM_TOPIC_ROOT", "plant/north")
    monkeypatch.setenv("PDM_STORE_URL", "sqlite:////data/pdm.sqlite")

    settings = PlatformSettings.load()

    assert settings.mqtt_port == 18830
    assert settings.topics.root == "plant/north"
    assert settings.resolved_store_url == "sqlite:////data/pdm.sqlite"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PDM_MQTT_PORT", "eighteen"),
        ("PDM_MQTT_PORT", "70000"),
        ("PDM_TOPIC_ROOT", "factory/#"),
        ("PDM_STORE_URL", "postgres://somewhere"),
        ("PDM_STORE_URL", "influxdb://store/pdm"),
        ("PDM_LOG_LEVEL", "loud"),
        ("PDM_MAX_AGE_DAYS", "0"),
        ("PDM_ALLOWED_DEVICES", "pump-("),
    ],
)
def test_a_value_that_cannot_be_used_is_named_with_its_variable(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)

    with pytest.raises(SettingsError) as refused:
        PlatformSettings.load()

    assert f"{variable}={value!r}: " in refused.value.what


def test_all_wrong_values_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PDM_MQTT_PORT", "-1")
    monkeypatch.setenv("PDM_LOG_LEVEL", "loud")

    with pytest.raises(SettingsError, match=r"PDM_MQTT_PORT.*PDM_LOG_LEVEL"):
        PlatformSettings.load()


def test_the_password_is_never_shown() -> None:
    settings = PlatformSettings.model_validate({"mqtt_password": "hunter2"})

    assert settings.password() == "hunter2"
    assert "hunter2" not in repr(settings)
    assert "hunter2" not in str(settings.model_dump())


def test_a_password_file_wins_over_the_variable(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("from the file\n", encoding="utf-8")

    settings = PlatformSettings.model_validate({"mqtt_password": "from the variable", "mqtt_password_file": file})

    assert settings.password() == "from the file"


def test_a_password_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    settings = PlatformSettings(mqtt_password_file=tmp_path / "nowhere")

    with pytest.raises(SettingsError, match=r"PDM_MQTT_PASSWORD_FILE=.*nowhere.*No such file"):
        settings.password()


def test_settings_cannot_be_changed_once_loaded() -> None:
    settings = PlatformSettings()

    with pytest.raises(ValueError, match="frozen"):
        settings.mqtt_port = 1  # type: ignore[misc]


def test_the_intake_limits_are_the_settings_in_nanoseconds() -> None:
    limits = PlatformSettings(max_age_days=2, max_ahead_s=1.5).intake_limits

    assert limits.max_age_ns == 2 * 86_400 * 10**9
    assert limits.max_ahead_ns == 1_500_000_000
    assert limits.allowed_devices is None


def test_a_password_in_the_stores_url_is_refused_without_showing_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PDM_STORE_URL", "influxdb://pdm:hunter2@store/pdm?org=pdm")

    with pytest.raises(SettingsError, match=r"PDM_STORE_URL=.*carries a credential") as refused:
        PlatformSettings.load()

    assert "hunter2" not in str(refused.value)


def test_the_stores_token_comes_from_its_file_before_the_variable_and_is_never_shown(tmp_path: Path) -> None:
    file = tmp_path / "store-token"
    file.write_text("from the file\n", encoding="utf-8")
    variable = PlatformSettings.model_validate({"store_token": "hunter2"})
    both = PlatformSettings.model_validate({"store_token": "hunter2", "store_token_file": file})

    assert (variable.token(), variable.token_from) == ("hunter2", "PDM_STORE_TOKEN")
    assert (both.token(), both.token_from) == ("from the file", f"PDM_STORE_TOKEN_FILE, the file {str(file)!r}")
    assert "hunter2" not in repr(both) + str(both.model_dump())


def test_a_token_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    settings = PlatformSettings(store_token_file=tmp_path / "nowhere")

    with pytest.raises(SettingsError, match=r"PDM_STORE_TOKEN_FILE=.*nowhere.*No such file"):
        settings.token()
