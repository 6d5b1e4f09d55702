"""Bundles, registries and damage for tests of the model registry."""

import json
from dataclasses import asdict
from pathlib import Path

from paperfeed.client import Client
from paperfeed.v1.model_pb2 import Model, PromoteModelRequest, RegisterModelRequest
from paperfeed.v1.status_pb2 import GetStatusRequest
from ranker.bundle.bundle import bundle_files, content_of
from ranker.bundle.manifest import MANIFEST_NAME, MODEL_NAME, SPACES_NAME, file_entry, read_manifest, write_manifest
from service.storage.registry.folders import LocalFolders
from testing.calls import wait_until


def reseal(folder: Path, **changes: object) -> None:
    """Change fields of a bundle's manifest and update all its hashes, so that no damage shows."""
    file = folder / MANIFEST_NAME
    manifest = read_manifest(file, file.read_bytes())
    fields = {**asdict(manifest), "feature_names": manifest.feature_names, **changes}
    fields["files"] = {name: file_entry((folder / name).read_bytes()) for name in (MODEL_NAME, SPACES_NAME)}
    file.write_bytes(write_manifest(type(manifest)(**fields)))


def version_of(folder: Path) -> str:
    """Return the version of the bundle in a folder."""
    return str(json.loads((folder / MANIFEST_NAME).read_text())["version"])


def put(registry: Path, folder: Path) -> str:
    """Copy a bundle into the registry's folder as it is; return the name of its folder there."""
    files = bundle_files(folder)
    content = content_of(files, folder)
    LocalFolders(registry).put(content, files)
    return content


def register(client: Client, registry: Path, folder: Path) -> Model:
    """Copy a bundle into the registry's folder and register it."""
    request = RegisterModelRequest(content_sha256=put(registry, folder))
    return client.models.RegisterModel(request).model


def promote(client: Client, version: str, **fields: object) -> None:
    """Promote a model without a gate, and wait until the server ranks with it."""
    client.models.PromoteModel(PromoteModelRequest(model_version=version, force=True, **fields))
    wait_until(lambda: version in present(client))


def present(client: Client) -> tuple[str, str]:
    """Return the versions that the server has loaded as serving model and as canary; empty texts for none."""
    status = client.status.GetStatus(GetStatusRequest())
    return status.model_version, status.canary_model_version
