"""The manifests are valid for Kubernetes, and name only commands and settings that paperfeed has."""

import copy
import importlib
import re
import tomllib

import kubernetes_validate
import pytest
import typer
import yaml

from cli.main import app
from mailer.config import PREFIX as MAIL_PREFIX
from mailer.config import MailSettings
from mailer.networks import parse_networks
from service.config import API_KEYS, PREFIX, Settings
from tests.deploy.manifests import (
    Manifest,
    Pod,
    environment_of,
    manifests,
    name_of,
    named,
    of_kind,
    parsed,
    pods,
)
from tests.process.running import ROOT

OURS = [pod for pod in pods() if "paperfeed:" in pod.container["image"]]
VERSIONS = ("1.34", "1.37")
STOP_SECONDS = 10
"""Seconds that a server needs after its drain: for last answers and the batch of texts being embedded."""

each_manifest = pytest.mark.parametrize("manifest", manifests(), ids=name_of)
each_pod = pytest.mark.parametrize("pod", list(pods()), ids=lambda pod: pod.owner)
each_of_ours = pytest.mark.parametrize("pod", OURS, ids=lambda pod: pod.owner)


@each_manifest
@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_takes_it(manifest: Manifest, version: str) -> None:
    """Each manifest fits the schema of an old and a new version of Kubernetes, without unknown fields."""
    kubernetes_validate.validate(manifest, version, strict=True)


def test_a_mistake_is_found() -> None:
    """The schema refuses an unknown field deep in a pod."""
    wrong = copy.deepcopy(named("Deployment/paperfeed"))
    wrong["spec"]["template"]["spec"]["containers"][0]["readOnly"] = True

    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, VERSIONS[0], strict=True)


@each_of_ours
def test_commands_are_ours(pod: Pod) -> None:
    """Every command and option is one of paperfeed or Dask."""
    assert pod.words
    for program, *words in pod.words:
        if program == "paperfeed":
            parsed(typer.main.get_command(app), words)
        else:
            module = importlib.import_module(f"distributed.cli.dask_{words[0]}")
            module.main.make_context(words[0], words[1:], resilient_parsing=False)


def test_a_flag_that_is_not_there_is_found() -> None:
    """Parsing refuses an unknown option."""
    with pytest.raises(Exception, match="--nothing"):
        parsed(typer.main.get_command(app), ["serve", "--nothing"])


@each_of_ours
def test_settings_are_ours(pod: Pod) -> None:
    """Every variable is a setting with a valid value."""
    given = {name: value for name, value in environment_of(pod).items() if name.startswith(PREFIX)}
    mail = {name: value for name, value in given.items() if name.startswith(MAIL_PREFIX)}
    ours = {name: value for name, value in given.items() if name not in mail}

    assert {name.removeprefix(MAIL_PREFIX).lower() for name in mail} <= MailSettings.__dataclass_fields__.keys()
    assert {name.removeprefix(PREFIX).lower() for name in ours} <= Settings.__dataclass_fields__.keys()
    Settings.read(ours)
    MailSettings.read(mail)


@each_pod
def test_pod_may_do_little(pod: Pod) -> None:
    """No pod has root, privileges, a writable root file system, unlimited memory or access to the cluster."""
    of_pod, of_container = pod.spec["securityContext"], pod.container["securityContext"]
    assert of_pod["runAsNonRoot"]
    assert of_pod["seccompProfile"] == {"type": "RuntimeDefault"}
    assert of_container["readOnlyRootFilesystem"]
    assert of_container["allowPrivilegeEscalation"] is False
    assert of_container["capabilities"] == {"drop": ["ALL"]}
    assert not pod.spec["automountServiceAccountToken"]
    assert not pod.spec["enableServiceLinks"]
    assert {"cpu", "memory"} <= pod.container["resources"]["requests"].keys()
    assert "memory" in pod.container["resources"]["limits"]


