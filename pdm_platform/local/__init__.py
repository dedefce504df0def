"""The whole platform on one machine: its processes, the demo, the development stack."""
