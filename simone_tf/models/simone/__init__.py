"""SIMONe and its view-supervised variant SIMONe-VS (Kabra et al., 2021)."""

PARTS = {
    "Encoder": "simone_tf.models.simone.encoder:Encoder",
    "ViewEncoder": "simone_tf.models.simone.view_encoder:ViewEncoder",
}
"""Name in configurations -> where it is, of the parts that only SIMONe and SIMONe-VS have; see `models.MODELS`."""
