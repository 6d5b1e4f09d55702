"""The start of a server: successful, refused, and without a usable bundle."""

import json
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from sqlalchemy import create_engine, text

from paperfeed.client import Client
from paperfeed.v1 import feed_pb2
from paperfeed.v1.catalog_pb2 import GetPaperRequest
from paperfeed.v1.status_pb2 import GetStatusRequest
from service.domain.errors import BundleUnusable
from service.storage import schema
from testing.bundles import model_text, write_tiny_bundle
from testing.servers import serving
from tests.cli.command import Done, Run
from tests.process.running import Server, eventually, running
from tests.process.samples import fill, likes
from tests.requirements import require

FailingStart = Callable[..., Done]
NO_BUNDLE = f"no bundle serves: {BundleUnusable.REMEDY}"
NAMES = ["", *(f"paperfeed.v1.{name}Service" for name in ("Feed", "Catalog", "Model", "Profile", "Status"))]
SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING
READY, NOT_READY = [SERVING] * 6, [NOT_SERVING] * 2 + [SERVING] * 4
"""Health of the server as a whole, of FeedService and of the other services."""


def health(address: str) -> list[int]:
    """Return the health of ``NAMES``."""
    with grpc.insecure_channel(address) as channel:
        check = health_pb2_grpc.HealthStub(channel).Check
        return [check(health_pb2.HealthCheckRequest(service=name), timeout=20).status for name in NAMES]


@pytest.fixture
def failing_start(paperfeed: Run) -> FailingStart:
    """Run ``paperfeed serve`` in this process; it must not come up."""

    def run(db: str, *, port: int = 0, host: str = "127.0.0.1") -> Done:
        return paperfeed("serve", "--host", host, "--port", port, "--db", db)

    return run


