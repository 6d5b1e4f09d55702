"""The paperfeed client distribution: the API's messages in ``paperfeed.v1``, a typed client in ``paperfeed.client``."""
