"""The manifests in deploy/, read once, and functions to find their parts."""

import functools
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from tests.process.running import ROOT

Manifest = dict[str, Any]


@dataclass(frozen=True)
class Pod:
    """The pod of a Deployment, Job or CronJob."""

    owner: str
    labels: dict[str, str]
    spec: dict[str, Any]

    @property
    def container(self) -> dict[str, Any]:
        """Its only container."""
        (found,) = self.spec["containers"]
        return dict(found)

    @property
    def words(self) -> list[list[str]]:
        """The commands that it runs; of a shell script only those of paperfeed and Dask."""
        command = self.container.get("command", [])
        if command[:1] != ["/bin/sh"]:
            return [[*command, *self.container.get("args", [])]]
        lines = "\n".join(self.container["args"]).splitlines()
        return [words for line in lines if (words := shlex.split(line)) and words[0] in {"paperfeed", "dask"}]

    @property
    def grace_seconds(self) -> int:
        """Seconds between the request to end and the kill."""
        return int(self.spec.get("terminationGracePeriodSeconds", 30))

    @property
    def pause_seconds(self) -> int:
        """Seconds between the request to end and SIGTERM."""
        return int(self.container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0))


@functools.cache
def manifests() -> list[Manifest]:
    """Return all documents of all files, except those that are no manifests, such as alert rules."""
    files = sorted((ROOT / "deploy").glob("*.yaml"))
    documents = [each for file in files for each in yaml.safe_load_all(file.read_text(encoding="utf-8"))]
    return [each for each in documents if "kind" in each]


def name_of(manifest: Manifest) -> str:
    """Return the manifest's name, such as ``Service/paperfeed``."""
    return f"{manifest['kind']}/{manifest['metadata']['name']}"


def named(name: str) -> Manifest:
    """Return the manifest with this name."""
    (found,) = [each for each in manifests() if name_of(each) == name]
    return found


def of_kind(kind: str) -> list[Manifest]:
    """Return all manifests of a kind."""
    return [each for each in manifests() if each["kind"] == kind]


def pods() -> Iterator[Pod]:
    """Yield every pod."""
    for each in manifests():
        spec = each.get("spec", {})
        template = spec.get("jobTemplate", {}).get("spec", spec).get("template")
        if template is not None:
            yield Pod(name_of(each), template["metadata"]["labels"], template["spec"])


def environment_of(pod: Pod) -> dict[str, str]:
    """Return the pod's environment variables; those from a secret are empty."""
    found: dict[str, str] = {}
    for source in pod.container.get("envFrom", []):
        found |= named(f"ConfigMap/{source['configMapRef']['name']}")["data"]
    return found | {each["name"]: each.get("value", "") for each in pod.container.get("env", [])}
