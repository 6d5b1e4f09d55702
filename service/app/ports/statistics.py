"""The store of the statistics of the catalog."""

import datetime as dt
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class StatisticsVersion:
    """Facts about one version of the statistics of the catalog.

    Attributes:
        version: From 1. A later count has a greater version, and no version is given twice.
        encoder: Name of the encoder whose vectors were counted.
        paper_count: Number of papers of the catalog when counting began. At most the newest 20,000 were counted.
        vector_version: Output of ``PaperStore.vector_version`` when counting began.
        counted_at: Time at which counting ended.
    """

    version: int
    encoder: str
    paper_count: int
    vector_version: int
    counted_at: dt.datetime


class StatisticsStore(Protocol):
    """Versions of the statistics of the catalog, and claims of processes that are counting."""

    def counted(self, encoder: str, *, by: dt.datetime | None = None) -> list[StatisticsVersion]:
        """Return the kept versions of an encoder, newest first; with ``by``, those counted at that time or before."""

    def data(self, version: int) -> bytes | None:
        """Return the output of ``CorpusStatistics.to_bytes`` that was stored; None if the version is not kept."""

    def claim(
        self, encoder: str, *, after: int, paper_count: int, vector_version: int, now: dt.datetime, lease: dt.timedelta
    ) -> int | None:
        """Return a new version for the caller to count; None if another process is counting or has counted.

        A claim that is as old as ``lease`` is void: it is deleted, and the process that had it cannot store its count.

        Args:
            after: Newest version that the caller knows, 0 if none. A newer counted version means that another process
                has counted since.
        """

    def give_up(self, version: int) -> None:
        """End a claim without statistics, so that another process can count at once."""

    def put(self, version: int, data: bytes, *, now: dt.datetime, keep: dt.timedelta) -> bool:
        """Store the statistics of a claimed version; return False and store nothing if the claim is void.

        Also deletes the versions that were counted before ``now - keep``, except the newest one of each encoder.
        """
