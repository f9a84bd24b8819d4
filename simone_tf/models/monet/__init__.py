"""MONet (Burgess et al., 2019): attention takes a frame apart, slot after slot; a VAE explains each part."""

PARTS = {
    "AttentionUNet": "simone_tf.models.monet.unet:AttentionUNet",
    "ComponentEncoder": "simone_tf.models.monet.component_encoder:ComponentEncoder",
    "MaskedMixture": "simone_tf.models.monet.masked_mixture:MaskedMixture",
}
"""Name in configurations -> where it is, of the parts that only MONet has; see `models.MODELS`."""
