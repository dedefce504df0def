"""How far a campaign has come, kept in a small file so that it can go on after an interruption."""

import json
import os
from pathlib import Path

from pdm_platform.contract.errors import SettingsError


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
        if self._path is None or not self._path.exists():
            return 0
        hint = "Name another file, or delete this one to start from the beginning."
        try:
            found = json.loads(self._path.read_text(encoding="utf-8"))
            campaign, done = found["campaign"], int(found["acknowledged"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise SettingsError(f"resume file {str(self._path)!r} cannot be used: {error!r}", hint=hint) from None
        if campaign != self._campaign or not 0 <= done <= total:
            raise SettingsError(
                f"resume file {str(self._path)!r} belongs to {campaign}, at {done}, not to {self._campaign} of {total}",
                hint=hint,
            )
        return done

    def save(self, acknowledged: int) -> None:
        """Replace the file, whole or not at all. Raises SettingsError where it cannot be written."""
        if self._path is None:
            return
        partial = self._path.with_name(f"{self._path.name}.partial")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with partial.open("w", encoding="utf-8") as file:
                json.dump({"campaign": self._campaign, "acknowledged": acknowledged}, file)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(self._path)
        except OSError as error:
            raise SettingsError(f"resume file {str(self._path)!r} cannot be written: {error.strerror}") from None

    def clear(self) -> None:
        """Forget the campaign: it is complete, and the next run starts from the beginning."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)
