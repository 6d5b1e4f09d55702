from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ranker.bundle.bundle import Bundle
from ranker.features import SCHEMA, compute_matrix
from ranker.pipeline import rank
from ranker.profile.profile import Profile, build_profile
from ranker.reasons.explain import FRESH_SECONDS, NEAR_INTEREST_COSINE, RankReasonKind, Shown, reasons
from ranker.reasons.naming import SEVERAL_TITLES
from ranker.signals import NO_SIGNALS, PaperSignals, Signals
from ranker.spaces.spaces import PaperMatrix
from ranker.types import Float32Array
from ranker.user_context import UNKNOWN_USER, UserContext
from testing.ranker import DAY, NOW, columns, pending, spaces, training_features
from tests.ranker.reasons.attribution import agreement, exact_contributions

SIMILAR, FRESH = RankReasonKind.SIMILAR_TO_LIKED, RankReasonKind.FRESH
CANDIDATES = spaces().matrix(columns(20))


def support(**values: float) -> Float32Array:
    """Contributions of the families to one row."""
    return np.array([[values.get(name, 0.0) for name in SCHEMA.families]], dtype=np.float32)


def shown(
    profile: Profile,
    rows: list[int],
    candidates: PaperMatrix = CANDIDATES,
    as_of: float = NOW,
    user_context: UserContext = UNKNOWN_USER,
) -> Shown:
    """The candidates at these rows, as the user sees them."""
    cosines = candidates.cosines_to(profile.plain_rows)
    return Shown(profile, candidates, np.array(rows), cosines, as_of, user_context)


def kinds(row: int, contributions: Float32Array | None, likes: PaperMatrix, as_of: float = NOW) -> list[RankReasonKind]:
    """The kinds of the reasons for one candidate."""
    found = reasons(shown(build_profile(likes), [row], as_of=as_of), contributions, SCHEMA.families)
    return [reason.kind for reason in found[0]]


def test_contributions_add_up(small_bundle: Bundle) -> None:
    """Contributions plus the mean of the trees on the training rows equal the score, with a base and without."""
    features = training_features(10)[0]
    for model in (small_bundle.model, replace(small_bundle.model, base=np.zeros(len(SCHEMA), dtype=np.float32))):
        leaves = model.leaves(features)
        mean = exact_contributions(model, features)[:, -1]
        found = model.contributions(features, leaves).sum(axis=1) + mean
        assert np.allclose(found, model.scores(features, leaves), atol=3e-6)


def test_the_base_adds_to_its_family(small_bundle: Bundle) -> None:
    """A feature of the base adds its weighted value to the contribution of its own family alone."""
    features = training_features(3)[0]
    weights = np.zeros(len(SCHEMA), dtype=np.float32)
    column = SCHEMA.names.index("text_linear_relative")
    weights[column] = 2.0
    model = small_bundle.model
    leaves = model.leaves(features)
    with_base, without = (replace(model, base=each).contributions(features, leaves) for each in (weights, 0 * weights))

    added = with_base - without
    family = SCHEMA.families.index("text")
    assert np.allclose(added[:, family], 2 * features[:, column], atol=1e-5)
    assert not np.delete(added, family, axis=1).any()


def test_agrees_with_exact_shap(small_bundle: Bundle) -> None:
    """The leaf table names the same first family as exact SHAP for nearly all papers (90 % now)."""
    model = small_bundle.model
    papers = small_bundle.spaces.matrix(columns(200, seed=7))
    rng = np.random.default_rng(0)
    users = [rng.permutation(200).tolist() for _ in range(20)]
    rows = [compute_matrix(build_profile(papers.take(order[:6])), papers.take(order[6:83]), NOW) for order in users]

    share = agreement(model, rows)

    print(f"leaf table and exact SHAP agree on the first family of {share:.1%} of the first papers")  # noqa: T201 (shown with -s)
    assert share > 0.87


def test_names_the_nearest_like() -> None:
    """SIMILAR_TO_LIKED names the nearest like by cosine, as a row of the likes given, and its cosine."""
    likes = spaces().matrix(pending(columns(20), [0])).take([0, 11, 7])
    found = reasons(shown(build_profile(likes), [7]), support(embedding=1.0), SCHEMA.families)
    assert found[0][0].kind is SIMILAR
    assert found[0][0].liked_index == 2
    assert found[0][0].similarity == pytest.approx(1.0, abs=1e-6)


@settings(max_examples=25)
@given(
    seed=st.integers(0, 2**16),
    like_count=st.integers(1, 40),
    missing=st.sets(st.integers(0, 39), max_size=10),
    diversity=st.sampled_from([0.0, 0.5]),
)
def test_because_you_liked_is_true(
    small_bundle: Bundle, seed: int, like_count: int, missing: set[int], diversity: float
) -> None:
    """Reasons name the nearest of all likes with vectors, and the nearest of all interests."""
    papers = columns(117, seed=seed)
    order = np.random.default_rng(seed).permutation(117)
    liked_rows, shown_rows = order[:like_count].tolist(), order[40:].tolist()
    gone = [order[place] for place in sorted(missing)]
    matrix = small_bundle.spaces.matrix(pending(papers, gone))
    profile = build_profile(matrix.take(liked_rows))

    ranked = rank(small_bundle, profile, matrix.take(shown_rows), NOW, diversity=diversity)

    vectors = papers.embeddings.astype(np.float64)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    known = [place for place, row in enumerate(liked_rows) if row not in gone]
    assume(known)
    groups = [vectors[[liked_rows[place] for place in members]].sum(axis=0) for members in profile.interests.members]
    for row, found in zip(ranked.rows.tolist(), ranked.reasons, strict=True):
        own = vectors[shown_rows[row]]
        for reason in found:
            if reason.kind is SIMILAR:
                cosines = {place: float(own @ vectors[liked_rows[place]]) for place in known}
                assert cosines[reason.liked_index] == pytest.approx(max(cosines.values()), abs=1e-6)
                assert reason.similarity == pytest.approx(max(cosines.values()), abs=1e-5)
            if reason.kind is RankReasonKind.TOPIC:
                nearness = [float(own @ group / np.linalg.norm(group)) for group in groups]
                assert nearness[reason.interest] == pytest.approx(max(nearness), abs=1e-6)


