"""Predictive maintenance for industrial pumps, from MQTT readings to remaining life."""
