"""The Slot Attention autoencoder (Locatello et al., 2020), frame by frame."""

PARTS = {
    "SlotAttentionDecoder": "simone_tf.models.slot_attention.decoder:SlotAttentionDecoder",
    "SlotAttentionEncoder": "simone_tf.models.slot_attention.encoder:SlotAttentionEncoder",
    "SlotAttentionModule": "simone_tf.models.slot_attention.attention:SlotAttentionModule",
}
"""Name in configurations -> where it is, of the parts that only this model has; see `models.MODELS`."""
