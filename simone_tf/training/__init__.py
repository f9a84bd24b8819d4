"""The custom training loop and what it needs."""
