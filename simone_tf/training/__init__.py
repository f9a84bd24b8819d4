"""The custom training loop and what it needs."""

OPTIMIZERS = {
    "Adam": "simone_tf.training.optimizers:make_adam",
    "Muon": "simone_tf.training.optimizers:make_muon",
    "RMSprop": "simone_tf.training.optimizers:make_rmsprop",
    "WarmupCosine": "simone_tf.training.schedules:WarmupCosine",
    "WarmupHalving": "simone_tf.training.schedules:WarmupHalving",
}
"""Name in configurations -> where the optimizer or schedule is. Text alone: the names are known without TensorFlow."""
