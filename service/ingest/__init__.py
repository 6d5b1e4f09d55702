"""Bytes in, domain values out: one parser per source format.

Nothing here opens a database or a socket. Whatever a file holds, the only errors are ``InvalidFile`` and
``InvalidField``. The parsers of feeds and libraries are imported when first used, so importing this package is cheap.
"""
