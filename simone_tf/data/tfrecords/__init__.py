"""TFRecord files as bytes: framing, lengths, damage, the shards of a split."""
