"""How a server starts when something is wrong, and what it does not load."""

import shutil
import socket
import subprocess
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from sqlalchemy import create_engine, text

from paperfeed.v1 import feed_pb2
from service.storage import schema
from tests.process.running import ROOT, Server, command, running, settings
from tests.process.samples import fill, likes
from tests.requirements import require


def fails_to_start(db: str, *, port: int = 0, host: str = "127.0.0.1") -> subprocess.CompletedProcess[str]:
    """What a server says that does not come up."""
    arguments = command("serve", "--host", host, "--port", port, "--db", db)
    return subprocess.run(arguments, env=settings(), cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def feed_of_reader(server: Server) -> feed_pb2.GetFeedResponse:
    """Today's feed of a reader with some likes."""
    with server.client() as client:
        paper_ids = fill(client)
        client.profiles.RecordEvents(likes("reader", paper_ids[:5]))
        return client.feeds.GetFeed(feed_pb2.GetFeedRequest(user_id="reader", explain=True))


def test_port_taken(sqlite_url: str) -> None:
    """A port in use ends the start with exit code 2 and one line that names the address."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = fails_to_start(sqlite_url, port=port)
    assert done.returncode == 2
    assert f"paperfeed: port: cannot listen on 127.0.0.1:{port}" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("port", [0, 50051])
@pytest.mark.parametrize("host", ["192.0.2.1", "nobody.invalid"])
def test_host_of_another_machine(sqlite_url: str, host: str, port: int) -> None:
    """An address that is not this machine's is told as that, in one line, whatever the port."""
    done = fails_to_start(sqlite_url, port=port, host=host)

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"paperfeed: host: '{host}' is no address of this machine\n"


def test_port_taken_at_one_address_of_a_name(sqlite_url: str) -> None:
    """A name whose port is in use at one of its addresses is refused, not served at the others alone."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = fails_to_start(sqlite_url, port=port, host="localhost")
    assert done.returncode == 2
    assert f"paperfeed: port: cannot listen on localhost:{port}" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    "url", ["postgresql://u:hush@127.0.0.1:abc/x", "postgresql://u:hush@127.0.0.1/x?connect_timeout=hush"]
)
def test_impossible_database_url(url: str) -> None:
    """A URL that cannot be used is told in one line without its password."""
    done = fails_to_start(url)
    assert done.returncode in {1, 2}
    assert "paperfeed: " in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert "hush" not in done.stderr


def test_newer_schema(sqlite_url: str) -> None:
    """A database that a newer version made is not touched: exit code 1 and what to do."""
    schema.upgrade(sqlite_url)
    engine = create_engine(sqlite_url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    done = fails_to_start(sqlite_url)
    with engine.connect() as connection:
        revision = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one()
    engine.dispose()
    assert done.returncode == 1
    assert "made by a newer paperfeed (revision 9999); upgrade paperfeed" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert revision == "9999"


def test_database_without_password_in_messages() -> None:
    """A database that does not answer ends the start with exit code 1, and nothing shows its password."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        done = fails_to_start(f"postgresql://somebody:hush-hush@127.0.0.1:{port}/none?connect_timeout=2")
    assert done.returncode == 1
    assert "the database is not available" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert "hush-hush" not in done.stdout + done.stderr


def test_sound_bundle_serves(sqlite_url: str, hashing_bundle: Path, tmp_path: Path) -> None:
    """With a bundle for its encoder the server answers from it and is healthy for every service."""
    with running(tmp_path, sqlite_url, bundle=hashing_bundle) as server:
        answer = feed_of_reader(server)
        with grpc.insecure_channel(server.address) as channel:
            check = health_pb2_grpc.HealthStub(channel).Check
            states = [
                check(health_pb2.HealthCheckRequest(service=name)).status for name in ("", "paperfeed.v1.FeedService")
            ]
    assert answer.fallback_reason == feed_pb2.FALLBACK_REASON_NONE
    assert answer.model_version.startswith("test-")
    assert len(answer.items) == 20
    assert states == [health_pb2.HealthCheckResponse.SERVING] * 2


@pytest.mark.parametrize("name", ["model.txt", "spaces.npz", "manifest.json"])
def test_damaged_bundle(sqlite_url: str, hashing_bundle: Path, tmp_path: Path, name: str) -> None:
    """One changed byte anywhere in a bundle: feeds say MODEL_UNAVAILABLE, and the log names the file and the remedy."""
    damaged = tmp_path / "damaged"
    shutil.copytree(hashing_bundle, damaged)
    content = bytearray((damaged / name).read_bytes())
    content[len(content) // 2] ^= 1
    (damaged / name).write_bytes(bytes(content))
    with running(tmp_path, sqlite_url, bundle=damaged) as server:
        answer = feed_of_reader(server)
        (entry,) = (entry for entry in server.log() if entry["logger"] == "paperfeed.serving")
    assert answer.fallback_reason == feed_pb2.FALLBACK_REASON_MODEL_UNAVAILABLE
    assert len(answer.items) == 20
    assert entry["level"] == "ERROR"
    assert "paperfeed train" in entry["message"]
    assert str(damaged / name) in entry["problem"]


def test_ranking_loads_no_torch(sqlite_url: str, hashing_bundle: Path, tmp_path: Path) -> None:
    """A server that has answered a feed from its bundle has LightGBM in memory and nothing of torch."""
    require("proc", Path("/proc/self/maps").exists(), "needs /proc, which Linux has")
    with running(tmp_path, sqlite_url, bundle=hashing_bundle) as server:
        answer = feed_of_reader(server)
        mapped = Path(f"/proc/{server.process.pid}/maps").read_text()
    assert answer.fallback_reason == feed_pb2.FALLBACK_REASON_NONE
    libraries = {Path(line.split()[-1]).name for line in mapped.splitlines() if ".so" in line}
    assert "lib_lightgbm.so" in libraries
    assert [name for name in libraries if "torch" in name] == []
