"""Several server processes with TLS and API keys."""

import shutil
from pathlib import Path

import grpc
import pytest

from paperfeed.v1 import status_pb2, status_pb2_grpc
from testing.certificates import Authority
from tests.process.running import WAIT_SECONDS, eventually, running
from tests.requirements import require
from tests.rpc.callers.builders import bearer, new_key, opened, revoke

WORKERS = 2


@pytest.mark.slow
def test_every_process_knows_the_keys(tmp_path: Path, sqlite_url: str) -> None:
    """Each process serves TLS with the certificate, takes a new key at once, and refuses it when it is revoked."""
    require("proc", Path("/proc/self/maps").exists(), "needs Linux, which spreads connections over processes")
    require("openssl", shutil.which("openssl") is not None, "needs openssl to make certificates")
    authority = Authority(tmp_path)
    pair = authority.issue("server")
    credentials = grpc.ssl_channel_credentials(authority.root.read_bytes())
    files = {"server_tls_cert": pair.certificate, "server_tls_key": pair.key}
    with (
        running(tmp_path, sqlite_url, workers=WORKERS, auth="keys", **files) as server,
        opened(sqlite_url) as store,
    ):
        key = new_key(store, "feeds:read")

        def worker() -> int:
            """Return the number of the process that answers a new connection; 0 if it refuses the key."""
            options = [("grpc.use_local_subchannel_pool", 1)]
            with grpc.secure_channel(f"localhost:{server.port}", credentials, options) as channel:
                try:
                    stub = status_pb2_grpc.StatusServiceStub(channel)
                    answer = stub.GetStatus(status_pb2.GetStatusRequest(), timeout=20, metadata=bearer(key))
                except grpc.RpcError as error:
                    if error.code() is not grpc.StatusCode.UNAUTHENTICATED:
                        raise
                    return 0
            return int(answer.worker)

        answered: set[int] = set()
        assert eventually(lambda: answered.add(worker()) or len(answered) == WORKERS, WAIT_SECONDS)
        assert answered == {1, 2}
        revoke(store, key)
        assert eventually(lambda: {worker() for _ in range(8)} == {0})
