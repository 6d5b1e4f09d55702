"""The data that every worker of a re-rank gets once: the job, the bundle and the candidate papers, as plain bytes."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from batch.export.paper_table import papers_of, signals_of, vectors_of
from batch.rerank.job import Job
from ranker.bundle.bundle import bundle_of
from ranker.signals import Signals
from service.app.ranking.candidates import Candidates
from service.app.ranking.serving import Serving


@dataclass(frozen=True)
class Cargo:
    """The data of one job.

    Attributes:
        location: Database URL, with its password, or folder of an export.
        bundle: The bundle's files by name; None ranks by cosine.
        candidates: A Parquet file of a ``paper_table``.
        facts: Metadata by which partitions name their plan; see ``Plan.facts``.
        folder: Folder of the partitions' files; the coordinator and all workers must see the same folder there.
    """

    job: Job
    location: str
    bundle: Mapping[str, bytes] | None
    candidates: bytes
    facts: Mapping[str, str]
    folder: str

    def serving(self) -> Serving:
        """Return the bundle, loaded and checked, as the ranking code of the service takes it."""
        bundle = None if self.bundle is None else bundle_of(self.bundle, Path("bundle"), encoder=self.job.encoder)
        return Serving(self.job.encoder, bundle, "", 0)

    def placed_candidates(self, serving: Serving) -> Candidates:
        """Return the candidates, placed in the bundle's spaces."""
        table = pq.read_table(pa.BufferReader(self.candidates))
        found = Candidates.build(serving, papers_of(table), vectors_of(table), self.job.digest_id)
        return replace(found, matrix=found.matrix.with_signals(Signals.of(signals_of(table))))
