"""Dagster as the stack configures it, on a real PostgreSQL: what it keeps, and what it does about a killed server."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import psycopg2
import pytest
import yaml

from pdm_platform.defs import alive
from pdm_platform.local.processes import free_port
from pdm_platform.runtime.usage_data import NO_TELEMETRY
from tests.servers.postgres import Postgres, needs_postgres, running_postgres

pytestmark = [pytest.mark.integration, needs_postgres]
CONFIGURATION = Path(__file__).parents[2] / "deploy" / "dagster"
JOBS = """
import os, time
import dagster as dg

@dg.op
def count() -> int:
    print("counted to three")
    return 3

@dg.op
def wait() -> None:
    time.sleep(600)

@dg.job(executor_def=dg.in_process_executor)
def quick():
    count()

@dg.job(executor_def=dg.in_process_executor)
def slow():
    wait()

defs = dg.Definitions(jobs=[quick, slow])
"""


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    with running_postgres(tmp_path_factory.mktemp("postgres") / "pgpass") as server:
        yield server


class Stack:
    """The three Dagster processes of the compose file, without containers, below one folder."""

    def __init__(self, folder: Path, postgres: Postgres) -> None:
        self.folder, self.port = folder, free_port()
        home = folder / "home"
        home.mkdir()
        text = (CONFIGURATION / "dagster.yaml").read_text()
        # the stack looks every 20 s, which a test need not wait for
        (home / "dagster.yaml").write_text(text.replace("poll_interval_seconds: 20", "poll_interval_seconds: 1"))
        workspace = (CONFIGURATION / "workspace.yaml").read_text()
        self.workspace = folder / "workspace.yaml"
        self.workspace.write_text(workspace.replace("dagster-code", "127.0.0.1").replace("4000", str(self.port)))
        (folder / "jobs.py").write_text(JOBS)
        self.environment = {
            **NO_TELEMETRY,
            "DAGSTER_HOME": str(home),
            "PDM_DAGSTER_POSTGRES_URL": postgres.url.replace("postgresql", "postgresql+psycopg2"),
            "PDM_DAGSTER_LOGS": str(folder / "logs"),
            "PGPASSFILE": str(postgres.passfile),
        }

    def run(self, *arguments: str) -> str:
        """`dagster ARGUMENTS` to its end; what it printed."""
        done = subprocess.run(
            [sys.executable, "-m", "dagster", *arguments],
            cwd=self.folder,
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    @contextmanager
    def running(self, *command: str) -> Iterator["subprocess.Popen[bytes]"]:
        """A process in a session of its own, killed with all that it started at the end."""
        with (self.folder / "processes.log").open("ab") as log:
            process = subprocess.Popen(
                command,
                cwd=self.folder,
                env={**os.environ, **self.environment},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            yield process
        finally:
            kill(process)

    def code_server(self) -> tuple[str, ...]:
        """The command of the code server, as in the compose file but for the address."""
        return (
            *(sys.executable, "-m", "dagster", "api", "grpc"),
            *("-h", "127.0.0.1", "-p", str(self.port), "-m", "jobs", "-d", str(self.folder)),
        )

    def instance(self, monkeypatch: pytest.MonkeyPatch) -> dg.DagsterInstance:
        """The instance as another process would open it."""
        for name, value in self.environment.items():
            monkeypatch.setenv(name, value)
        return dg.DagsterInstance.get()

    def wait(self, what: str, done: object, within_s: float = 60.0) -> None:
        deadline_s = time.monotonic() + within_s
        assert callable(done)
        while not done():
            log = (self.folder / "processes.log").read_text()[-3_000:]
            assert time.monotonic() < deadline_s, f"waited {within_s:g} s in vain: {what}\n{log}"
            time.sleep(0.2)

    def wait_serving(self) -> None:
        from dagster._grpc.client import DagsterGrpcClient

        client = DagsterGrpcClient(host="127.0.0.1", port=self.port)

        def answers() -> bool:
            try:
                return bool(client.ping("ready?"))
            except dg.DagsterError:
                return False

        self.wait("the code server answers", answers)


def kill(process: "subprocess.Popen[bytes]") -> None:
    """SIGKILL to it and to all that it started, as when a container is killed."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(timeout=10)


