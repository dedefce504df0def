"""Who runs this program, for records of what was done."""

import getpass
import os


def actor() -> str:
    """Name of the user; in a container it may have a number only."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return f"uid {os.getuid()}"
