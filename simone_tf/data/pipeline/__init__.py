"""From clips to batches: order, shares, cache, augmentation."""

BATCHES = {
    "training_batches": "simone_tf.data.pipeline.batches:training_batches",
}
"""Name in configurations -> where what makes batches is. Text alone: the names are known without TensorFlow."""