def test_a_run_is_recorded_in_postgres_and_read_back_by_another_process(
    postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack = Stack(tmp_path, postgres)

    stack.run("job", "execute", "-m", "jobs", "-d", str(tmp_path), "-j", "quick")

    with stack.instance(monkeypatch) as instance:
        (run,) = instance.get_runs(dg.RunsFilter(job_name="quick"))
        events = [record.event_log_entry.dagster_event for record in instance.get_records_for_run(run.run_id).records]
    assert run.status is dg.DagsterRunStatus.SUCCESS
    assert any(event is not None and event.is_step_success and event.step_key == "count" for event in events)
    printed = [path.read_text() for path in (tmp_path / "logs").rglob("*.out")]
    assert any("counted to three" in text for text in printed)
    with psycopg2.connect(postgres.url, passfile=str(postgres.passfile)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT status FROM runs WHERE run_id = %s", (run.run_id,))
        assert cursor.fetchall() == [("SUCCESS",)]


def test_the_health_checks_tell_a_server_that_serves_and_a_daemon_that_lives_from_those_that_do_not(
    postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack = Stack(tmp_path, postgres)
    daemon = (str(Path(sys.executable).with_name("dagster-daemon")), "run", "-w", str(stack.workspace))
    with stack.instance(monkeypatch):
        pass  # makes the tables

    assert "no answer on port" in str(alive.code_server_fault(stack.port))
    with stack.running(*stack.code_server()), stack.running(*daemon):
        stack.wait("the code server serves", lambda: alive.code_server_fault(stack.port) is None)
        stack.wait("the daemon's loops live", lambda: alive.daemon_fault(stack.environment) is None)
    assert "no answer on port" in str(alive.code_server_fault(stack.port))
    monkeypatch.setattr(alive, "_SILENT_S", 0.5)
    time.sleep(0.5)
    assert alive.daemon_fault(stack.environment) == (
        "no sign of life for 0.5 s from: SCHEDULER, SENSOR, QUEUED_RUN_COORDINATOR, MONITORING"
    )
    nowhere = {"PDM_DAGSTER_POSTGRES_URL": f"postgresql+psycopg2://dagster@127.0.0.1:{free_port()}/dagster"}
    assert "Connection refused" in str(alive.daemon_fault(nowhere))


@pytest.mark.parametrize("arguments", [[], ["code"], ["code", "x"], ["daemon", "1"]])
def test_a_health_check_that_is_asked_wrongly_says_how_it_is_asked(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert alive.main(arguments) == 2
    assert "usage:" in capsys.readouterr().err


def test_without_the_file_of_passwords_nobody_comes_in(postgres: Postgres, tmp_path: Path) -> None:
    with pytest.raises(psycopg2.OperationalError, match="no password supplied"):
        psycopg2.connect(postgres.url, passfile=str(tmp_path / "missing"))


def test_the_address_that_dagster_is_given_holds_no_password() -> None:
    settings = yaml.safe_load((CONFIGURATION / "dagster.yaml").read_text())

    assert settings["storage"]["postgres"] == {"postgres_url": {"env": "PDM_DAGSTER_POSTGRES_URL"}}
    assert settings["telemetry"] == {"enabled": False}


def test_a_run_whose_code_server_is_killed_is_marked_failed_and_the_next_one_runs(
    postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack = Stack(tmp_path, postgres)
    workspace = ("-w", str(stack.workspace))
    daemon = (str(Path(sys.executable).with_name("dagster-daemon")), "run", *workspace)

    with stack.running(*stack.code_server()) as first, stack.running(*daemon):
        stack.wait_serving()
        stack.run("job", "launch", *workspace, "-j", "slow")
        with stack.instance(monkeypatch) as instance:
            (slow,) = instance.get_runs(dg.RunsFilter(job_name="slow"))

            def status() -> dg.DagsterRunStatus:
                run = instance.get_run_by_id(slow.run_id)
                assert run is not None
                return run.status

            stack.wait("the run starts", lambda: status() is dg.DagsterRunStatus.STARTED)
            kill(first)
            time.sleep(3.0)
            while_away = status()
            with stack.running(*stack.code_server()):
                stack.wait_serving()
                stack.wait("the run is given up", lambda: status() is dg.DagsterRunStatus.FAILURE)
                stack.run("job", "launch", *workspace, "-j", "quick")
                stack.wait(
                    "the next run succeeds",
                    lambda: instance.get_runs(dg.RunsFilter(job_name="quick", statuses=[dg.DagsterRunStatus.SUCCESS])),
                )

    assert while_away is dg.DagsterRunStatus.STARTED
