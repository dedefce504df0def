"""Every setting of every process, from the settings classes themselves."""

from pydantic import SecretStr

from pdm_platform.deployment.settings import DeploymentSettings
from pdm_platform.deployment.stack_settings import StackSettings
from pdm_platform.inference.settings import InferenceSettings
from pdm_platform.local.tables import print_rows
from pdm_platform.runtime.broker import BrokerSettings
from pdm_platform.runtime.settings import BaseEnvSettings, PlatformSettings
from sensors_bridge.settings import BridgeSettings

PARTS: tuple[tuple[str, type[BaseEnvSettings]], ...] = (
    ("all", PlatformSettings),
    ("broker", BrokerSettings),
    ("bridge", BridgeSettings),
    ("inference", InferenceSettings),
    ("secrets, devices, store", DeploymentSettings),
    ("compose", StackSettings),
)


def _shown(value: object) -> str:
    if isinstance(value, SecretStr):
        return "********" if value.get_secret_value() else ""
    pattern = getattr(value, "pattern", value)
    return "" if pattern is None else str(pattern)


def markdown_table() -> str:
    """The README's table: variable, default, meaning, and which process reads it."""
    lines = ["| variable | read by | default | meaning |", "|---|---|---|---|"]
    for part, settings in PARTS:
        for name, field in settings.model_fields.items():
            default = _shown(field.default)
            shown = f"`{default}`" if default else ""
            meaning = (field.description or "").replace("|", "\\|")
            lines.append(f"| `PDM_{name.upper()}` | {part} | {shown} | {meaning} |")
    return "\n".join(lines) + "\n"


def print_settings(*, markdown: bool) -> None:
    """Print the settings as they are here, secrets masked, or the table for the README."""
    if markdown:
        print(markdown_table(), end="")
        return
    rows = []
    for part, settings in PARTS:
        loaded = settings.load()
        for name, field in settings.model_fields.items():
            value, default = _shown(getattr(loaded, name)), _shown(field.default)
            rows.append((f"PDM_{name.upper()}", part, value, default, field.description or ""))
    print_rows(("variable", "read by", "value", "default", "meaning"), rows)
