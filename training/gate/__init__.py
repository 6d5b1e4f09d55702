"""Checks a bundle before any user sees it, against the bundle that serves. See docs/models.md."""
