"""How far a campaign has come, kept in a small file so that it can go on after an interruption."""

import json
import os
from pathlib import Path
from typing import Any

from pdm_platform.contract.errors import SettingsError

_HINT = "Name another file, or delete this one to start from the beginning."


class Checkpoint:
    """Count of the readings the broker has acknowledged, for one campaign.

    path: the file, or None to remember nothing. campaign: what the count is good for.
    """

    def __init__(self, path: Path | None, campaign: dict[str, str | int]) -> None:
        self._path = path
        self._campaign = campaign

    def load(self, total: int) -> int:
        """Readings acknowledged so far, 0 where there is no file.

        Raises SettingsError, naming the file, where it is unreadable or belongs to another campaign.
        """
        found = _read(self._path, "acknowledged")
        if found is None:
            return 0
        campaign, done = found
        if campaign != self._campaign or not 0 <= done <= total:
            raise SettingsError(
                f"resume file {str(self._path)!r} belongs to {campaign}, at {done}, not to {self._campaign} of {total}",
                hint=_HINT,
            )
        return done

    def save(self, acknowledged: int) -> None:
        """Replace the file, whole or not at all. Raises SettingsError where it cannot be written."""
        _write(self._path, {"campaign": self._campaign, "acknowledged": acknowledged})

    def clear(self) -> None:
        """Forget the campaign: it is complete, and the next run starts from the beginning."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)


class FleetCheckpoint:
    """Until when a live fleet has run and was acknowledged. What the fleet did follows from its plan and its start.

    path: the file, or None to remember nothing. plan: what the times are good for.
    """

    def __init__(self, path: Path | None, plan: str) -> None:
        self._path = path
        self._plan = plan

    def load(self) -> tuple[int, int] | None:
        """Start and end of what has run, in epoch ms; None where there is no file.

        Raises SettingsError, naming the file, where it is unreadable or belongs to another plan.
        """
        found = _read(self._path, "until_ms")
        if found is None:
            return None
        campaign, until_ms = found
        if not isinstance(campaign, dict) or campaign.get("plan") != self._plan:
            raise SettingsError(
                f"resume file {str(self._path)!r} belongs to {campaign}, not to {self._plan}", hint=_HINT
            )
        return int(campaign["start_ms"]), until_ms

    def save(self, start_ms: int, until_ms: int) -> None:
        """Replace the file, whole or not at all. Raises SettingsError where it cannot be written."""
        _write(self._path, {"campaign": {"plan": self._plan, "start_ms": start_ms}, "until_ms": until_ms})


def _read(path: Path | None, field: str) -> tuple[Any, int] | None:
    if path is None or not path.exists():
        return None
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return found["campaign"], int(found[field])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SettingsError(f"resume file {str(path)!r} cannot be used: {error!r}", hint=_HINT) from None


def _write(path: Path | None, content: dict[str, Any]) -> None:
    if path is None:
        return
    partial = path.with_name(f"{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("w", encoding="utf-8") as file:
            json.dump(content, file)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        raise SettingsError(f"resume file {str(path)!r} cannot be written: {error.strerror}") from None
