"""The inference service: readings in from MQTT, predictions and alarms out, models swapped while it runs."""
