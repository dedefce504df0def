"""Fourth stage: one row a reading, as the models see it."""

from functools import partial

import dagster as dg
import pyarrow as pa

from pdm_platform.core.feature_rows import featured
from pdm_platform.core.features import FEATURE_CONTRACT, FEATURE_NAMES
from pdm_platform.core.observations import require_whole
from pdm_platform.defs.metadata import PREVIEW_ROWS, describe, explained
from pdm_platform.defs.progress import Progress
from pdm_platform.defs.resources import Platform
from pdm_platform.defs.validate import validated_telemetry
from pdm_platform.runtime.compute import computing


class FeatureTableConfig(dg.Config):
    """rows_per_device: kept of each pump, spread evenly over its life, though every reading is folded. seed: of which.

    The default keeps lives of up to 20,000 readings whole and bounds what months of a plant's history come to.
    """

    rows_per_device: int = 20_000
    seed: int = 7


@dg.asset(group_name="features", kinds={"numpy", "parquet"}, deps=[validated_telemetry])
def feature_table(
    context: dg.AssetExecutionContext, config: FeatureTableConfig, platform: Platform
) -> dg.MaterializeResult[None]:
    """Features of every reading, folded with the code the inference service runs, beside the truth.

    Part by part, each with whole pumps, in this process or wherever PDM_COMPUTE says.
    """
    with explained():
        lake = platform.lake
        validated = lake.current("validated_telemetry")
        fold_part = partial(
            featured, contract=FEATURE_CONTRACT, rows_per_device=config.rows_per_device, seed=config.seed
        )
        progress = Progress(context.log.info, "features of", validated.rows)
        folded, devices, last_device, preview = 0, 0, "", pa.table({})
        with lake.writing("feature_table", validated.window) as rows, computing(platform.settings.compute) as compute:
            for part in compute.map(fold_part, lake.parts(validated)):
                require_whole(last_device, part.first_device)
                last_device = part.last_device
                rows.add(part.rows)
                folded += part.readings
                devices += part.devices
                preview = preview if preview.num_rows else part.rows.slice(0, PREVIEW_ROWS)
                progress.tell(folded)
            stored = rows.store(feature_contract=FEATURE_CONTRACT, devices=devices, readings=folded)
        kept = f"{stored.rows:,} rows of {folded:,} readings of {devices} pumps"
        facts = {"features": len(FEATURE_NAMES), "feature_contract": FEATURE_CONTRACT, "devices": devices}
        return dg.MaterializeResult(metadata=describe(stored, preview, summary=kept, readings=folded, **facts))
