"""Encoders for workers, each with a fault; a name of their own keeps their vectors apart from the world's."""

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
    """Makes the vectors of ``hashing``, under another name."""

    name = NAME


@dataclass
class SlowEncoder(NewEncoder):
    """Takes its time, so that there is a middle in which to be killed."""

    seconds: float

    def encode_in_background(self, texts: Sequence[str]) -> Vectors:
        """See ``Encoder``."""
        time.sleep(self.seconds)
        return super().encode_in_background(texts)


@dataclass
class ClosingEncoder(SlowEncoder):
    """Takes its time too, under any name, and does not work any more once it is closed."""

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
    """Refuses texts with one of the words; the empty word is in all of them, as for an encoder that does not work."""

    words: tuple[str, ...]

    def encode_in_background(self, texts: Sequence[str]) -> Vectors:
        """See ``Encoder``."""
        if any(word in text for text in texts for word in self.words):
            raise EncoderUnavailable("a text that it does not take")
        return super().encode_in_background(texts)


@dataclass
class MeddlingEncoder(NewEncoder):
    """While texts are encoded, changes the text of one paper, deletes another and brings a third, as writers might."""

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
