"""Servers of the tests of profiles."""

import pytest

from testing.servers import Service


@pytest.fixture
def service(each_engine: Service) -> Service:
    """A server on each engine."""
    return each_engine
