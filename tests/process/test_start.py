"""The start of a server: successful, refused, and with a damaged bundle."""

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
from service.storage import schema
from testing.servers import serving
from tests.cli.command import Done, Run
from tests.process.running import Server, running
from tests.process.samples import fill, likes
from tests.requirements import require

FailingStart = Callable[..., Done]


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
    with grpc.insecure_channel(server.address) as channel:
        check = health_pb2_grpc.HealthStub(channel).Check
        states = [
            check(health_pb2.HealthCheckRequest(service=name)).status for name in ("", "paperfeed.v1.FeedService")
        ]
    mapped = Path(f"/proc/{server.process.pid}/maps").read_text()
    libraries = {Path(line.split()[-1]).name for line in mapped.splitlines() if ".so" in line}
    assert answer.fallback_reason == feed_pb2.FALLBACK_REASON_NONE
    assert answer.model_version.startswith("tiny-")
    assert len(answer.items) == 20
    assert states == [health_pb2.HealthCheckResponse.SERVING] * 2
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
    with serving(sqlite_url, bundle=str(damaged)) as service:
        answer = feed_of_user(service.client)
    (record,) = [record for record in caplog.records if record.name == "paperfeed.serving"]
    assert answer.fallback_reason == feed_pb2.FALLBACK_REASON_MODEL_UNAVAILABLE
    assert len(answer.items) == 20
    assert record.levelname == "ERROR"
    assert "paperfeed train" in record.getMessage()
    assert str(damaged / name) in record.facts["problem"]
