"""Every setting of every process, from the settings classes themselves."""

from pydantic import SecretStr
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pdm_platform.inference.settings import InferenceSettings
from pdm_platform.runtime.broker import BrokerSettings
from pdm_platform.runtime.settings import BaseEnvSettings, PlatformSettings
from sensors_bridge.settings import BridgeSettings

PARTS: tuple[tuple[str, type[BaseEnvSettings]], ...] = (
    ("all", PlatformSettings),
    ("broker", BrokerSettings),
    ("bridge", BridgeSettings),
    ("inference", InferenceSettings),
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
    table = Table("variable", "read by", "value", "default", "meaning", header_style="bold")
    for part, settings in PARTS:
        loaded = settings.load()
        for name, field in settings.model_fields.items():
            value, default = escape(_shown(getattr(loaded, name))), escape(_shown(field.default))
            style = "" if value == default else "bold"
            table.add_row(
                f"PDM_{name.upper()}", part, f"[{style}]{value}" if style else value, default, field.description
            )
    Console().print(table)
