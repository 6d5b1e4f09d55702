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
from ranker.spaces.statistics import CorpusStatistics
from service.app.ranking.candidates import Candidates
from service.app.ranking.serving import Serving


@dataclass(frozen=True)
class Cargo:
    """The data of one job.

    Attributes:
        location: Database URL, with its password, or folder of an export.
        bundle: The bundle's files by name; None ranks by cosine.
        statistics: Output of ``CorpusStatistics.to_bytes``, so that all workers use the same; empty for version 0.
        candidates: A Parquet file of a ``paper_table``.
        facts: Metadata by which partitions name their plan; see ``Plan.facts``.
        folder: Folder of the partitions' files; the coordinator and all workers must see the same folder there.
    """

    job: Job
    location: str
    bundle: Mapping[str, bytes] | None
    statistics: bytes
    candidates: bytes
    facts: Mapping[str, str]
    folder: str

    def serving(self) -> Serving:
        """Return the bundle, checked and adapted to the statistics, as the ranking code of the service takes it."""
        bundle = None if self.bundle is None else bundle_of(self.bundle, Path("bundle"), encoder=self.job.encoder)
        if bundle is not None and self.statistics:
            bundle = bundle.adapted(CorpusStatistics.of_bytes(self.statistics))
        return Serving(self.job.encoder, bundle, "", 0, self.job.statistics_version)

    def placed_candidates(self, serving: Serving) -> Candidates:
        """Return the candidates, placed in the bundle's spaces."""
        table = pq.read_table(pa.BufferReader(self.candidates))
        found = Candidates.build(serving, papers_of(table), vectors_of(table), (self.job.digest_id,))
        return replace(found, matrix=found.matrix.with_signals(Signals.of(signals_of(table))))
