"""How the stack starts runs: as Dagster does by default, and able to tell that one died with its container."""

import dagster as dg
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.launcher.base import CheckRunHealthResult, WorkerStatus
from dagster._grpc.types import GetCurrentRunsResult
from dagster._serdes import deserialize_value


class WatchedRunLauncher(dg.DefaultRunLauncher):
    """Runs are processes of the code server, which is asked for those that it has.

    The code server itself reports a run whose process died. Where the server died with all its runs nobody would, and
    such a run would count as running and hold the queue for ever.
    """

    @property
    def supports_check_run_worker_health(self) -> bool:
        """It does: Dagster's monitoring asks for each started run."""
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """NOT_FOUND where the code server answers and does not know the run. One that is away is asked again later."""
        client = self._get_grpc_client_for_termination(run.run_id)  # type: ignore[no-untyped-call]
        if client is None:
            return CheckRunHealthResult(WorkerStatus.RUNNING, "it has ended, or was never started on a code server")
        try:
            answer = deserialize_value(client.get_current_runs(), GetCurrentRunsResult)
        except DagsterUserCodeUnreachableError:
            # restarting, or cut off: the run may well be alive
            return CheckRunHealthResult(WorkerStatus.RUNNING, "the code server does not answer now")
        if run.run_id in answer.current_runs:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(
            WorkerStatus.NOT_FOUND, "the code server was restarted under it, and knows nothing of it any more"
        )