@each_of_ours
def test_image_is_ours(pod: Pod) -> None:
    """Pods run as the user of the Dockerfile, with an image of this version."""
    user = re.search(r"^USER (\d+):(\d+)$", (ROOT / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    assert user is not None
    assert [pod.spec["securityContext"][name] for name in ("runAsUser", "runAsGroup")] == [*map(int, user.groups())]
    assert pod.container["image"].endswith(f"/paperfeed:{project['version']}")


def test_image_holds_what_the_commands_need() -> None:
    """The Docker build context has every package of the distribution."""
    kept = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    find = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["packages"][
        "find"
    ]

    assert {f"!{pattern.rstrip('*')}" for pattern in find["include"]} <= set(kept)


def test_no_secret_is_written() -> None:
    """The manifests name secrets but hold none, and no URL has a password."""
    text = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "deploy").glob("*.yaml"))

    assert not of_kind("Secret")
    assert not re.search(r"://[^/\s]*:[^/\s]*@", text)
    for pod in OURS:
        given = environment_of(pod)
        assert [name for name in given if name.endswith("_DB")] == [name for name in given if not given[name]]


def test_ports_meet() -> None:
    """Every Service leads to existing pods, at a port that they open; paperfeed listens on its own port."""
    started = list(pods())
    for service in of_kind("Service"):
        chosen = [pod for pod in started if service["spec"]["selector"].items() <= pod.labels.items()]
        opened = {port["name"] for pod in chosen for port in pod.container["ports"]}
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= opened, name_of(service)
    opened = {pod.owner: pod.container["ports"][0]["containerPort"] for pod in started if "ports" in pod.container}
    assert opened["Deployment/paperfeed"] == Settings.port
    assert opened["Deployment/paperfeed-mail"] == MailSettings.port
    assert named("ConfigMap/paperfeed-mail")["data"]["PAPERFEED_MAIL_SERVER"] == f"paperfeed:{Settings.port}"


def test_drain_fits_the_grace() -> None:
    """A server is killed only after its drain, and a mail run only after the message in flight."""
    (server,) = [pod for pod in OURS if pod.owner == "Deployment/paperfeed"]
    (mail,) = [pod for pod in OURS if pod.owner == "CronJob/paperfeed-mail-send"]
    settings = Settings.read(environment_of(server))
    liveness = server.container["livenessProbe"]

    assert server.grace_seconds >= server.pause_seconds + settings.drain_seconds + STOP_SECONDS
    assert liveness["periodSeconds"] * liveness["failureThreshold"] > server.grace_seconds
    assert mail.grace_seconds > MailSettings.read(environment_of(mail)).smtp_message_timeout_seconds


def test_balancer_leads_to_the_servers() -> None:
    """Envoy uses the headless Service's name and port, and the servers' health service."""
    config = yaml.safe_load(named("ConfigMap/paperfeed-balancer")["data"]["envoy.yaml"])
    service = named("Service/paperfeed")
    cluster = next(each for each in config["static_resources"]["clusters"] if each["name"] == "paperfeed")
    (endpoint,) = cluster["load_assignment"]["endpoints"][0]["lb_endpoints"]
    address = endpoint["endpoint"]["address"]["socket_address"]
    listeners = config["static_resources"]["listeners"]

    assert service["spec"]["clusterIP"] == "None"
    assert address == {"address": service["metadata"]["name"], "port_value": service["spec"]["ports"][0]["port"]}
    assert cluster["health_checks"][0]["grpc_health_check"] == {}
    (envoy,) = [pod for pod in pods() if pod.owner == "Deployment/paperfeed-balancer"]
    opened = {listener["address"]["socket_address"]["port_value"] for listener in listeners}
    assert opened == {port["containerPort"] for port in envoy.container["ports"]}
    # Only what Envoy shows on purpose can be reached from other pods.
    assert config["admin"]["address"]["socket_address"]["address"] == "127.0.0.1"


def test_only_clients_reach_the_servers() -> None:
    """Pods that call the server carry the label that its NetworkPolicy admits; no other pod does."""
    calls, scrapes = named("NetworkPolicy/paperfeed")["spec"]["ingress"]
    label = calls["from"][0]["podSelector"]["matchLabels"]
    callers = {pod.owner for pod in pods() if label.items() <= pod.labels.items()}

    assert callers == {"Deployment/paperfeed-balancer", "Deployment/paperfeed-mail", "CronJob/paperfeed-mail-send"}
    assert [rule["ports"] for rule in (calls, scrapes)] == [[{"port": "grpc"}], [{"port": "metrics"}]]


