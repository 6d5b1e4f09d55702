"""Index the titles, authors and abstracts of papers for search.

A later migration that builds the table papers anew on SQLite drops its triggers, and must create them again.
"""

import sqlalchemy as sa
from alembic import op

from service.storage.errors import ERRORS

revision = "0013"
down_revision = "0012"

# The rows of the full-text index are numbered. SQLite's own row numbers change in a VACUUM, so these are stored.
ON_SQLITE = (
    "CREATE TABLE paper_numbers (number INTEGER NOT NULL PRIMARY KEY, paper_id TEXT NOT NULL UNIQUE)",
    """CREATE VIEW paper_contents AS
    SELECT number, title, authors, abstract FROM paper_numbers JOIN papers USING (paper_id)""",
    """CREATE VIRTUAL TABLE paper_texts USING fts5 (
        title, authors, abstract, content='paper_contents', content_rowid='number',
        tokenize='porter unicode61 remove_diacritics 2'
    )""",
    "INSERT INTO paper_numbers (paper_id) SELECT paper_id FROM papers ORDER BY first_seen_at, paper_id",
    "INSERT INTO paper_texts (paper_texts) VALUES ('rebuild')",
    """CREATE TRIGGER paper_texts_insert AFTER INSERT ON papers BEGIN
        INSERT INTO paper_numbers (paper_id) VALUES (new.paper_id);
        INSERT INTO paper_texts (rowid, title, authors, abstract)
        SELECT number, new.title, new.authors, new.abstract FROM paper_numbers WHERE paper_id = new.paper_id;
    END""",
    """CREATE TRIGGER paper_texts_update AFTER UPDATE OF title, authors, abstract ON papers
    WHEN (old.title, old.authors, old.abstract) IS NOT (new.title, new.authors, new.abstract) BEGIN
        INSERT INTO paper_texts (paper_texts, rowid, title, authors, abstract)
        SELECT 'delete', number, old.title, old.authors, old.abstract FROM paper_numbers WHERE paper_id = old.paper_id;
        INSERT INTO paper_texts (rowid, title, authors, abstract)
        SELECT number, new.title, new.authors, new.abstract FROM paper_numbers WHERE paper_id = new.paper_id;
    END""",
    """CREATE TRIGGER paper_texts_delete AFTER DELETE ON papers BEGIN
        INSERT INTO paper_texts (paper_texts, rowid, title, authors, abstract)
        SELECT 'delete', number, old.title, old.authors, old.abstract FROM paper_numbers WHERE paper_id = old.paper_id;
        DELETE FROM paper_numbers WHERE paper_id = old.paper_id;
    END""",
)

# As SQLite's tokenizer does, the function replaces punctuation by spaces and removes accents. Otherwise PostgreSQL's
# parser reads "and/or" as the path of a file.
PUNCTUATION = "".join(
    chr(code) for code in (*range(0x21, 0x7F), *range(0xA0, 0xC0), *range(0x2010, 0x2060)) if not chr(code).isalnum()
)
ACCENTS = "".join(map(chr, range(0x300, 0x370)))
# The driver reads a single per cent sign as the start of a parameter.
REPLACED = (PUNCTUATION + ACCENTS).replace("'", "''").replace("%", "%%")
WORDS = " || ".join(
    f"setweight(to_tsvector('paperfeed_search', paperfeed_plain({name})), '{weight}')"
    for name, weight in (("title", "A"), ("authors", "B"), ("abstract", "D"))
)
ON_POSTGRES = (
    # Without a list of stop words, so that phrases and minus signs work with all words, as on SQLite.
    "CREATE TEXT SEARCH DICTIONARY paperfeed_stem (TEMPLATE = snowball, Language = english)",
    "CREATE TEXT SEARCH CONFIGURATION paperfeed_search (COPY = pg_catalog.english)",
    "ALTER TEXT SEARCH CONFIGURATION paperfeed_search ALTER MAPPING REPLACE english_stem WITH paperfeed_stem",
    f"""CREATE FUNCTION paperfeed_plain(text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    AS $function$ SELECT translate(normalize($1, NFD), '{REPLACED}', '{" " * len(PUNCTUATION)}') $function$""",
    f"ALTER TABLE papers ADD COLUMN words tsvector NOT NULL GENERATED ALWAYS AS ({WORDS}) STORED",
    "CREATE INDEX ix_papers_words ON papers USING gin (words)",
)


def upgrade() -> None:
    connection = op.get_bind()
    if connection.dialect.name == "sqlite":
        if not connection.scalar(sa.text("SELECT count(*) FROM pragma_module_list WHERE name = 'fts5'")):
            raise ERRORS.unavailable(
                "this Python's SQLite was built without FTS5, which the search in papers needs; use another build of "
                "Python or SQLite, or PostgreSQL"
            )
        _execute(connection, ON_SQLITE)
    else:
        _execute(connection, ON_POSTGRES)


def _execute(connection: sa.Connection, statements: tuple[str, ...]) -> None:
    for statement in statements:
        connection.exec_driver_sql(statement)
