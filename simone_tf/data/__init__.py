"""Readers that yield `Clip`s, and the pipeline that turns them into batches."""
