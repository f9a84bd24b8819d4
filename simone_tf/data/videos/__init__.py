"""From video files to frames, masks and cameras, and to clips."""
