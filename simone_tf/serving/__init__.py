"""Serving: exports that run without this library."""

CHUNK_SIZE = 8192
"""Queries of all clips of a batch together that are decoded at a time, unless told otherwise."""
