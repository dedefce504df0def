"""Carries messages from the broker into the time-series store. What it acknowledges is stored or quarantined."""
