"""From the records of each data set to clips, and clip records of our own."""
