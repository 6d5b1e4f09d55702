"""The catalog's SQL differs between the engines, so its tests run on each."""

import pytest

from testing.servers import Service


@pytest.fixture
def service(each_engine: Service) -> Service:
    return each_engine
