"""docs/operations.md and what it speaks of: services, variables, files, the broker's limits."""

import re
from pathlib import Path

import pytest
import yaml

from pdm_platform.deployment.secrets import MQTT_PASSWORD_FILES

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
COMPOSE_TEXT = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
SERVICES = yaml.safe_load(COMPOSE_TEXT)["services"]
CONF = (ROOT / "deploy" / "mosquitto" / "mosquitto.conf").read_text(encoding="utf-8")
# read by the scripts, not by the compose file
OF_SCRIPTS = {"PDM_UP_TIMEOUT_S"}


def section(title: str) -> str:
    return TEXT.split(f"\n## {title}\n")[1].split("\n## ")[0]


def test_every_command_names_a_service_of_the_compose_file() -> None:
    flags = r"(?:-\S+ +(?:PGPASSWORD=\S+ )?)*"
    named = re.findall(rf"docker compose (?:run|exec|restart) +{flags}([a-z][a-z-]+)", TEXT)

    assert len(named) > 20
    assert set(named) <= set(SERVICES)


def test_every_make_target_exists() -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)

    named = set(re.findall(r"(?:^|`|&& )make ([a-z-]+)", TEXT, re.MULTILINE))

    assert {"up", "down", "backup", "restore", "test-stack"} <= named <= set(targets)


def test_every_variable_is_one_that_the_stack_reads() -> None:
    named = set(re.findall(r"\b(PDM_[A-Z_]+)\b", TEXT))

    assert len(named) > 8
    assert {name for name in named - OF_SCRIPTS if not re.search(rf"\b{name}\b", COMPOSE_TEXT)} == set()


def test_every_link_inside_of_the_document_leads_somewhere() -> None:
    headings = {
        re.sub(r"[^a-z ]", "", title.lower()).replace(" ", "-") for title in re.findall(r"^## (.+)$", TEXT, re.M)
    }

    assert set(re.findall(r"\]\(#([a-z-]+)\)", TEXT)) <= headings


def test_the_table_of_health_checks_has_every_service_that_is_probed() -> None:
    rows = set(re.findall(r"^\| `([a-z-]+)` \|", section("What each health check means"), re.MULTILINE))

    assert rows == {name for name, service in SERVICES.items() if "healthcheck" in service}


def test_every_service_s_password_can_be_found_by_the_folder_that_is_named() -> None:
    (row,) = re.findall(r"^\| the bridge's at the broker.*$", section("Passwords and tokens"), re.MULTILINE)

    folders = {name.split("/")[0] for name in MQTT_PASSWORD_FILES.values()} - {"mosquitto"}
    assert all(folder in row for folder in folders)


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("max_queued_messages 800000", "up to 800,000 messages"),
        ("max_queued_bytes 400000000", "400 MB of payload"),
        ("autosave_interval 10", "every 10 s (`autosave_interval`)"),
        ("persistent_client_expiration 14d", "up to 14 days"),
    ],
)
def test_what_is_said_of_the_broker_is_what_its_configuration_says(setting: str, said: str) -> None:
    assert re.search(rf"^{setting}$", CONF, re.MULTILINE)
    assert said in section("What the broker keeps")


def test_the_hours_that_the_broker_keeps_are_those_of_its_queue() -> None:
    table = re.findall(
        r"^\| ([\d,]+)(?: \(.*?\))? \| (.*?) \| (.*?) \|$", section("What the broker keeps"), re.MULTILINE
    )
    rates = {int(rate.replace(",", "")): cells for rate, *cells in table if "min" in cells[0]}

    assert set(rates) == {24, 100, 1000}
    for rate, (with_inference, without) in rates.items():
        assert seconds(without) == pytest.approx(800_000 / rate, rel=0.01)
        assert seconds(with_inference) == pytest.approx(800_000 / rate / 2, rel=0.01)


def seconds(span: str) -> int:
    units = {"h": 3600, "min": 60, "s": 1}
    return sum(int(number) * units[unit] for number, unit in re.findall(r"(\d+) (h|min|s)\b", span))
