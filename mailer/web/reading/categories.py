"""Suggestions for topics: arXiv's categories of computer science and its neighbours, and those of the newest papers."""

from collections import Counter

from mailer.domain.feed import Profile
from mailer.errors import MailerError
from mailer.service import FeedService

_NAMES = """\
cs.AI Artificial intelligence
cs.AR Hardware architecture
cs.CC Computational complexity
cs.CE Computational engineering, finance, and science
cs.CG Computational geometry
cs.CL Computation and language
cs.CR Cryptography and security
cs.CV Computer vision and pattern recognition
cs.CY Computers and society
cs.DB Databases
cs.DC Distributed, parallel, and cluster computing
cs.DL Digital libraries
cs.DM Discrete mathematics
cs.DS Data structures and algorithms
cs.ET Emerging technologies
cs.FL Formal languages and automata theory
cs.GR Graphics
cs.GT Computer science and game theory
cs.HC Human-computer interaction
cs.IR Information retrieval
cs.IT Information theory
cs.LG Machine learning
cs.LO Logic in computer science
cs.MA Multiagent systems
cs.MM Multimedia
cs.MS Mathematical software
cs.NA Numerical analysis
cs.NE Neural and evolutionary computing
cs.NI Networking and internet architecture
cs.OS Operating systems
cs.PF Performance
cs.PL Programming languages
cs.RO Robotics
cs.SC Symbolic computation
cs.SD Sound
cs.SE Software engineering
cs.SI Social and information networks
cs.SY Systems and control
econ.EM Econometrics
eess.AS Audio and speech processing
eess.IV Image and video processing
eess.SP Signal processing
math.OC Optimization and control
math.PR Probability
math.ST Statistics theory
physics.comp-ph Computational physics
q-bio.BM Biomolecules
q-bio.GN Genomics
q-bio.NC Neurons and cognition
q-bio.QM Quantitative methods
quant-ph Quantum physics
stat.AP Applications of statistics
stat.CO Statistical computation
stat.ME Statistical methodology
stat.ML Machine learning (statistics)"""
CATEGORY_NAMES: dict[str, str] = dict(line.split(" ", 1) for line in _NAMES.splitlines())
"""Names by arXiv category."""
MAX_SUGGESTIONS = 150


def suggested_topics(service: FeedService, profile: Profile | None = None) -> list[tuple[str, str]]:
    """Return (topic, name or empty) for the fields that take a topic: the user's interests first, then categories.

    The categories of the newest papers come before the others. Without an answer of the service they are missing.
    """
    interests = [each.name for each in profile.interests] if profile else []
    try:
        counted = Counter(category for paper in service.digest_papers() for category in paper.categories)
    except MailerError:
        counted = Counter()
    frequent = [category for category, _ in counted.most_common()]
    topics = list(dict.fromkeys((*interests, *frequent, *CATEGORY_NAMES)))[:MAX_SUGGESTIONS]
    return [(topic, CATEGORY_NAMES.get(topic, "")) for topic in topics]
