"""Where gin meets the library, and nowhere else."""
