"""The ``paperfeed`` command. It is the only package that uses all others, and no other package imports it."""
