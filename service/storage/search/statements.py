"""The search in papers: FTS5 on SQLite, text search on PostgreSQL. Migration 0010 makes both indexes.

Triggers (SQLite) or a generated column (PostgreSQL) keep the indexes right, so that no statement that writes papers has
to know of them. All parts of a query are sent as parameters, and as quoted strings to FTS5: none is ever syntax.
"""

from functools import reduce

from sqlalchemy import ColumnElement, Connection, Select, func, literal_column, select, text

from service.domain.search import SearchQuery
from service.storage.tables import papers

# Weights of title, authors and abstract.
_ON_SQLITE = text(
    "SELECT papers.paper_id FROM paper_texts JOIN paper_numbers ON paper_numbers.number = paper_texts.rowid"
    " JOIN papers ON papers.paper_id = paper_numbers.paper_id WHERE paper_texts MATCH :query"
    " ORDER BY bm25(paper_texts, 8.0, 2.0, 1.0), papers.first_seen_at DESC, papers.paper_id LIMIT :limit OFFSET :offset"
)
# The weights of D (abstract), C, B (authors) and A (title). 1: divide by 1 + log(length).
_RANK_WEIGHTS: ColumnElement[object] = literal_column("'{0.125, 0.125, 0.25, 1}'::real[]")
_LENGTH_NORMALISATION = 1
_WORDS: ColumnElement[object] = literal_column("papers.words")


def search(connection: Connection, query: SearchQuery, *, offset: int, limit: int) -> list[str]:
    """Return the ids of matching papers, the best match first; see ``PaperStore.search``."""
    if connection.dialect.name == "sqlite":
        parameters = {"query": _fts5_query(query), "offset": offset, "limit": limit}
        return list(connection.scalars(_ON_SQLITE, parameters))
    return list(connection.scalars(_on_postgres(query).offset(offset).limit(limit)))


def _fts5_query(query: SearchQuery) -> str:
    """Return the query in FTS5's syntax, with each term as one string."""
    wanted = " AND ".join(map(_quoted, query.wanted))
    excluded = " OR ".join(map(_quoted, query.excluded))
    return f"({wanted}) NOT ({excluded})" if excluded else wanted


def _quoted(term: str) -> str:
    return '"' + term.replace('"', '""') + '"'


def _on_postgres(query: SearchQuery) -> Select[tuple[str]]:
    terms = [_phrase(term) for term in query.wanted] + [func.tsquery_not(_phrase(term)) for term in query.excluded]
    tsquery = reduce(func.tsquery_and, terms)
    rank = func.ts_rank(_RANK_WEIGHTS, _WORDS, tsquery, _LENGTH_NORMALISATION)
    best_first = (rank.desc(), papers.c.first_seen_at.desc(), papers.c.paper_id)
    return select(papers.c.paper_id).where(_WORDS.op("@@")(tsquery)).order_by(*best_first)


def _phrase(term: str) -> ColumnElement[object]:
    return func.phraseto_tsquery(literal_column("'paperfeed_search'::regconfig"), func.paperfeed_plain(term))
