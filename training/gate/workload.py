"""Made-up papers and profiles on which every bundle can be timed, without the data of a service.

Texts have words as common as in a language, and vectors stand in clusters as those of real papers do.
"""

import numpy as np

from ranker.bundle.bundle import Bundle
from ranker.papers import PaperColumns, paper_columns
from ranker.profile.profile import Profile, build_profile

AS_OF = 1_700_000_000.0
LIKE_COUNT = 30
_FIELDS = 40
_WORDS_IN_TEXT = 120
_VOCABULARY = 4_000
_DAY = 86_400.0


def made_up_papers(count: int, embedding_dim: int, seed: int) -> PaperColumns:
    """Return papers of some fields with texts, vectors, dates and categories; equal arguments give equal papers."""
    rng = np.random.default_rng(seed)
    field = rng.integers(0, _FIELDS, count)
    centres = np.random.default_rng(0).standard_normal((_FIELDS, embedding_dim))
    vectors = centres[field] + 1.2 * rng.standard_normal((count, embedding_dim))
    # Zipf's law: the k-th word is k times rarer than the first.
    places = np.minimum(rng.zipf(1.3, (count, _WORDS_IN_TEXT)) - 1, _VOCABULARY - 1)
    words = (places * 7 + field[:, None] * 101) % _VOCABULARY
    texts = [" ".join(f"word{word}" for word in row) for row in words.tolist()]
    return paper_columns(
        [f"paper-{seed}-{number}" for number in range(count)],
        [text[:60] for text in texts],
        vectors.astype(np.float32),
        abstracts=texts,
        published_at=AS_OF - rng.uniform(0, 14, count) * _DAY,
        categories=[(f"category{number % 9}",) for number in field.tolist()],
    )


def profiles(bundle: Bundle, count: int) -> list[Profile]:
    """Return the profiles of made-up users in the spaces of a bundle."""
    dim = bundle.spaces.embedding_dim
    liked_at = np.linspace(AS_OF - 90 * _DAY, AS_OF - _DAY, LIKE_COUNT)
    return [
        build_profile(bundle.spaces.matrix(made_up_papers(LIKE_COUNT, dim, 1_000 + user)), None, liked_at)
        for user in range(count)
    ]
