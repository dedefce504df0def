"""Measurements of the platform's parts: `python -m benchmarks.NAME --help`."""
