"""Fixtures of the tests of clients."""

from tests.cli.command import clean_environment, paperfeed

__all__ = ["clean_environment", "paperfeed"]
