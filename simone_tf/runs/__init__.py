"""What a run folder is: trained, read back, evaluated, exported."""
