"""Writes what Grafana is provisioned with: `python -m grafana.build`, or `--check` to see whether it is up to date."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder

from grafana import alerts, data_quality, fleet, model_and_drift, pipeline, pump

_HEADER: Final = "# Made from grafana/alerts.py by `make dashboards`.\n"
HERE: Final = Path(__file__).parent
DASHBOARDS: Final = {
    "fleet": fleet.build,
    "model_and_drift": model_and_drift.build,
    "pump": pump.build,
    "pipeline": pipeline.build,
    "data_quality": data_quality.build,
}


def rendered() -> Mapping[Path, str]:
    """Each file that is made from the code, with its text."""
    made = {HERE / "dashboards" / f"{name}.json": _dashboard(name) for name in DASHBOARDS}
    made[HERE / "provisioning" / "alerting" / "rules.yaml"] = _HEADER + _yaml(alerts.provisioned())
    return made


def _dashboard(name: str) -> str:
    return _json(DASHBOARDS[name]().build())


def _json(content: object) -> str:
    # the SDK's own order of keys follows from its code; sorted, a new release of it changes only what it changes
    return json.dumps(content, cls=JSONEncoder, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def _yaml(content: Mapping[str, object]) -> str:
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=120)


def stale() -> list[Path]:
    """Files that are not what the code makes."""
    return [path for path, text in rendered().items() if not path.exists() or path.read_text(encoding="utf-8") != text]


def main(arguments: list[str]) -> int:
    """Write the files, or with `--check` only name those that would change and return 1."""
    if arguments not in ([], ["--check"]):
        print("usage: python -m grafana.build [--check]", file=sys.stderr)
        return 2
    changed = stale()
    if arguments:
        for path in changed:
            print(f"not what the code makes: {path.relative_to(HERE)}; run `make dashboards`", file=sys.stderr)
        return 1 if changed else 0
    for path, text in rendered().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    print(f"{len(changed)} of {len(rendered())} files changed")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
