"""NumPy arrays in, pictures out; knows no model and no run."""
