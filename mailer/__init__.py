"""The inbox digest: a gRPC client of the service with its own database, outbox, SMTP sender and small web app.

It imports nothing of the other folders but the client distribution, so it may live on another machine.
"""
