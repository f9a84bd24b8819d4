"""Models: plain Keras 3 layers that know nothing of gin, files or strategies."""

MODELS = {
    "SIMONe": "simone_tf.models.simone.model:SIMONe",
}
"""Name in configurations -> where the model is. Text alone, so that the names are known without TensorFlow."""
