"""The folder of the bundle that a command uses."""

from pathlib import Path


def bundle_path(configured: str = "") -> Path:
    """Return the configured folder (a setting or option), or that of the shipped bundle if none is configured."""
    from ranker.bundle.bundle import default_bundle_path

    return Path(configured).expanduser() if configured else default_bundle_path()
