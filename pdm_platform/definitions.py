"""All that Dagster runs, in the order of the flow."""

import dagster as dg

from pdm_platform.defs import automation, evaluate, extract, features, monitor, promote, simulate, train, validate
from pdm_platform.defs.resources import Broker, Platform
from pdm_platform.runtime.usage_data import send_nothing

send_nothing()
STAGES = (simulate, extract, validate, features, train, evaluate, promote, monitor)

defs = dg.Definitions(
    assets=dg.load_assets_from_modules(STAGES),
    asset_checks=dg.load_asset_checks_from_modules(STAGES),
    jobs=[automation.retrain, automation.monitor],
    schedules=[automation.weekly_retraining, automation.hourly_monitoring],
    sensors=[automation.retrain_on_lasting_drift, automation.report_failed_runs, automation.record_runs],
    resources={"platform": Platform(), "broker": Broker()},
    # the stages follow each other and share their imports: a process for each would only add seconds
    executor=dg.in_process_executor,
)
