"""Settings of `pdmctl bridge`."""

from pydantic import Field

from pdm_platform.runtime.settings import BaseEnvSettings, Port

CLIENT_ID = "pdm-bridge"


class BridgeSettings(BaseEnvSettings):
    """How the bridge batches, and what it holds in memory."""

    bridge_batch_size: int = Field(5_000, ge=1, le=100_000, description="most messages in one durable write")
    bridge_batch_wait_s: float = Field(0.05, ge=0, le=5, description="how long a batch may wait to become fuller")
    bridge_queue_size: int = Field(50_000, ge=1, le=1_000_000, description="messages held before the broker must wait")
    bridge_broker_keeps: int = Field(
        800_000, ge=1, description="messages the broker keeps for the bridge: it warns long before so many wait"
    )
    bridge_http_port: Port = Field(0, description="/healthz and /metrics of the bridge; 0 is off")
