"""Models: plain Keras 3 layers that know nothing of gin, files or strategies; one folder each."""

MODELS = {
    "SIMONe": "simone_tf.models.simone.model:SIMONe",
}
"""Name in configurations -> where the class is, a `scene_model.SceneModel`. One line for a model, and no import: names
can then be checked without TensorFlow."""
