"""Compares a canary with the bundle that serves, while both serve. See docs/models.md."""
