"""On what a run was taken: figures of another machine are other figures."""

import os
import platform
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

import psutil

_CPUINFO: Final = Path("/proc/cpuinfo")
_VERSIONS: Final = {
    "mosquitto": (("mosquitto", "-h"), r"mosquitto version (\S+)"),
    "influxd": (("influxd", "version"), r"InfluxDB (\S+)"),
    "cc": (("cc", "--version"), r"(\d+\.\d+\.\d+)"),
}


def facts() -> dict[str, Any]:
    """Processor, cores, memory, system, versions, and the load before the run began."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        **{name: _version(*how) for name, how in _VERSIONS.items()},
        "load_before": round(os.getloadavg()[0], 2),
    }


def _processor() -> str:
    text = _CPUINFO.read_text(encoding="utf-8") if _CPUINFO.exists() else ""
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return found[1] if found else platform.processor() or platform.machine()


def _version(command: tuple[str, ...], pattern: str) -> str | None:
    program = shutil.which(command[0], path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")
    if program is None:
        return None
    said = subprocess.run([program, *command[1:]], capture_output=True, text=True, timeout=10.0)
    found = re.search(pattern, said.stdout + said.stderr)
    return found[1] if found else None
