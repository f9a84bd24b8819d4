"""What a run folder is, and a model built or rebuilt from it."""
