"""Calibration: the probability that a user likes or saves a paper that a digest shows."""