def test_no_likeness_without_support() -> None:
    """A paper is not called similar if the similarity families lower its score, however near it is."""
    likes = CANDIDATES.take([7])
    assert kinds(7, support(embedding=-1.0, text=-1.0, profile=0.5), likes) == []
    assert kinds(7, support(embedding=-1.0, text=1.5), likes) == [SIMILAR]


def test_no_likeness_to_distant_papers() -> None:
    """Below the least cosine no like is named, whatever the contribution."""
    vectors = CANDIDATES.columns.embeddings
    far = int(np.argmin(CANDIDATES.units @ CANDIDATES.units[7]))
    assert vectors[far] @ vectors[7] < 0
    assert kinds(far, support(embedding=1.0), CANDIDATES.take([7])) == []


def test_pending_vectors_use_words() -> None:
    """If the candidate's vector is pending, the reason names the like nearest by words."""
    papers = spaces().matrix(pending(columns(20), [7]))
    profile = build_profile(CANDIDATES.take([3, 7]))
    found = reasons(shown(profile, [7], papers), support(text=1.0), SCHEMA.families)
    assert found[0][0].liked_index == 1
    assert found[0][0].similarity == pytest.approx(1.0, abs=1e-5)


def test_fresh_needs_date_age_and_support() -> None:
    """FRESH needs a known date at most seven days before as_of, and a positive contribution of recency."""
    dated = int(np.flatnonzero(np.isfinite(CANDIDATES.columns.published_at))[0])
    published = float(CANDIDATES.columns.published_at[dated])
    likes = CANDIDATES.take([])
    assert kinds(dated, support(recency=0.1), likes, published + FRESH_SECONDS) == [FRESH]
    assert kinds(dated, support(recency=0.1), likes, published + FRESH_SECONDS + DAY) == []
    assert kinds(dated, support(recency=-0.1), likes, published) == []
    assert kinds(4, support(recency=0.1), likes) == []


def test_heavier_reason_first() -> None:
    """The reason with the greater contribution comes first."""
    dated = int(np.flatnonzero(np.isfinite(CANDIDATES.columns.published_at))[0])
    likes = CANDIDATES.take([dated])
    as_of = float(CANDIDATES.columns.published_at[dated])
    assert kinds(dated, support(embedding=1.0, recency=2.0), likes, as_of) == [FRESH, SIMILAR]
    assert kinds(dated, support(embedding=2.0, recency=1.0), likes, as_of) == [SIMILAR, FRESH]


def test_without_a_model() -> None:
    """Without a model, similarity is the only reason."""
    assert kinds(7, None, CANDIDATES.take([7])) == [SIMILAR]


def test_names_the_nearest_interest() -> None:
    """TOPIC names the nearest interest, if it is near and has several likes."""
    likes = spaces().matrix(columns(30, seed=1, prefix="l"))
    profile = build_profile(likes)
    rows = list(range(len(CANDIDATES)))
    found = reasons(shown(profile, rows), np.repeat(support(embedding=1.0), 20, axis=0), SCHEMA.families)
    cosines = CANDIDATES.units @ profile.interests.centroids.T
    named = {row: [r.interest for r in found[row] if r.kind is RankReasonKind.TOPIC] for row in rows}
    assert any(named.values())
    for row, interests in named.items():
        assert interests in ([], [int(cosines[row].argmax())])
        if interests:
            assert len(profile.interests.members[interests[0]]) >= SEVERAL_TITLES
            assert cosines[row].max() >= NEAR_INTEREST_COSINE
    assert RankReasonKind.TOPIC not in kinds(7, support(embedding=1.0), CANDIDATES.take([7, 8]))
    assert RankReasonKind.TOPIC not in kinds(7, support(embedding=-1.0, profile=1.0), likes)


def test_followed_and_trending_need_support() -> None:
    """Followed and trending reasons need the flag or the heat, and a positive contribution of the family."""
    hot = [PaperSignals.of([], [(NOW, "like", 0)]) if row == 7 else NO_SIGNALS for row in range(20)]
    papers = spaces().matrix(replace(columns(20), upvotes=np.full(20, np.nan))).with_signals(Signals.of(hot))
    flags = np.arange(20) == 7
    user_context = UserContext(followed_topic=flags, followed_author=flags)

    def kinds_of(row: int, **values: float) -> list[RankReasonKind]:
        seen = shown(build_profile(CANDIDATES.take([])), [row], papers, user_context=user_context)
        found = reasons(seen, support(**values), SCHEMA.families)
        return [reason.kind for reason in found[0]]

    topic, author = RankReasonKind.TOPIC, RankReasonKind.FOLLOWED_AUTHOR
    assert kinds_of(7, topic=1.0, trend=2.0) == [RankReasonKind.TRENDING, topic, author]
    assert kinds_of(7, topic=-1.0, trend=-1.0) == []
    assert kinds_of(8, topic=1.0, trend=1.0) == []
