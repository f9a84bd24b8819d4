"""What models share: transformer, latents, decoders, likelihood, objective, queries."""

PARTS = {
    "BroadcastDecoder": "simone_tf.models.parts.broadcast_decoder:BroadcastDecoder",
    "CameraVector": "simone_tf.models.parts.camera_vector:CameraVector",
    "Geco": "simone_tf.models.parts.objective:Geco",
    "LatentHead": "simone_tf.models.parts.latents:LatentHead",
    "PixelDecoder": "simone_tf.models.parts.decoder:PixelDecoder",
    "PixelMixture": "simone_tf.models.parts.likelihood:PixelMixture",
    "RandomQueries": "simone_tf.models.parts.queries:RandomQueries",
    "StridedQueries": "simone_tf.models.parts.queries:StridedQueries",
    "Transformer": "simone_tf.models.parts.transformer:Transformer",
}
"""Name in configurations -> where the part is; see `models.MODELS`."""
