"""The signal ledger in the database."""
