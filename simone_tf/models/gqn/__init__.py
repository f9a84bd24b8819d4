"""Generative Query Network (Eslami et al., 2018): a sum over the views of a scene, and any other view drawn from it."""

PARTS = {
    "AnnealedScale": "simone_tf.models.gqn.annealed_scale:AnnealedScale",
    "ConvDraw": "simone_tf.models.gqn.conv_draw:ConvDraw",
    "Tower": "simone_tf.models.gqn.tower:Tower",
}
"""Name in configurations -> where it is, of the parts that only GQN has; see `models.MODELS`."""
