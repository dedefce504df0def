"""Where things are kept: telemetry (time series), lake (tables and reports of assets), registry (model versions)."""
