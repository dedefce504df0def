"""Health checks of Dagster's processes in containers: `python -m pdm_platform.defs.alive code PORT` or `… daemon`.

Without importing Dagster: its own checks cost 1.6 and 3.1 s of CPU each time, and run as long as the stack.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from typing import Final

_WITHIN_S: Final = 5.0
# each loop of the daemon notes every 30 s that it is alive; Dagster's own check is content with 30 minutes
_SILENT_S: Final = 120.0
_LOOPS: Final = ("SCHEDULER", "SENSOR", "QUEUED_RUN_COORDINATOR", "MONITORING")
_AGES: Final = """
SELECT daemon_type, extract(epoch FROM now() AT TIME ZONE 'UTC' - max(timestamp)) FROM daemon_heartbeats GROUP BY 1
"""


def code_server_fault(port: int) -> str | None:
    """What is wrong with the code server on this loopback port, by the gRPC health protocol; None where it serves."""
    import grpc
    from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
    from grpc_health.v1.health_pb2_grpc import HealthStub

    try:
        with grpc.insecure_channel(f"127.0.0.1:{port}", options=[("grpc.enable_http_proxy", 0)]) as channel:
            answer = HealthStub(channel).Check(HealthCheckRequest(service="DagsterApi"), timeout=_WITHIN_S)
    except grpc.RpcError as error:
        return f"no answer on port {port}: {error}"
    serving = answer.status == HealthCheckResponse.SERVING
    return None if serving else f"the server on port {port} says {answer.status}, which is not SERVING"


def daemon_fault(environment: Mapping[str, str]) -> str | None:
    """Which of the daemon's loops has shown no progress, by what they note in PostgreSQL; None where all have.

    environment: PDM_DAGSTER_POSTGRES_URL, and what libpq reads.
    """
    import psycopg2

    url = environment["PDM_DAGSTER_POSTGRES_URL"].replace("postgresql+psycopg2://", "postgresql://")
    try:
        connection = psycopg2.connect(url, connect_timeout=int(_WITHIN_S))
        try:
            with connection.cursor() as cursor:
                cursor.execute(_AGES)
                ages = {loop: float(age_s) for loop, age_s in cursor.fetchall()}
        finally:
            connection.close()
    except psycopg2.Error as error:
        return f"PostgreSQL: {str(error).strip()}"
    silent = [loop for loop in _LOOPS if ages.get(loop, _SILENT_S) >= _SILENT_S]
    return f"no sign of life for {_SILENT_S:g} s from: {', '.join(silent)}" if silent else None


def main(arguments: Sequence[str]) -> int:
    """Exit code: 0 healthy, 1 not, 2 for a wrong command."""
    match arguments:
        case ["code", port] if port.isdigit():
            fault = code_server_fault(int(port))
        case ["daemon"]:
            fault = daemon_fault(os.environ)
        case _:
            print("usage: python -m pdm_platform.defs.alive {code PORT | daemon}", file=sys.stderr)
            return 2
    print(fault or "healthy")
    return int(fault is not None)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
