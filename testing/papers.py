"""Words and texts of made-up papers."""

import numpy as np

WORDS = tuple(
    "graph protein code vision query language genome index neural database kernel market social music".split()  # noqa: SIM905
)
TOPICS = {
    "vision": "image segmentation pixel camera depth convolution object detection scene render texture video",
    "language": "translation token grammar dialogue corpus syntax parsing summary vocabulary sentence prompt decoder",
    "graphs": "node edge spectral clustering adjacency walk community link motif subgraph isomorphism matching",
    "robots": "gripper locomotion torque actuator manipulation trajectory planner navigation odometry contact arm leg",
    "biology": "protein genome folding enzyme cell molecule sequence docking peptide mutation antibody tissue",
    "audio": "speech acoustic phoneme microphone melody spectrogram voice noise pitch waveform recording music",
}
"""Words of each topic. No two topics share a word, so papers of one topic are similar and papers of two are not."""


def random_text(rng: np.random.Generator, word_count: int, words: tuple[str, ...] = WORDS) -> str:
    """Return a text of words drawn at random."""
    return " ".join(rng.choice(words, word_count))
