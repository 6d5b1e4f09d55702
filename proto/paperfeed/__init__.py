"""The paperfeed client distribution: generated API messages in ``paperfeed.v1`` and ``paperfeed.client``."""
