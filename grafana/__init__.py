"""Makes the dashboards and alert rules of this folder: `python -m grafana.build`."""
