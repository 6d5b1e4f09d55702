"""Lets the tests of the documents run commands."""

from tests.cli.command import clean_environment, paperfeed

__all__ = ["clean_environment", "paperfeed"]
