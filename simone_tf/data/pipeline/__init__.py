"""From clips to batches: order, shares, cache, augmentation."""

BATCHES = {
    "Mixture": "simone_tf.data.pipeline.mixture:Mixture",
    "training_batches": "simone_tf.data.pipeline.batches:training_batches",
}
"""Name in configurations -> where what makes batches, or puts data sets together, is.

Text alone: the names are known without TensorFlow.
"""
