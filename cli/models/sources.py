"""Data sets for training and evaluation: from files, from a service's database, or from its export."""

from pathlib import Path
from typing import TYPE_CHECKING

from cli.output import staged_progress, warn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from data_sets.files import FileData
    from service.config import Settings
    from training.data.snapshot import Dataset


def read_datasets(
    files: "Sequence[FileData]", db: str | None, export: Path | None, settings: "Settings", *, with_titles: bool
) -> tuple[str, list["Dataset"]]:
    """Return the encoder's name and the data sets: those from files with new vectors, then the stored ones.

    Stored data are read first, because that takes seconds, and embedding may take an hour.
    """
    from data_sets.database import read_database
    from data_sets.files import embed
    from service.resources import cache_file, make_encoder

    stored: list[Dataset] = []
    encoder = make_encoder(settings, cache_path=cache_file(settings))
    try:
        with staged_progress("reading") as progress:
            if db is not None:
                stored.append(read_database(db, encoder.name, progress=progress, warn=warn))
            if export is not None:
                from batch.export.data_set import read_export

                stored.append(read_export(export, encoder.name, progress=progress, warn=warn))
            found = [embed(data, encoder, with_titles=with_titles, progress=progress, warn=warn) for data in files]
    finally:
        encoder.close()
    return encoder.name, found + stored
