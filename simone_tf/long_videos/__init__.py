"""A video of any length, taken apart window by window."""
