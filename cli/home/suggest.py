"""Suggests arXiv categories from a library: from the categories of its entries, else from words of their titles."""

import re
from collections import Counter
from collections.abc import Iterable

from service.domain.papers import Paper

MAX_SUGGESTED = 4
_CATEGORY = re.compile(r"[a-z-]+(\.[A-Za-z-]{2,})?")
_LEAST_SHARE = 0.1
# Words of titles, as they begin, that are typical of a category. Rare words of a field say more than its common ones.
_WORDS = {
    "astro-ph.CO": "cosmolog|dark matter|dark energy|inflation|galaxy cluster",
    "astro-ph.EP": "exoplanet|planetary",
    "astro-ph.GA": "galax|interstellar|milky way",
    "cond-mat.mtrl-sci": "crystal|alloy|perovskite|material",
    "cond-mat.supr-con": "superconduct",
    "cs.AI": "planning|knowledge graph|reasoning|agent",
    "cs.CL": "language model|translation|summari[sz]ation|text|linguistic|dialog|llm|bert",
    "cs.CR": "encrypt|attack|malware|privacy|cryptograph",
    "cs.CV": "image|video|visual|segmentation|object detection|vision",
    "cs.DB": "database|query|sql",
    "cs.DC": "distributed|parallel|scheduling",
    "cs.DS": "approximation algorithm|sublinear|data structure",
    "cs.HC": "user interface|human-computer|usability|user study",
    "cs.IR": "recommend|retriev|ranking|search engine|click|collaborative filtering",
    "cs.LG": "neural|learning|gradient|representation|generali[sz]ation|transformer",
    "cs.NI": "wireless|5g|6g|network protocol|routing",
    "cs.RO": "robot|manipulation|grasp|locomotion",
    "cs.SD": "speech|audio|music|sound",
    "cs.SE": "software|program|code|bug|testing",
    "cs.SI": "social network|misinformation|community detection",
    "econ.EM": "econometric|instrumental variable|treatment effect",
    "eess.IV": "mri|tomograph|medical image",
    "gr-qc": "black hole|gravitational wave|general relativity",
    "hep-ph": "collider|standard model|neutrino|higgs",
    "hep-th": "string theory|holograph|supersymmetr",
    "math.AG": "algebraic geometry|scheme|moduli",
    "math.CO": "graph theory|combinatori",
    "math.NT": "number theory|prime|modular form",
    "math.OC": "optimi[sz]ation|convex|optimal control",
    "math.PR": "random walk|stochastic|markov",
    "physics.flu-dyn": "turbulen|fluid",
    "q-bio.BM": "protein|molecular|ligand|drug",
    "q-bio.GN": "genom|gene|dna|rna|single-cell|transcriptom",
    "q-bio.NC": "neuron|cortex|brain|synap",
    "q-bio.PE": "epidemi|evolution|phylogen",
    "q-fin.ST": "stock|volatility|financial",
    "quant-ph": "quantum|qubit|entangle",
    "stat.ME": "causal|regression|bayesian|clinical trial",
    "stat.ML": "gaussian process|variational|kernel method",
}
_PATTERNS = {name: re.compile(rf"\b(?:{words})", re.IGNORECASE) for name, words in _WORDS.items()}


def suggested_categories(papers: Iterable[Paper]) -> list[str]:
    """Return up to ``MAX_SUGGESTED`` arXiv categories, the most frequent first; none if nothing in the library fits."""
    papers = list(papers)
    given = Counter(name for paper in papers for name in set(paper.categories) if is_category(name))
    counts = given or Counter(
        name for paper in papers for name, words in _PATTERNS.items() if words.search(paper.title)
    )
    least = _LEAST_SHARE * len(papers)
    return [name for name, count in counts.most_common(MAX_SUGGESTED) if count >= least]


def is_category(name: str) -> bool:
    """Return whether a text can be an arXiv category: an archive that has none below it, or ``archive.XX``."""
    archives = {key.partition(".")[0] for key in _WORDS} | {
        "nlin",
        "nucl-ex",
        "nucl-th",
        "hep-ex",
        "hep-lat",
        "math-ph",
    }
    return bool(_CATEGORY.fullmatch(name)) and name.partition(".")[0] in archives
