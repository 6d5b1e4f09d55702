"""Words that names of topics do not contain, or not at their beginning or end."""

import re

# Words common in all fields. A name never begins with one.
VAGUE = frozenset(
    """
    analysis application applied approach approaches aspect benchmark better building case challenge challenges
    characterization combining comparative comparing comparison complete concept conference construction context
    data decision design designing detecting detection determination development different discovery distribution
    dynamic dynamics early effect effective effects efficient efficiently empirical enhanced evaluating evaluation
    evidence experiment experimental exploring extended extending extraction fast framework functional future
    general generation global good guide high identification identifying impact implementation implications improve
    improved improving increasing influence information integrated integrating international introduction
    investigation issue issues journal key large learn learning level local long low making measure measuring
    mechanism method methodology methods model modeling modelling models multi multiple novel open optimal order
    overview paper part performance perspective practice predicting prediction preliminary principle problem
    problems proceedings process processes properties proposal quality quantitative rapid real recent relevant
    report research result results review role scale series set simple simulation single small some special specific
    state statistics step strategy structure structures studies study survey system systems task technique
    techniques test theoretical theory time tool toolkit tools type understanding universal user using variation
    view way web workshop world year years
    """.split()  # noqa: SIM905
)
# Vague words that may end a name: "operating systems", "representation learning".
HEADS = frozenset(
    """
    analysis design detection discovery distribution dynamics extraction generation identification learning model
    modeling modelling models prediction process processes quality simulation structure structures system systems
    theory understanding
    """.split()  # noqa: SIM905
)
# Words that belong to the word before them: "deep reinforcement" is no name for deep reinforcement learning.
BOUND_HEADS = frozenset({"learning", "system", "systems", "theory"})
# Words that no name contains, besides STOP_WORDS: function words and common verbs.
BREAKS = frozenset(
    """
    able achieving across affecting after again against all along always am among analyzing any anything apply ask
    assessing based become becomes before being benchmarking beyond boosting bridging bring bringing brings cannot
    could da das de dealing della der des determine determines did die does doing don done down driving du during el
    else en enable enables enabling enhancing estimating et even ever every everything find finding finds first
    further generating get getting give gives giving go goes going her here him his hoc i incentivizing influencing
    inside know knowing la las le les less let lets like look looking los make makes managing many matter matters me
    meet meets might mitigating much must my need needed needs never nothing off only onto optimizing out outside
    per put putting really require requires rethinking reveal reveals revisiting same say second see seeing she
    should since something still supporting take takes taking tell tells them there thing things three through to
    too toward towards und under unifying unless unlocking until up upon verifying versus very via vs want wants
    whether whose why within without would yet you your
    """.split()  # noqa: SIM905
)
# Endings of adjectives, adverbs and participles. ``_NOUNS`` lists nouns with the same endings.
_NO_NOUN = re.compile(r"\w{2,}(?:al|ic|ive|ous|ible|able|ed|less|ful|ly|ian)")
_NOUNS = frozenset(
    """
    alternative animal anomaly appraisal approval archive arithmetic arrival assembly breed capital cathedral
    characteristic clinic coral critic crystal denial derivative disposal drive epidemic executive fabric family
    feed festival goal graphic guardian heuristic hospital incentive initiative integral interval italy librarian
    logic magic manual material meal medal metal metric mineral monopoly mosaic motive music narrative objective
    olive pandemic panic pedestrian plastic portal potential public referral removal renewal reply retrieval
    reversal ritual rival scandal seed shed signal speed supply survival syllable terminal topic traffic trial
    tutorial variable wearable weed withdrawal
    """.split()  # noqa: SIM905
)
# Other words that cannot stand for a thing by themselves, alone or after a hyphen.
_MODIFIERS = frozenset(
    """
    2d 3d 4d ad-hoc aware chinese complex cross dense everyday free fuzzy human-like hybrid in-context incomplete
    latent level linear mobile molecular monocular new nonlinear nuclear offline old online parallel preserving
    quantum random real-world robust scale self-supervised shot smart solar sparse step text-to-image training-free
    wild world zero-shot
    """.split()  # noqa: SIM905
)


def is_gerund(word: str) -> bool:
    """Return whether a word has the ending of a gerund. It may also be another noun: "string"."""
    return len(word) > 5 and word.endswith("ing")


def is_modifier(word: str) -> bool:
    """Return whether a word cannot stand for a thing by itself, such as an adjective; of a compound the last part."""
    part = word.rpartition("-")[2]
    return not _MODIFIERS.isdisjoint((word, part)) or (part not in _NOUNS and _NO_NOUN.fullmatch(part) is not None)
