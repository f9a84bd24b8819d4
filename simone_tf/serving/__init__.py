"""Serving: exports that run without this library, and videos of any length taken apart window by window."""
