"""Settings of the inference service."""

from pydantic import Field

from pdm_platform.runtime.settings import BaseEnvSettings, Port, PositiveSeconds


class InferenceSettings(BaseEnvSettings):
    """Settings of `pdmctl inference`."""

    inference_http_port: Port = Field(0, description="port of /healthz and /metrics; 0 is off")
    inference_max_batch: int = Field(2_000, gt=0, description="readings predicted at once, at most")
    inference_queue_size: int = Field(20_000, gt=0, description="readings waiting, at most; then the broker holds them")
    inference_snapshot_s: PositiveSeconds = Field(10, description="seconds between snapshots of the pumps' states")
    inference_reload_s: PositiveSeconds = Field(5, description="seconds between looks at the production pointer")
