"""SIMONe (Kabra et al., 2021)."""

PARTS = {
    "Encoder": "simone_tf.models.simone.encoder:Encoder",
}
"""Name in configurations -> where it is, of the parts that only SIMONe has; see `models.MODELS`."""
