"""The client of the feed service. Only this package uses the gRPC contract's messages."""

from mailer.service.client import MAX_DIGESTS, FeedService

__all__ = ["MAX_DIGESTS", "FeedService"]
