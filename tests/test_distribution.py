"""The two wheels contain what a user needs, and nothing else."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
NOT_SOURCE = shutil.ignore_patterns(".git", ".venv*", ".*_cache", "__pycache__", "*.egg-info", "build", "dist", "out")
MAX_BUNDLE_BYTES = 10_000_000


def build_wheel(source: Path, target: Path) -> list[zipfile.ZipInfo]:
    """Build the wheel of a source folder with the installed setuptools, without network, and return its files."""
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(target), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    (wheel,) = target.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return archive.infolist()


def names_in_tree(folder: Path, pattern: str) -> set[str]:
    """Return the paths of the files below a folder, relative to the root."""
    found = (path for path in folder.rglob(pattern) if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(ROOT).as_posix() for path in found}


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the sources, so that a build leaves nothing behind and includes no old build."""
    copy = tmp_path_factory.mktemp("tree") / "copy"
    shutil.copytree(ROOT, copy, ignore=NOT_SOURCE)
    return copy


@pytest.fixture(scope="module")
def server_wheel(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> list[zipfile.ZipInfo]:
    """The files in the wheel of paperfeed."""
    return build_wheel(tree, tmp_path_factory.mktemp("server"))


@pytest.fixture(scope="module")
def client_wheel(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> list[zipfile.ZipInfo]:
    """The files in the wheel of paperfeed-client."""
    return build_wheel(tree / "proto", tmp_path_factory.mktemp("client"))


def top_level_names(wheel: list[zipfile.ZipInfo]) -> set[str]:
    """Return the top-level names in a wheel, without its metadata."""
    return {first for each in wheel if not (first := each.filename.split("/")[0]).endswith(".dist-info")}


@pytest.mark.slow
class TestServerWheel:
    """The distribution paperfeed."""

    def test_has_only_our_packages(self, server_wheel: list[zipfile.ZipInfo]) -> None:
        """The wheel contains no tests, benchmarks or documents, and no other top-level name."""
        assert top_level_names(server_wheel) == {
            "batch",
            "cli",
            "database",
            "data_sets",
            "mailer",
            "ranker",
            "service",
            "settings",
            "telemetry",
            "training",
        }

    def test_has_every_module(self, server_wheel: list[zipfile.ZipInfo]) -> None:
        """Each folder of sources has an __init__.py, so the wheel contains it."""
        names = {each.filename for each in server_wheel}

        for package in top_level_names(server_wheel):
            assert names_in_tree(ROOT / package, "*.py") <= names

    def test_has_its_data(self, server_wheel: list[zipfile.ZipInfo]) -> None:
        """The wheel contains the default bundle, the migrations, rules, sample papers and templates."""
        names = {each.filename for each in server_wheel}
        bundle = names_in_tree(ROOT / "ranker" / "bundle" / "default", "*")

        assert bundle
        assert bundle <= names
        for part in ("service", "mailer"):
            assert names_in_tree(ROOT / part / "storage" / "migrations", "*.py") <= names
        assert {"training/gate/gate.toml", "training/judgement/judgement.toml"} <= names
        assert {"training/report/page.css", "cli/demo/preview.css"} <= names
        assert {"cli/home/templates/paperfeed.service", "cli/home/templates/paperfeed.yml"} <= names
        assert {"cli/sample/digest.jsonl", "cli/sample/readers.json", "cli/sample/README.md"} <= names

    def test_bundle_is_small(self, server_wheel: list[zipfile.ZipInfo]) -> None:
        """The bundles take at most 10 MB."""
        size = sum(each.file_size for each in server_wheel if each.filename.startswith("ranker/bundle/default/"))

        assert 0 < size <= MAX_BUNDLE_BYTES

    def test_has_no_leftovers(self, server_wheel: list[zipfile.ZipInfo]) -> None:
        """The wheel contains no compiled files and no databases."""
        leftovers = [each.filename for each in server_wheel if each.filename.endswith((".pyc", ".db", ".db-wal"))]

        assert leftovers == []


@pytest.mark.slow
class TestClientWheel:
    """The distribution paperfeed-client."""

    def test_has_only_paperfeed(self, client_wheel: list[zipfile.ZipInfo]) -> None:
        """The wheel has one top-level name, which is not `proto`."""
        assert top_level_names(client_wheel) == {"paperfeed"}

    def test_has_contract_stubs_and_types(self, client_wheel: list[zipfile.ZipInfo]) -> None:
        """Each .proto file is there with its stubs and their types, and type checkers may use them."""
        names = {each.filename for each in client_wheel}
        contracts = sorted((ROOT / "proto" / "paperfeed" / "v1").glob("*.proto"))

        assert contracts
        for contract in contracts:
            stem = f"paperfeed/v1/{contract.stem}"
            assert {f"{stem}.proto", f"{stem}_pb2.py", f"{stem}_pb2.pyi", f"{stem}_pb2_grpc.py"} <= names
        assert {"paperfeed/py.typed", "paperfeed/client.py"} <= names
