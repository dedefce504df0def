"""Settings of the inference service."""

from typing import Literal

from pydantic import Field

from pdm_platform.runtime.settings import BaseEnvSettings, Port, PositiveSeconds


class InferenceSettings(BaseEnvSettings):
    """Settings of `pdmctl inference`."""

    inference_http_port: Port = Field(0, description="port of /healthz and /metrics; 0 is off")
    inference_output: Literal["full", "simple"] = Field(
        "full", description="`simple`: state and health from each reading alone, no alarms, for a quarter of the work"
    )
    inference_workers: int = Field(1, ge=1, le=64, description="inference processes beside each other")
    inference_worker: int = Field(0, ge=0, description="which of them this one is, from 0")
    inference_max_batch: int = Field(1_000, gt=0, description="readings predicted at once, at most")
    inference_queue_size: int = Field(20_000, gt=0, description="readings waiting, at most; then the broker holds them")
    inference_stale_after_s: PositiveSeconds = Field(
        300, description="after so long behind, readings older than that are skipped, but for each pump's newest"
    )
    inference_snapshot_s: PositiveSeconds = Field(10, description="seconds between snapshots of the pumps' states")
    inference_reload_s: PositiveSeconds = Field(5, description="seconds between looks at the production pointer")