@pytest.fixture(scope="module")
def server(hashing_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with a bundle for its encoder, shared by the tests of this module."""
    folder = tmp_path_factory.mktemp("started")
    with running(folder, f"sqlite:///{folder / 'paperfeed.db'}", bundle=hashing_bundle) as server:
        yield server


def feed_of_user(client: Client) -> feed_pb2.Slate:
    """Return today's feed of a user with some likes."""
    paper_ids = fill(client)
    client.profiles.RecordEvents(likes("user", paper_ids[:5]))
    return client.feeds.GetFeed(feed_pb2.GetFeedRequest(user_id="user", explain=True)).slate


def test_port_taken(sqlite_url: str, failing_start: FailingStart) -> None:
    """A port in use ends the start with exit code 2 and one line that names the address."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = failing_start(sqlite_url, port=port)
    assert (done.code, done.out) == (2, "")
    assert done.err == f"paperfeed: port: cannot listen on 127.0.0.1:{port}; is another server there?\n"


def test_port_of_a_running_server(sqlite_url: str, server: Server, failing_start: FailingStart) -> None:
    """A second server on the port of a running one is refused."""
    done = failing_start(sqlite_url, port=server.port)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("paperfeed: port: cannot listen on 127.0.0.1:")


@pytest.mark.parametrize("port", [0, 50051])
@pytest.mark.parametrize("host", ["192.0.2.1", "nobody.invalid"])
def test_host_of_another_machine(sqlite_url: str, failing_start: FailingStart, host: str, port: int) -> None:
    """An address of another machine is reported as that, in one line, whatever the port."""
    done = failing_start(sqlite_url, port=port, host=host)

    assert done == Done(2, "", f"paperfeed: host: '{host}' is not an address of this machine\n")


def test_port_taken_at_one_address_of_a_name(sqlite_url: str, failing_start: FailingStart) -> None:
    """A name whose port is in use at one of its addresses is refused, not served at the other addresses."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = failing_start(sqlite_url, port=port, host="localhost")
    assert done.code == 2
    assert f"paperfeed: port: cannot listen on localhost:{port}" in done.err


@pytest.mark.parametrize(
    "url", ["postgresql://u:hush@127.0.0.1:abc/x", "postgresql://u:hush@127.0.0.1/x?connect_timeout=hush"]
)
def test_impossible_database_url(url: str, failing_start: FailingStart) -> None:
    """An unusable URL is reported in one line without its password."""
    done = failing_start(url)
    assert done.code in {1, 2}
    assert done.err.startswith("paperfeed: ")
    assert len(done.err.splitlines()) == 1
    assert "hush" not in done.err


def test_newer_schema(sqlite_url: str, failing_start: FailingStart) -> None:
    """A database of a newer version is left as it is: exit code 1, and the message says what to do."""
    schema.upgrade(sqlite_url)
    engine = create_engine(sqlite_url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    done = failing_start(sqlite_url)
    with engine.connect() as connection:
        revision = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one()
    engine.dispose()
    assert (done.code, done.out) == (1, "")
    assert "made by a newer paperfeed (revision 9999); upgrade paperfeed" in done.err.splitlines()[-1]
    assert revision == "9999"


def test_database_without_password_in_messages(failing_start: FailingStart) -> None:
    """A database that does not answer ends the start with exit code 1, and no output shows its password."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        done = failing_start(f"postgresql://somebody:hush-hush@127.0.0.1:{port}/none?connect_timeout=2")
    assert done.code == 1
    assert "the database is not available" in done.err.splitlines()[-1]
    assert "hush-hush" not in done.out + done.err


def test_sound_bundle_serves(server: Server) -> None:
    """With a bundle for its encoder the server ranks with it and is healthy, without torch and LightGBM in memory."""
    require("proc", Path("/proc/self/maps").exists(), "needs /proc, which Linux has")
    with server.client() as client:
        answer = feed_of_user(client)
    states = health(server.address)
    mapped = Path(f"/proc/{server.process.pid}/maps").read_text()
    libraries = {Path(line.split()[-1]).name for line in mapped.splitlines() if ".so" in line}
    assert answer.fallback_reason == feed_pb2.FALLBACK_REASON_NONE
    assert answer.model_version.startswith("tiny-")
    assert len(answer.items) == 20
    assert states == READY
    assert [name for name in libraries if "torch" in name or "lightgbm" in name] == []


@pytest.mark.parametrize("name", ["model.txt", "spaces.npz", "manifest.json"])
def test_damaged_bundle(
    sqlite_url: str, hashing_bundle: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    """With one changed byte in a bundle, feeds say MODEL_UNAVAILABLE, and the log names the file and the remedy."""
    damaged = tmp_path / "damaged"
    shutil.copytree(hashing_bundle, damaged)
    content = bytearray((damaged / name).read_bytes())
    content[len(content) // 2] ^= 1
    (damaged / name).write_bytes(bytes(content))
    with serving(sqlite_url, bundle=str(damaged), allow_cosine=False) as service:
        answer = feed_of_user(service.client)
    (record,) = [record for record in caplog.records if record.name == "paperfeed.serving"]
    assert answer.fallback_reason == feed_pb2.FALLBACK_REASON_MODEL_UNAVAILABLE
    assert len(answer.items) == 20
    assert record.levelname == "ERROR"
    assert "paperfeed train" in record.getMessage()
    assert str(damaged / name) in record.facts["problem"]


@pytest.fixture(params=["missing", "damaged", "for another encoder"])
def unusable(request: pytest.FixtureRequest, hashing_bundle: Path, tmp_path: Path) -> Path:
    """The folder of a bundle that cannot be used."""
    folder = tmp_path / "unusable"
    if request.param == "damaged":
        shutil.copytree(hashing_bundle, folder)
        (folder / "model.txt").write_bytes(b"")
    elif request.param == "for another encoder":
        write_tiny_bundle(folder, encoder_name="other-384", model_text=model_text())
    return folder


def test_without_a_usable_bundle(
    sqlite_url: str, paperfeed: Run, unusable: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a usable bundle, feeds and the server are not ready, and ``status`` fails and says what to do."""
    with serving(sqlite_url, bundle=str(unusable), allow_cosine=False) as service:
        states, answer = health(service.target), feed_of_user(service.client)
        done = paperfeed("status", "--server", service.target)
        as_json = paperfeed("status", "--json", "--server", service.target)
        assert capsys.readouterr().err == ""

    assert states == NOT_READY
    assert answer.fallback_reason == feed_pb2.FALLBACK_REASON_MODEL_UNAVAILABLE
    assert len(answer.items) == 20
    (line,) = done.err.splitlines()
    assert (done.code, str(unusable) in line) == (1, True)
    assert all(remedy in line for remedy in ("paperfeed train", "PAPERFEED_ALLOW_COSINE=true"))
    assert "model    none: the model bundle cannot be used" in done.out
    assert (as_json.code, as_json.err, json.loads(as_json.out)["is_ready"]) == (1, done.err, False)


def test_cosine_can_be_allowed(sqlite_url: str, paperfeed: Run, unusable: Path) -> None:
    """If ranking by cosine is allowed, a server without a usable bundle is ready."""
    with serving(sqlite_url, bundle=str(unusable), allow_cosine=True) as service:
        states, done = health(service.target), paperfeed("status", "--server", service.target)

    assert states == READY
    assert (done.code, done.err) == (0, "")


def test_a_bundle_that_comes_later(
    sqlite_url: str, hashing_bundle: Path, paperfeed: Run, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Once the bundle can be used, the running server ranks with it and is ready. It logs the problem once."""
    folder = tmp_path / "later"
    with serving(sqlite_url, bundle=str(folder), allow_cosine=False) as service:
        generation = service.application.serving.current.generation
        service.application.serving.catch_up()
        assert service.application.serving.current.generation == generation
        assert health(service.target) == NOT_READY
        shutil.copytree(hashing_bundle, folder)
        service.application.serving.catch_up()
        assert eventually(lambda: health(service.target) == READY)
        answer, done = feed_of_user(service.client), paperfeed("status", "--server", service.target)

    assert answer.fallback_reason == feed_pb2.FALLBACK_REASON_NONE
    assert done.code == 0
    logged = [(record.levelname, record.getMessage()[:16]) for record in caplog.records if "serving" in record.name]
    assert logged == [("ERROR", "no bundle serves")]


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_missing_bundle_is_told_at_the_start(sqlite_url: str, tmp_path: Path, workers: int) -> None:
    """``serve`` with a folder that does not exist says so in one line for people and in the log, and what it serves."""
    folder = tmp_path / "nowhere"
    with running(tmp_path, sqlite_url, bundle=folder, allow_cosine="false", workers=workers) as server:
        assert eventually(lambda: len(server.messages("serving")) == workers)
        notes = [line for line in server.log_path.read_text().splitlines() if line.startswith("paperfeed: ")]
        (served, *_), (problem, *_) = server.messages("serving"), server.messages(NO_BUNDLE)

    (line,) = notes
    assert f"{folder}: there is no such folder" in line
    assert "paperfeed train" in line
    assert f"{folder}: there is no such folder" in problem["problem"]
    facts = {"host": "127.0.0.1", "port": server.port, "encoder": "hashing-384", "database": sqlite_url}
    assert facts | {"bundle": None, "bundle_folder": str(folder)} == {
        name: served[name] for name in (*facts, "bundle", "bundle_folder")
    }


def test_log_of_a_quiet_server(server: Server) -> None:
    """At INFO the log has one line on what serves, and none for a successful GetStatus."""
    with server.client() as client:
        client.status.GetStatus(GetStatusRequest())
        with pytest.raises(grpc.RpcError):
            client.catalog.GetPaper(GetPaperRequest(paper_id="nothing"))

    assert eventually(lambda: any(entry["method"] == "CatalogService/GetPaper" for entry in server.messages("call")))
    assert not [entry for entry in server.messages("call") if entry["method"] == "StatusService/GetStatus"]
    (served,) = server.messages("serving")
    assert served["bundle"].startswith("tiny-")
