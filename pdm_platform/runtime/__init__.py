"""What every process needs: settings, the link to the broker, health and metrics, signals."""
