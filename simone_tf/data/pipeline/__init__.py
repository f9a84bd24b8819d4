"""From clips to batches: order, shares, cache, augmentation."""
