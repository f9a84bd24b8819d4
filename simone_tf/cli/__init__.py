"""What every command shares: flags, exit codes, printing, progress. Knows nothing of models."""
