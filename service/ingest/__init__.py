"""Parsers that turn files into domain values, one per source format.

Nothing here opens a database or a socket. ``InvalidFile`` and ``InvalidField`` are the only errors, whatever a file
holds. Third-party parsers are imported when first used, so importing this package is fast.
"""
