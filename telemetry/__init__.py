"""Metrics, traces, and probes over HTTP, for all programs."""

NO_PORT = -1
"""Value of the settings of metrics ports that opens none."""
