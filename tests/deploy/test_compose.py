"""The Compose file starts only commands and settings that paperfeed has, and opens nothing to other machines."""

import re
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from cli.main import app
from mailer.config import PREFIX as MAIL_PREFIX
from mailer.config import MailSettings
from service.config import API_KEYS, PREFIX, Settings
from tests.deploy.manifests import parsed
from tests.process.running import ROOT
from tests.requirements import require

FOLDER = ROOT / "deploy" / "compose"
COMPOSE: dict[str, Any] = yaml.safe_load((FOLDER / "compose.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = [name for name, each in SERVICES.items() if each["image"].startswith("paperfeed:")]
_VARIABLE = re.compile(r"\$\{[A-Z_]+:-([^}]*)\}")

each_of_ours = pytest.mark.parametrize("name", OURS)


def environment_of(name: str) -> dict[str, str]:
    """Return the settings of a service, with the defaults of variables."""
    return {key: _VARIABLE.sub(r"\1", value) for key, value in SERVICES[name].get("environment", {}).items()}


@each_of_ours
def test_settings_are_ours(name: str) -> None:
    """Every variable is a setting with a valid value."""
    given = environment_of(name)
    mail = {key: value for key, value in given.items() if key.startswith(MAIL_PREFIX)}
    ours = {key: value for key, value in given.items() if key not in mail}

    assert {key.removeprefix(MAIL_PREFIX).lower() for key in mail} <= MailSettings.__dataclass_fields__.keys()
    assert {key.removeprefix(PREFIX).lower() for key in ours} <= Settings.__dataclass_fields__.keys()
    Settings.read(ours)
    MailSettings.read(mail)


@each_of_ours
def test_commands_are_ours(name: str) -> None:
    """Every command and option exists; the first word of a script's lines names ours."""
    command = SERVICES[name].get("command", ["paperfeed", "serve"])
    lines = command[2].splitlines() if command[0] == "/bin/sh" else []
    scripted = [line.split(">")[0].split() for line in lines if line.strip().startswith("paperfeed ")]
    found = scripted or [command]

    assert len(found) == (3 if lines else 1)
    for program, *words in found:
        assert program == "paperfeed"
        parsed(typer.main.get_command(app), words)


@each_of_ours
def test_a_container_may_do_little(name: str) -> None:
    """Our containers have no capabilities, a read-only root file system, and no privileges to gain."""
    service = SERVICES[name]

    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


def test_only_this_machine_reaches_the_ports() -> None:
    """Every port is published on loopback alone, and PostgreSQL's is not."""
    ports = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}

    assert ports.keys() == {"server", "mailer", "prometheus"}
    assert all(port.startswith("127.0.0.1:") for published in ports.values() for port in published)
    assert ports["server"] == [f"127.0.0.1:{Settings.port}:{Settings.port}"]
    assert ports["mailer"] == [f"127.0.0.1:{MailSettings.port}:{MailSettings.port}"]


def test_callers_are_known() -> None:
    """The server wants API keys over TLS, and the mailer has a key and checks the server's certificate."""
    server = Settings.read(environment_of("server"))
    assert (server.auth, server.insecure) == (API_KEYS, False)
    assert server.server_tls_cert
    assert server.server_tls_key
    for name in ("mailer", "daily"):
        client = Settings.read(environment_of(name))
        assert all((client.tls_ca, client.api_key_file))
        assert SERVICES[name]["volumes"] == ["keys:/data:ro"]
    assert MailSettings.read(environment_of("mailer")).trusted_proxies == ""


def test_images_are_pinned() -> None:
    """Every image has a version, and ours is that of this distribution."""
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    version = re.search(r'^version = "(.+)"$', project, re.MULTILINE)

    assert version is not None
    assert {SERVICES[name]["image"] for name in OURS} == {f"paperfeed:{version[1]}"}
    assert all(re.search(r":v?\d+\.\d+", service["image"]) for service in SERVICES.values())


def test_files_exist() -> None:
    """Mounted files exist, and secrets.sh makes all secrets and the database's settings."""
    mounts = [mount for service in SERVICES.values() for mount in service.get("volumes", []) if mount.startswith(".")]
    assert mounts
    for mount in mounts:
        assert (FOLDER / mount.partition(":")[0]).exists(), mount


def test_secrets(tmp_path: Path) -> None:
    """The script makes every secret of the Compose file; a second run renews certificates and keeps the password."""
    require("openssl", shutil.which("openssl") is not None, "needs openssl to make certificates")
    here = Path(shutil.copytree(ROOT / "deploy", tmp_path / "deploy", ignore=shutil.ignore_patterns("secrets")))
    folder = here / "compose"

    def run() -> dict[str, bytes]:
        subprocess.run([folder / "secrets.sh"], check=True, capture_output=True)
        return {name: (folder / secret["file"]).read_bytes() for name, secret in COMPOSE["secrets"].items()}

    first, second = run(), run()

    assert {name for name in first if first[name] == second[name]} == {"database-password", "client-ca"}
    assert stat.S_IMODE((folder / "secrets").stat().st_mode) == 0o700
    settings = dict(
        line.split("=", 1) for line in (folder / "secrets" / "database.env").read_text(encoding="utf-8").splitlines()
    )
    assert Settings.read({"PAPERFEED_DB": settings["PAPERFEED_DB"]}).db.startswith("postgresql://paperfeed:")
    assert MailSettings.read({"PAPERFEED_MAIL_DB": settings["PAPERFEED_MAIL_DB"]}).db == settings["PAPERFEED_DB"]
    assert first["database-password"].decode() in settings["PAPERFEED_DB"]


def test_prometheus_finds_the_services() -> None:
    """Each target is a service with this port for metrics, and the rules are mounted where Prometheus looks."""
    config = yaml.safe_load((FOLDER / "prometheus.yaml").read_text(encoding="utf-8"))
    targets = {
        target for job in config["scrape_configs"] for each in job["static_configs"] for target in each["targets"]
    }
    ports = {
        f"{name}:{environment_of(name)[variable]}"
        for name, variable in (("server", "PAPERFEED_METRICS_PORT"), ("mailer", "PAPERFEED_MAIL_METRICS_PORT"))
    }
    mounted = {mount.split(":")[1] for mount in SERVICES["prometheus"]["volumes"]}

    assert targets == ports
    assert set(config["rule_files"]) < mounted


def test_smoke_says_what_it_needs() -> None:
    """Without a container engine the smoke test changes nothing and exits with 2."""
    done = subprocess.run(
        [ROOT / "deploy" / "smoke.sh"],
        env={"PATH": "/usr/bin:/bin", "PAPERFEED_ENGINE": "no-such-engine"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 2
    assert "no running container engine" in done.stderr