def test_callers_are_known() -> None:
    """The server wants API keys over TLS from pods with a certificate; the mailer has a key and a certificate."""
    server = Settings.read(environment_of(_pod("Deployment/paperfeed")))
    assert server.auth == API_KEYS
    assert all((server.server_tls_cert, server.server_tls_key, server.server_client_ca))
    assert not server.insecure
    # One caller cannot fill the queue.
    assert 0 < server.caller_concurrent_calls < server.max_waiting_calls
    for owner in ("Deployment/paperfeed-mail", "CronJob/paperfeed-mail-send"):
        mailer = Settings.read(environment_of(_pod(owner)))
        assert all((mailer.tls_ca, mailer.tls_cert, mailer.tls_key, mailer.api_key_file))


@pytest.mark.parametrize("owner", ["Deployment/paperfeed", "Deployment/paperfeed-mail", "CronJob/paperfeed-mail-send"])
def test_files_of_settings_are_mounted(owner: str) -> None:
    """Every file that a setting names comes from a secret that the pod mounts read-only."""
    pod = _pod(owner)
    secrets = {volume["name"] for volume in pod.spec["volumes"] if "secret" in volume}
    mounted = {
        mount["mountPath"] for mount in pod.container["volumeMounts"] if mount["name"] in secrets and mount["readOnly"]
    }
    named_files = [value for value in environment_of(pod).values() if value.startswith("/run/secrets/")]

    assert len(named_files) >= 3
    assert {value.rpartition("/")[0] for value in named_files} == mounted


@pytest.mark.parametrize(
    "owner", ["Deployment/paperfeed", "Deployment/paperfeed-mail", "Deployment/paperfeed-balancer"]
)
def test_probes_and_scrapes_speak_http(owner: str) -> None:
    """Probes and Prometheus use the port for metrics, because neither has a certificate."""
    pod = _pod(owner)
    ports = {port["name"]: port["containerPort"] for port in pod.container["ports"]}
    probes = [probe for name, probe in pod.container.items() if name.endswith("Probe")]
    (template,) = [each["spec"]["template"] for each in of_kind("Deployment") if name_of(each) == owner]

    assert probes
    assert {probe["httpGet"]["port"] for probe in probes} == {"metrics"}
    assert {probe["httpGet"]["path"] for probe in probes} <= {"/livez", "/readyz", "/ready"}
    annotations = template["metadata"]["annotations"]
    assert annotations == {"prometheus.io/scrape": "true", "prometheus.io/port": str(ports["metrics"])}
    settings = {name: value for name, value in environment_of(pod).items() if name.endswith("_METRICS_PORT")}
    assert set(settings.values()) <= {str(ports["metrics"])}


def test_few_proxies_are_believed() -> None:
    """The example of trusted proxies is a few addresses, and no pod but the ingress reaches the pages."""
    networks = parse_networks(named("ConfigMap/paperfeed-mail")["data"]["PAPERFEED_MAIL_TRUSTED_PROXIES"])
    pages, scrapes = named("NetworkPolicy/paperfeed-mail")["spec"]["ingress"]

    assert sum(network.num_addresses for network in networks) <= 16
    assert [rule["ports"] for rule in (pages, scrapes)] == [[{"port": "http"}], [{"port": "metrics"}]]
    assert all("namespaceSelector" in each for rule in (pages, scrapes) for each in rule["from"])


def _pod(owner: str) -> Pod:
    (found,) = [pod for pod in pods() if pod.owner == owner]
    return found


def test_files_are_shared() -> None:
    """The job and the workers mount the slates at the same path, on a disk that all of them can write."""
    mounted = {
        pod.owner: {mount["name"]: mount["mountPath"] for mount in pod.container.get("volumeMounts", [])}
        for pod in pods()
    }

    assert mounted["CronJob/paperfeed-rerank"]["slates"] == mounted["Deployment/paperfeed-workers"]["slates"]
    assert named("PersistentVolumeClaim/paperfeed-slates")["spec"]["accessModes"] == ["ReadWriteMany"]
