"""The ``paperfeed`` command: one file per command group. The only place that composes all parts; nobody imports it."""
