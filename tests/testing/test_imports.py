import pytest

from tests.process.running import ROOT


@pytest.mark.parametrize("folder", ["benchmarks", "testing"])
def test_imports_no_tests(folder: str) -> None:
    """Benchmarks and the builders that they share with the tests do not import the tests."""
    files = sorted((ROOT / folder).rglob("*.py"))
    lines = [line.strip() for path in files for line in path.read_text(encoding="utf-8").splitlines()]

    assert files
    assert [line for line in lines if line.startswith(("from tests", "import tests"))] == []
