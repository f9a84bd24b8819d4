"""Models: plain Keras 3 layers that know nothing of gin, files or strategies; one folder each."""

from simone_tf.models import gqn, monet, nerf_vae, parts, sequential_iodine, simone, slot_attention

MODELS = {
    "SIMONe": "simone_tf.models.simone.model:SIMONe",
    "SIMONeVS": "simone_tf.models.simone.view_supervised:SIMONeVS",
    "MONet": "simone_tf.models.monet.model:MONet",
    "SequentialIODINE": "simone_tf.models.sequential_iodine.model:SequentialIODINE",
    "GQN": "simone_tf.models.gqn.model:GQN",
    "NeRFVAE": "simone_tf.models.nerf_vae.model:NeRFVAE",
    "SlotAttention": "simone_tf.models.slot_attention.model:SlotAttention",
}
"""Name in configurations -> where the class is, a `scene_model.SceneModel`. One line for a model, and no import: names
can then be checked without TensorFlow."""

PARTS = (
    parts.PARTS
    | gqn.PARTS
    | monet.PARTS
    | nerf_vae.PARTS
    | sequential_iodine.PARTS
    | simone.PARTS
    | slot_attention.PARTS
)
"""The same of everything that models are put together from; one name for a model that has parts of its own."""
