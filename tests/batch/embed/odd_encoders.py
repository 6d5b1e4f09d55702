"""Encoders with faults, for workers; their own name keeps their vectors apart from the catalog's."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from service.app.ports import Vectors
from service.domain.errors import EncoderUnavailable
from service.domain.papers import Paper
from service.encoder import HashingEncoder
from service.storage import open_store
from tests.batch.worlds import NOW

NAME = "new-384"


class NewEncoder(HashingEncoder):
    """The hashing encoder under another name."""

    name = NAME


@dataclass
class SlowEncoder(NewEncoder):
    """An encoder that takes its time, so that a job can be killed meanwhile."""

    seconds: float

    def encode_in_background(self, texts: Sequence[str]) -> Vectors:
        """See ``Encoder``."""
        time.sleep(self.seconds)
        return super().encode_in_background(texts)


@dataclass
class ClosingEncoder(SlowEncoder):
    """A slow encoder of any name that fails once it is closed."""

    name: str
    is_closed: bool = False

    def encode_in_background(self, texts: Sequence[str]) -> Vectors:
        """See ``Encoder``."""
        vectors = super().encode_in_background(texts)
        if self.is_closed:
            raise EncoderUnavailable("it was closed")
        return vectors

    def close(self) -> None:
        """See ``WorkerEncoder``."""
        self.is_closed = True


@dataclass
class PickyEncoder(NewEncoder):
    """An encoder that refuses texts with one of the words; every text has the empty word."""

    words: tuple[str, ...]

    def encode_in_background(self, texts: Sequence[str]) -> Vectors:
        """See ``Encoder``."""
        if any(word in text for text in texts for word in self.words):
            raise EncoderUnavailable("a text that it does not take")
        return super().encode_in_background(texts)


@dataclass
class MeddlingEncoder(NewEncoder):
    """An encoder that changes one paper, deletes another and adds a third while it encodes, as writers might."""

    url: str
    changed: str
    deleted: str
    new: str

    def encode_in_background(self, texts: Sequence[str]) -> Vectors:
        """See ``Encoder``."""
        store = open_store(self.url, pool_size=1)
        with store.write() as tx:
            if self.deleted in tx.papers.find_many([self.deleted]):
                papers = [Paper(self.changed, "A title of today"), Paper(self.new, "A paper of today")]
                tx.papers.upsert(papers, NOW)
                tx.papers.delete(self.deleted)
        store.dispose()
        return super().encode_in_background(texts)
