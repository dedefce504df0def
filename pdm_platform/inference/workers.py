"""Several inference processes beside each other: which of them answers which pump.

`full` output remembers each pump, so a pump stays with one worker: every worker is sent all readings and leaves those
of the others alone, which costs it a twentieth of answering them. `simple` output remembers nothing, so the broker
deals the readings out (MQTT 5, 4.8.2, shared subscriptions).
"""

from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

from pdm_platform.contract.errors import SettingsError
from pdm_platform.contract.topics import Kind, Topics
from pdm_platform.inference.settings import InferenceSettings

CLIENT_ID: Final = "pdm-inference"


@dataclass(frozen=True, slots=True)
class Worker:
    """One of `workers` processes, counted from 0. Raises SettingsError for a number that none has."""

    number: int
    workers: int
    simple: bool

    def __post_init__(self) -> None:
        if self.number >= self.workers:
            raise SettingsError(
                f"PDM_INFERENCE_WORKER={self.number}, but there are PDM_INFERENCE_WORKERS={self.workers}",
                hint="Workers are counted from 0.",
            )

    @classmethod
    def of(cls, settings: InferenceSettings) -> "Worker":
        """The worker that these settings make of this process."""
        return cls(settings.inference_worker, settings.inference_workers, settings.inference_output == "simple")

    @property
    def name(self) -> str:
        """Its client id, and the folder of what it remembers."""
        return CLIENT_ID if self.workers == 1 else f"{CLIENT_ID}-{self.number}"

    def subscriptions(self, topics: Topics) -> tuple[str, str]:
        """Topic filters: of readings, and of the announced model."""
        readings = topics.every(Kind.TELEMETRY)
        shared = f"$share/{CLIENT_ID}/{readings}" if self.simple and self.workers > 1 else readings
        return shared, topics.of(Kind.MODEL_PRODUCTION)

    def answers(self, device_id: str) -> bool:
        """Whether this worker is the one that answers the pump."""
        return self.simple or self.workers == 1 or self.number == worker_of(device_id, self.workers)


def worker_of(device_id: str, workers: int) -> int:
    """The worker with the highest hash of itself and the pump: one worker more takes over as many pumps as it must.

    Source: Thaler and Ravishankar, IEEE/ACM Transactions on Networking 6(1), 1998 (rendezvous hashing).
    """
    return max(range(workers), key=lambda number: blake2b(f"{number}/{device_id}".encode(), digest_size=8).digest())
