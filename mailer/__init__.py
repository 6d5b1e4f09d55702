"""The digest by e-mail: a client of the feed service with its own database, outbox, SMTP sender and web pages.

The package uses the feed service only through its gRPC contract, so it can run on another machine.
"""
