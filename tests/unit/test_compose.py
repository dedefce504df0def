"""The compose file, the Dockerfile and the scripts around them, read as files: what every service must have."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from pdm_platform.deployment.settings import DeploymentSettings
from pdm_platform.deployment.vault import OWNERS
from pdm_platform.inference.settings import InferenceSettings
from pdm_platform.local.config import PARTS
from pdm_platform.runtime.settings import BaseEnvSettings, PlatformSettings
from sensors_bridge.settings import BridgeSettings

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
# they do one thing and end: nothing to restart, nothing to probe
ONCE = {"setup", "store-init", "devices", "files"}
LASTING = sorted(SERVICES.keys() - ONCE)
SCRIPTS = sorted((ROOT / "deploy").rglob("*.sh"))


def _default(text: str) -> str:
    """The text with each `${NAME:-default}` as it is where nobody sets NAME."""
    while (found := re.search(r"\$\{[A-Z_]+:-([^${}]*)\}", text)) is not None:
        text = text[: found.start()] + found[1] + text[found.end() :]
    return text


def _environment(service: str) -> dict[str, Any]:
    return SERVICES[service].get("environment") or {}


def _has_compose() -> bool:
    if shutil.which("docker") is None:
        return False
    return subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode == 0


def test_the_services_of_the_platform_are_all_there() -> None:
    assert set(SERVICES) == {
        *(
            "setup",
            "store-init",
            "devices",
            "files",
            "mosquitto",
            "influxdb",
            "postgres",
            "grafana",
            "bridge",
            "inference",
        ),
        *("dagster-code", "dagster-webserver", "dagster-daemon", "reports", "simulators"),
    }
    assert {name: service["profiles"] for name, service in SERVICES.items() if "profiles" in service} == {
        "simulators": ["demo"],
        "devices": ["tools"],
        "files": ["tools"],
    }


@pytest.mark.parametrize("service", sorted(SERVICES))
def test_an_image_is_pinned_to_a_minor_version_at_least(service: str) -> None:
    name, _, tag = _default(SERVICES[service]["image"]).partition(":")

    assert tag
    assert "latest" not in tag
    if name != "pdm-platform":  # ours is built from this very tree
        # PostgreSQL's minor versions change no file format and no behaviour: its 17 is what others call 17.x
        assert re.fullmatch(r"17" if name == "postgres" else r"\d+\.\d+(\.\d+)?", tag)


def test_the_base_image_is_pinned_to_a_minor_version_in_every_stage() -> None:
    bases = re.findall(r"^FROM (\S+)", (ROOT / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)

    assert len(bases) == 2
    assert set(bases) == {"python:3.13-slim-bookworm"}


@pytest.mark.parametrize("service", sorted(SERVICES))
def test_a_service_has_no_more_rights_than_it_needs(service: str) -> None:
    found = SERVICES[service]

    assert found["cap_drop"] == ["ALL"]
    assert found["security_opt"] == ["no-new-privileges:true"]
    assert found["read_only"] is True
    assert "privileged" not in found
    assert not any("docker.sock" in str(volume) for volume in found.get("volumes", []))
    if service in ONCE:
        # it writes files that belong to other users, and has no business outside: no network, or the store's only
        assert found["cap_add"] == ["CHOWN", "DAC_OVERRIDE", "FOWNER"]
        assert found.get("network_mode") == "none" or found["networks"] == ["inner"]
    else:
        assert "cap_add" not in found
        assert not found["user"].startswith("0")


@pytest.mark.parametrize("service", sorted(SERVICES))
def test_a_service_has_bounds_on_memory_processes_and_logs(service: str) -> None:
    found = SERVICES[service]

    assert re.fullmatch(r"\d+[mg]", found["mem_limit"])
    assert found["pids_limit"] > 0
    assert found["logging"]["options"].keys() == {"max-size", "max-file"}


@pytest.mark.parametrize("service", LASTING)
def test_a_lasting_service_is_started_again_and_probed(service: str) -> None:
    found = SERVICES[service]

    assert found["restart"] == "unless-stopped"
    assert found["init"] is True
    assert found["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL")
    assert found["healthcheck"].keys() >= {"interval", "timeout", "retries", "start_period"}


@pytest.mark.parametrize("service", sorted(ONCE))
def test_what_ends_by_itself_is_not_started_again(service: str) -> None:
    assert SERVICES[service]["restart"] == "no"


@pytest.mark.parametrize("service", sorted(SERVICES))
def test_a_port_is_published_on_loopback_unless_told_otherwise(service: str) -> None:
    for port in SERVICES[service].get("ports", []):
        assert _default(port).startswith("127.0.0.1:")
        with_login = service in ("mosquitto", "grafana")
        assert port.startswith("${PDM_BIND:-" if with_login else "${PDM_BIND_WITHOUT_LOGIN:-")


def test_store_and_postgres_are_on_a_network_without_a_way_out_and_publish_nothing() -> None:
    assert COMPOSE["networks"]["inner"] == {"internal": True}
    assert COMPOSE["networks"]["plant"] == {"internal": True}
    for service in ("influxdb", "postgres"):
        assert SERVICES[service]["networks"] == ["inner"]
        assert "ports" not in SERVICES[service]


def test_only_what_talks_to_a_server_is_on_its_network() -> None:
    on_inner = {name for name, service in SERVICES.items() if "inner" in service.get("networks", [])}
    on_plant = {name for name, service in SERVICES.items() if "plant" in service.get("networks", [])}

    assert "simulators" not in on_inner
    assert "reports" not in on_inner | on_plant
    assert SERVICES["mosquitto"]["networks"]["plant"] == {"aliases": ["broker-plain"]}
    listeners = re.findall(r"^listener (.*)$", (ROOT / "deploy/mosquitto/mosquitto.conf").read_text(), re.MULTILINE)
    assert listeners == ["8883", "1883 broker-plain", "1883 127.0.0.1"]
    assert on_plant == {"mosquitto", "bridge", "inference", "dagster-code", "simulators"}


@pytest.mark.parametrize("service", sorted(SERVICES))
def test_no_secret_is_in_the_environment_only_files_that_hold_one(service: str) -> None:
    for name, value in _environment(service).items():
        # without a value: handed on from the environment of whoever starts the stack, who has a mail server
        if (name, value) == ("GF_SMTP_PASSWORD", None):
            continue
        if re.search(r"PASSWORD|TOKEN|SECRET|PGPASS", name) and not name.startswith("PDM_SECRETS_DIR"):
            assert name.endswith(("_FILE", "PGPASSFILE"))
            assert str(value).startswith("/run/secrets/")
        assert not re.search(r"://[^/@]*:[^/@]*@", str(value))


@pytest.mark.parametrize("service", LASTING)
def test_a_service_sees_its_own_folder_of_secrets_read_only_and_no_other(service: str) -> None:
    mounts = [_default(volume) for volume in SERVICES[service].get("volumes", []) if "PDM_SECRETS_DIR" in volume]
    # the webserver asks nobody for a password: it and the daemon get what opens Dagster's storage, and nothing else
    shared = {"simulators": "simulator", "dagster-webserver": "dagster", "dagster-daemon": "dagster"}
    folder = shared.get(service, service)

    assert mounts == ([] if service == "reports" else [f"./deploy/secrets/{folder}:/run/secrets:ro"])
    if mounts:
        uid = OWNERS[folder]
        assert SERVICES[service]["user"].split(":")[0] == str(uid)


@pytest.mark.parametrize("service", LASTING)
def test_the_broker_user_of_a_service_is_its_own(service: str) -> None:
    environment = _environment(service)
    if "PDM_MQTT_PASSWORD_FILE" in environment:
        expected = {"dagster-code": "pdm-dagster", "simulators": "pdm-simulator"}.get(service, f"pdm-{service}")
        assert environment["PDM_MQTT_USERNAME"] == expected


@pytest.mark.parametrize("service", sorted(SERVICES))
def test_each_wait_is_for_what_a_service_can_become(service: str) -> None:
    for needed, how in SERVICES[service].get("depends_on", {}).items():
        expected = "service_completed_successfully" if needed in ONCE else "service_healthy"
        assert how == {"condition": expected}


@pytest.mark.parametrize("service", sorted(SERVICES))
def test_what_a_service_keeps_is_in_a_named_volume(service: str) -> None:
    kept = [str(volume).split(":")[0] for volume in SERVICES[service].get("volumes", [])]

    assert {name for name in kept if re.fullmatch(r"[a-z]+", name)} <= COMPOSE["volumes"].keys()


@pytest.mark.parametrize(
    ("service", "settings"),
    [
        *((service, PlatformSettings) for service in ("bridge", "inference", "dagster-code", "simulators")),
        ("bridge", BridgeSettings),
        ("inference", InferenceSettings),
    ],
)
def test_every_setting_of_a_process_is_set_by_the_stack_or_passed_on(
    service: str, settings: type[BaseEnvSettings]
) -> None:
    # the image says where home is; secrets come as files; TLS is for those outside of the inner network
    elsewhere = {"PDM_HOME", "PDM_MQTT_PASSWORD", "PDM_MQTT_TLS_CA", "PDM_STORE_TOKEN"}
    # only what writes or reads the store has an address of it, only Dagster links to reports
    elsewhere |= {"PDM_STORE_URL", "PDM_STORE_TOKEN_FILE", "PDM_REPORTS_URL"}
    known = {f"PDM_{name.upper()}" for name in settings.model_fields} - elsewhere

    assert known - _environment(service).keys() == set()


@pytest.mark.parametrize("service", ["setup", "devices"])
def test_every_setting_of_secrets_and_accounts_is_set_by_the_stack_or_passed_on(service: str) -> None:
    known = {f"PDM_{name.upper()}" for name in DeploymentSettings.model_fields}

    # the scrapers are the business of store-init
    assert _environment(service).keys() == known - {"PDM_METRICS_TARGETS"} | {"PDM_TOPIC_ROOT"}


def test_an_account_is_made_by_the_command_that_make_up_prints() -> None:
    devices = SERVICES["devices"]

    assert devices["entrypoint"] == ["pdmctl", "devices"]
    assert devices["command"] == ["list"]
    assert "docker compose run --rm devices add ID" in (ROOT / "deploy" / "up.sh").read_text(encoding="utf-8")


def test_the_demo_has_two_dozen_pumps_of_which_the_failed_ones_are_repaired() -> None:
    command = [_default(part) for part in SERVICES["simulators"]["command"]]

    assert "--pumps=24" in command
    assert any(part.startswith("--repair-after-s=") for part in command)


def test_secrets_and_data_stay_out_of_the_image_and_out_of_git() -> None:
    docker = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    git = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()

    assert docker[1] == "*"
    assert not any(line.startswith("!deploy") and line != "!deploy/dagster" for line in docker)
    assert {"deploy/secrets/", ".env", "backups/"} <= set(git)


def test_the_image_runs_as_a_user_without_rights() -> None:
    stages = (ROOT / "Dockerfile").read_text(encoding="utf-8").split("\nFROM ")

    assert "--require-hashes" in stages[1]
    assert re.findall(r"^USER (.*)", stages[-1], re.MULTILINE) == ["10001:10001"]
    assert "pip uninstall --yes" in stages[-1]


def test_hadolint_finds_nothing_in_the_dockerfile() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    found = subprocess.run([hadolint, ROOT / "Dockerfile"], capture_output=True, text=True, check=False)

    assert (found.returncode, found.stdout) == (0, "")


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_a_shell_can_read_each_script(script: Path) -> None:
    read = subprocess.run(["sh", "-n", script], capture_output=True, text=True, check=False)

    assert (read.returncode, read.stderr) == (0, "")


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="no shellcheck here: Debian's package brings it")
def test_shellcheck_warns_of_nothing_in_the_scripts() -> None:
    found = subprocess.run(
        ["shellcheck", "-x", "-P", str(ROOT), "-S", "warning", *SCRIPTS], capture_output=True, text=True, check=False
    )

    assert (found.returncode, found.stdout) == (0, "")


@pytest.mark.skipif(not _has_compose(), reason="no Docker with Compose here")
def test_compose_reads_the_file_without_a_warning() -> None:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PDM_", "COMPOSE_"))}
    read = subprocess.run(
        ["docker", "compose", "--profile", "*", "config", "--quiet"],
        cwd=ROOT,
        env=clean,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (read.returncode, read.stdout, read.stderr) == (0, "", "")


@pytest.mark.parametrize("missing", ["docker", "compose", "engine"])
def test_where_docker_or_compose_is_missing_make_up_says_so(missing: str, tmp_path: Path) -> None:
    answers = {"compose": "exit 1", "engine": '[ "$1" = compose ]'}
    if missing != "docker":
        fake = tmp_path / "docker"
        fake.write_text(f"#!/bin/sh\n{answers[missing]}\n")
        fake.chmod(0o755)
    for tool in ("sh", "dirname", "make"):
        (tmp_path / tool).symlink_to(str(shutil.which(tool)))

    said = subprocess.run(
        ["make", "up"], cwd=ROOT, env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False
    )

    assert said.returncode != 0
    named = {"docker": "docker is missing", "compose": "Compose 2 is not", "engine": "engine does not answer"}
    assert named[missing] in said.stderr


def test_every_variable_of_the_compose_file_is_in_the_table_of_settings_with_its_default() -> None:
    known = {f"PDM_{name.upper()}": field.default for _, part in PARTS for name, field in part.model_fields.items()}
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    defaults = dict(re.findall(r"\$\{(PDM_[A-Z_]+):-([^${}]*)\}", text))
    # what stands where an address is unset is of no use to anyone, and hidden from the table
    unset = {"PDM_ALERT_WEBHOOK_URL", "PDM_ALERT_EMAIL"}

    assert set(re.findall(r"\$\{(PDM_[A-Z_]+)", text)) - known.keys() == set()
    patterns = {"PDM_ALERT_WEBHOOK_FOR", "PDM_ALERT_EMAIL_FOR"}
    assert set(re.findall(r"^ +(PDM_[A-Z_]+):", text, re.MULTILINE)) - known.keys() == patterns
    for name in defaults.keys() - unset:
        assert defaults[name].removeprefix("./") == str(known[name]), name
