"""A container's health check: `python -m pdm_platform.runtime.healthz PORT [--path PATH] [--besides PART]`.

Asks what listens on this loopback port and prints its answer. Standard library only, because it runs every few seconds
for as long as the stack does.
"""

import argparse
import http.client
import json
import sys
import urllib.error
import urllib.request
from collections.abc import Collection, Sequence

_WITHIN_S = 4.0


def ask(port: int, path: str = "/healthz", *, besides: Collection[str] = ()) -> tuple[bool, str]:
    """Whether what listens on this loopback port is healthy, and its answer, or why there is none.

    besides: parts of `/healthz` whose problems do not count.
    """
    # a proxy of the environment must not be asked for what listens on loopback
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://127.0.0.1:{port}{path}", timeout=_WITHIN_S) as answer:
            return True, answer.read().decode(errors="replace")
    except urllib.error.HTTPError as error:
        with error:
            text = error.read().decode(errors="replace")
        return _only(text, besides), text
    except (OSError, http.client.HTTPException) as error:
        return False, f"no answer on port {port}: {error}\n"


def _only(text: str, besides: Collection[str]) -> bool:
    """Whether an unhealthy answer tells of no other parts than these."""
    try:
        problems = json.loads(text)["problems"]
    except (ValueError, TypeError, KeyError):
        return False  # not `/healthz` of ours: whatever it is, it says that it is unwell
    return bool(problems) and set(problems) <= set(besides)


def main(arguments: Sequence[str]) -> int:
    """Exit code: 0 healthy, 1 not."""
    parser = argparse.ArgumentParser(prog="healthz")
    parser.add_argument("port", type=int)
    parser.add_argument("--path", default="/healthz")
    parser.add_argument("--besides", action="append", default=[])
    given = parser.parse_args(arguments)
    healthy, text = ask(given.port, given.path, besides=given.besides)
    print(text, end="")
    return 0 if healthy else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
