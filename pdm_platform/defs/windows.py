"""Windows of event time as the assets' configuration names them."""

import time

from pdm_platform.contract.errors import SettingsError
from pdm_platform.contract.measurements import Window
from pdm_platform.contract.times import NS_PER_HOUR, time_of

NS_PER_DAY = 24 * NS_PER_HOUR


def end_ns_of(window_end: str | None) -> int:
    """The configured end, or the start of today (UTC): a rerun on the same day takes the same window."""
    now_ns = time.time_ns()
    return now_ns - now_ns % NS_PER_DAY if window_end is None else time_of(window_end, "window_end")


def between(start_ns: int, end_ns: int, field: str) -> Window:
    """The window, which may not be empty. Raises SettingsError naming the field."""
    if start_ns >= end_ns:
        raise SettingsError(f"{field}: the window ends before it has begun")
    return Window(start_ns, end_ns)
