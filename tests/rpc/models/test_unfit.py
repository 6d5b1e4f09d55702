"""Damaged and unfit bundles are refused with their reason, and the present bundle keeps serving."""

import io
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import grpc
import numpy as np
import pytest
from google.protobuf.json_format import MessageToDict

from paperfeed.v1 import model_pb2 as pb
from paperfeed.v1.status_pb2 import GetStatusRequest
from ranker.bundle import archive
from ranker.bundle.manifest import MODEL_NAME, SPACES_NAME
from service.app.models import rollout
from testing.calls import failing, wait_until
from testing.models import present, promote, put, register, reseal, version_of
from testing.servers import Service
from tests.rpc.feed_calls import get_feed

MAX_UNPACKED_BYTES = 8 * 2**20
"""The limit in these tests: a larger archive would take seconds to write."""


def damage(folder: Path) -> None:
    """Change the model without its hash."""
    with (folder / MODEL_NAME).open("a") as stream:
        stream.write("\n")


def other_encoder(folder: Path) -> None:
    """Make it a bundle of another encoder."""
    reseal(folder, encoder_name="other-384")


def other_schema(folder: Path) -> None:
    """Make it a bundle of another feature schema."""
    reseal(folder, schema_sha256="0" * 64)


def large_arrays(folder: Path) -> None:
    """Add an array of zeros, which compresses to little."""
    stream = io.BytesIO()
    np.savez_compressed(stream, zeros=np.zeros(MAX_UNPACKED_BYTES // 8 + 1))
    (folder / SPACES_NAME).write_bytes(stream.getvalue())
    reseal(folder)


def no_model(folder: Path) -> None:
    """Replace the trees by a text that is no model."""
    (folder / MODEL_NAME).write_text("no trees")
    reseal(folder)


def timeless(folder: Path) -> None:
    """Take the time zone from the time of training."""
    reseal(folder, created_at="2026-01-01T00:00:00")


def endless(folder: Path) -> None:
    """Replace the model by a pipe that nobody writes to."""
    (folder / MODEL_NAME).unlink()
    os.mkfifo(folder / MODEL_NAME)


def huge_metrics(folder: Path) -> None:
    """Give the manifest more metrics than a page of models can show."""
    reseal(folder, metrics={str(number): 0.5 for number in range(10_000)})


def deep_metrics(folder: Path) -> None:
    """Nest the metrics more deeply than clients can read."""
    metrics: dict[str, object] = {}
    for _ in range(100):
        metrics = {"deeper": metrics}
    reseal(folder, metrics=metrics)


def large_number(folder: Path) -> None:
    """Give a metric that no floating-point number can hold."""
    reseal(folder, metrics={"ndcg": 10**400})


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (damage, "is damaged: its size or SHA-256 differs"),
        (other_encoder, "other-384"),
        (other_schema, "was trained on another version of the features"),
        (large_arrays, "its arrays take"),
        (no_model, MODEL_NAME),
        (timeless, "created_at needs a time zone"),
        (endless, "is not a plain file"),
        (huge_metrics, "metrics take"),
        (deep_metrics, "nested too deeply"),
        (large_number, "too large"),
    ],
)
def test_an_unfit_bundle_is_rejected(
    registered: Service,
    rivals: list[Path],
    place: Path,
    tmp_path: Path,
    spoil: Callable[[Path], None],
    reason: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Registration fails with the reason, nothing is registered, and the serving bundle stays."""
    monkeypatch.setitem(archive.read_arrays.__kwdefaults__, "limit", MAX_UNPACKED_BYTES)
    client, before = registered.client, present(registered.client)
    folder = shutil.copytree(rivals[0], tmp_path / "spoilt")
    spoil(folder)
    is_refused_by_put = spoil in {damage, endless}
    content = "1" * 64 if is_refused_by_put else put(place, folder)
    if is_refused_by_put:
        folder.rename(place / content)

    with failing(grpc.StatusCode.FAILED_PRECONDITION, "BUNDLE_REJECTED") as failure:
        client.models.RegisterModel(pb.RegisterModelRequest(content_sha256=content))

    assert reason in failure.said.message
    assert len(client.models.ListModels(pb.ListModelsRequest()).models) == 1
    assert present(client) == before
    assert get_feed(client, "user-1").model_version == before[0]


def test_a_bundle_that_is_damaged_later_does_not_replace_the_serving_one(
    registered: Service, rivals: list[Path], place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The present bundle serves on; status and log say why. Once the files are repaired, the new one serves."""
    monkeypatch.setattr(rollout, "RETRY_SECONDS", 0.05)
    client, before = registered.client, present(registered.client)
    model = register(client, place, rivals[0])
    file = place / model.content_sha256 / MODEL_NAME
    sound = file.read_bytes()
    file.write_bytes(sound + b"\n")
    client.models.PromoteModel(pb.PromoteModelRequest(model_version=model.model_version, force=True))

    wait_until(lambda: bool(client.status.GetStatus(GetStatusRequest()).model_load_problem))
    status = client.status.GetStatus(GetStatusRequest())
    assert "is damaged" in status.model_load_problem
    assert status.is_ready
    assert present(client) == before
    assert get_feed(client, "user-1").model_version == before[0]
    entries = list(client.model_log(pb.ListModelLogRequest(model_version=model.model_version)))
    assert [entry for entry in entries if entry.to_state == entry.from_state] == entries[-1:]
    assert "is damaged" in MessageToDict(entries[-1].evidence)["load_failed"]

    file.write_bytes(sound)
    wait_until(lambda: present(client)[0] == model.model_version)
    assert client.status.GetStatus(GetStatusRequest()).model_load_problem == ""


def test_a_bundle_that_fails_to_rank_does_not_serve(
    registered: Service, rivals: list[Path], place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bundle whose first ranking fails is not swapped in; a canary of it ranks for nobody."""
    client, before = registered.client, present(registered.client)
    get_feed(client, "user-1")
    model = register(client, place, rivals[0])

    def fail(*_: object, **__: object) -> int:
        raise ZeroDivisionError("no features")

    monkeypatch.setattr(type(registered.application.rollout._warmer), "warm", fail)
    client.models.PromoteModel(pb.PromoteModelRequest(model_version=model.model_version, canary_share=0.99, force=True))

    wait_until(lambda: "it fails to rank (ZeroDivisionError: no features)" in registered.application.rollout.problem)
    assert present(client) == before
    assert {get_feed(client, f"user-{number}").model_version for number in range(8)} == {before[0]}


def test_a_start_falls_back_to_the_bundle_before(
    start: Callable[..., Service], registered: Service, rivals: list[Path], place: Path, tiny_bundle: Path
) -> None:
    """A new process ranks with the previous bundle if it cannot load the serving one, and says so."""
    model = register(registered.client, place, rivals[0])
    promote(registered.client, model.model_version)
    damage(place / model.content_sha256)

    again = start(bundle=str(tiny_bundle), registry=str(place))

    assert present(again.client) == (version_of(tiny_bundle), "")
    wait_until(lambda: "is damaged" in again.application.rollout.problem)
    assert present(registered.client) == (model.model_version, "")


def test_a_first_bundle_that_does_not_fit(start: Callable[..., Service], foreign_bundle: Path, place: Path) -> None:
    """A server whose first bundle is rejected starts without one, as it does without a registry."""
    bare = start(bundle=str(foreign_bundle), registry=str(place))

    status = bare.client.status.GetStatus(GetStatusRequest())
    assert status.model_version == ""
    assert "no model of the registry serves yet" in status.model_problem
    assert not bare.client.models.ListModels(pb.ListModelsRequest()).models
