"""Prints the core's cost: `python -m firmware.cost`, or `make firmware-cost`.

Exit status: 0; 1 where a target is missed or the core cannot be measured; 2 where a compiler is missing. Without QEMU
the instructions are left out.
"""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from firmware.cost.chips import FIRMWARE, BuildError, MissingError
from firmware.cost.measured import measure
from firmware.cost.stack import StackError
from firmware.cost.table import table


def main() -> int:
    """Returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m firmware.cost", description=(__doc__ or "").partition(":")[0])
    parser.add_argument("--json", action="store_true", help="as JSON")
    default = FIRMWARE.parent / "var" / "firmware" / "cost"
    parser.add_argument("--build", type=Path, default=default, help="folder to build in, default var/firmware/cost")
    given = parser.parse_args()
    try:
        cost = measure(given.build)
    except MissingError as missing:
        print(missing, file=sys.stderr)
        return 2
    except (BuildError, StackError) as wrong:
        print(wrong, file=sys.stderr)
        return 1
    print(json.dumps(asdict(cost), indent=2) if given.json else table(cost))
    return 0 if all(target.met for target in cost.targets) else 1


if __name__ == "__main__":
    sys.exit(main())
