"""What every worker is sent once: the bundle, the candidates and the job, as plain bytes and words."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from batch.export.paper_table import papers_of, signals_of, vectors_of
from batch.job import Job
from ranker.bundle.bundle import load_bundle
from ranker.bundle.manifest import MANIFEST_NAME, MODEL_NAME, SPACES_NAME
from ranker.signals import Signals
from service.app.ranking.candidates import Candidates
from service.app.ranking.serving import Serving


@dataclass(frozen=True)
class Cargo:
    """One job's.

    Attributes:
        location: Where users and papers are read from, such as a database's URL with its password.
        bundle: The bundle's files by name; None ranks by cosine.
        candidates: A Parquet file of ``paper_table``.
        facts: By which partitions tell whose they are; see ``Plan.facts``.
        folder: Where partitions are written to; all workers and the one who asks see the same folder there.
    """

    job: Job
    location: str
    bundle: Mapping[str, bytes] | None
    candidates: bytes
    facts: Mapping[str, str]
    folder: str

    def serving(self) -> Serving:
        """The bundle, loaded and checked."""
        if self.bundle is None:
            return Serving(self.job.encoder, None, "", 0)
        with tempfile.TemporaryDirectory(prefix="paperfeed-bundle-") as folder:
            for name, data in self.bundle.items():
                Path(folder, name).write_bytes(data)
            return Serving(self.job.encoder, load_bundle(Path(folder), encoder=self.job.encoder), "", 0)

    def placed_candidates(self, serving: Serving) -> Candidates:
        """The candidates, ready to be ranked for anyone."""
        table = pq.read_table(pa.BufferReader(self.candidates))
        found = Candidates.build(serving, papers_of(table), vectors_of(table), self.job.digest_id)
        return replace(found, matrix=found.matrix.with_signals(Signals.of(signals_of(table))))


def bundle_files(path: Path) -> dict[str, bytes]:
    """The files of a bundle's folder."""
    return {name: (path / name).read_bytes() for name in (MANIFEST_NAME, MODEL_NAME, SPACES_NAME)}
