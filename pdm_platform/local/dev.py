"""`make dev`: the embedded stack kept running, with the Dagster UI and a simulated fleet, until Ctrl-C."""

import sys
import threading
from pathlib import Path

from rich.console import Console

from pdm_platform.contract.errors import PdmError, ProcessError
from pdm_platform.local.processes import Process, interrupt_on_signals, is_free
from pdm_platform.local.report_server import served_reports
from pdm_platform.local.stack import Stack, embedded_stack

MQTT_PORT = 1883
_UI_WITHIN_S = 90.0
WORKSPACE = Path(__file__).parents[2] / "workspace.yaml"


def run_dev(folder: Path, ui_port: int, pumps: int) -> int:
    """Run until Ctrl-C or SIGTERM; returns the exit code."""
    console = Console()
    interrupt_on_signals()
    try:
        if not is_free(ui_port):
            raise ProcessError(f"port {ui_port} is taken", hint="`pdmctl dev --ui-port 3001` uses another.")
        mqtt_port = MQTT_PORT if is_free(MQTT_PORT) else 0
        # the same port each time, or the links in the history of the UI would go nowhere
        reports_port = ui_port + 1 if is_free(ui_port + 1) else 0
        with served_reports(folder, reports_port) as reports_url, embedded_stack(folder, mqtt_port=mqtt_port) as stack:
            console.print("starting the Dagster UI and a simulated fleet ...")
            dagster = _start_dagster(stack, ui_port, reports_url)
            stack.start(
                "fleet",
                *("simulate", "production", "--pumps", str(pumps), "--failing", str(max(1, pumps // 6))),
                *("--chaos-pumps", "1", "--repair-after-s", "60"),
            )
            stack.processes.wait_listening(dagster, ui_port, _UI_WITHIN_S)
            _print_addresses(console, stack, ui_port, reports_url)
            threading.Event().wait()
    except KeyboardInterrupt:
        console.print("stopped: every process has ended")
    except PdmError as error:
        console.print(str(error), markup=False, highlight=False, soft_wrap=True)
        return 1
    return 0


def _start_dagster(stack: Stack, ui_port: int, reports_url: str) -> Process:
    process = Process(
        name="dagster",
        command=[
            *(sys.executable, "-m", "dagster", "dev", "-w", str(WORKSPACE)),
            *("-h", "127.0.0.1", "-p", str(ui_port)),
        ],
        environment={**stack.environment, "PDM_REPORTS_URL": reports_url},
        log_path=stack.home / "logs" / "dagster.log",
    )
    return stack.processes.start(process)


def _print_addresses(console: Console, stack: Stack, ui_port: int, reports_url: str) -> None:
    bridge, inference = stack.by_name["bridge"].http_port, stack.by_name["inference"].http_port
    lines = [
        "",
        f"  Dagster UI    http://127.0.0.1:{ui_port}    start the job retrain there: no model serves before",
        f"  MQTT broker   127.0.0.1:{stack.platform.mqtt_port}    topics factory/pumps/+/telemetry, .../predictions",
        f"  reports       {reports_url}    linked from the assets' metadata",
        f"  bridge        http://127.0.0.1:{bridge}/metrics and /healthz",
        f"  inference     http://127.0.0.1:{inference}/metrics and /healthz",
        f"  store         {stack.platform.resolved_store_url}",
        f"  logs          {stack.home / 'logs'}",
        "",
        f"  in another terminal:  export PDM_HOME={stack.home} PDM_MQTT_PORT={stack.platform.mqtt_port}",
        "                        .venv/bin/pdmctl doctor",
        "",
        "  Ctrl-C stops everything; the data stays.",
        "",
    ]
    for line in lines:
        console.print(line, highlight=False, markup=False, soft_wrap=True)
