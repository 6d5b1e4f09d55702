"""What lies in deploy/, read once, and ways to walk through it."""

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
        """Commands that it runs; of a shell's script those of our own programs."""
        command = self.container.get("command", [])
        if command[:1] != ["/bin/sh"]:
            return [[*command, *self.container.get("args", [])]]
        lines = "\n".join(self.container["args"]).splitlines()
        return [words for line in lines if (words := shlex.split(line)) and words[0] in {"paperfeed", "dask"}]

    @property
    def grace_seconds(self) -> int:
        """From being told to end to being killed."""
        return int(self.spec.get("terminationGracePeriodSeconds", 30))

    @property
    def pause_seconds(self) -> int:
        """Until SIGTERM."""
        return int(self.container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0))


def manifests() -> list[Manifest]:
    """All documents of all files."""
    files = sorted((ROOT / "deploy").glob("*.yaml"))
    return [each for file in files for each in yaml.safe_load_all(file.read_text(encoding="utf-8"))]


def name_of(manifest: Manifest) -> str:
    """Such as ``Service/paperfeed``."""
    return f"{manifest['kind']}/{manifest['metadata']['name']}"


def named(name: str) -> Manifest:
    """The one of that name."""
    (found,) = [each for each in manifests() if name_of(each) == name]
    return found


def of_kind(kind: str) -> list[Manifest]:
    """All of a kind."""
    return [each for each in manifests() if each["kind"] == kind]


def pods() -> Iterator[Pod]:
    """Every pod that is started."""
    for each in manifests():
        spec = each.get("spec", {})
        template = spec.get("jobTemplate", {}).get("spec", spec).get("template")
        if template is not None:
            yield Pod(name_of(each), template["metadata"]["labels"], template["spec"])


def environment_of(pod: Pod) -> dict[str, str]:
    """Its variables; those from a secret are empty."""
    found: dict[str, str] = {}
    for source in pod.container.get("envFrom", []):
        found |= named(f"ConfigMap/{source['configMapRef']['name']}")["data"]
    return found | {each["name"]: each.get("value", "") for each in pod.container.get("env", [])}
