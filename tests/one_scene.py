"""A model with least: it infers the scene as a whole, as a point, and knows neither slots, viewpoint nor likelihood."""

import tensorflow as tf

from simone_tf.models.parts.latents import Posterior
from simone_tf.models.scene_model import Latent, Rendering, SceneModel


class OneScene(SceneModel):
    """Every pixel of a clip has its mean colour. There is nothing to train."""

    num_slots = 1

    @property
    def latents(self):
        return {"scene": Latent((), 3)}

    def encode(self, batch):
        return {"scene": Posterior(tf.reduce_mean(batch["video"], [1, 2, 3]), None)}

    def render(self, latents, given, frame_size, chunk_size=None):
        del given, chunk_size
        scenes = latents["scene"]
        rgb = tf.broadcast_to(scenes[:, None, None, None, None], [tf.shape(scenes)[0], 1, 2, *frame_size, 3])
        return Rendering(rgb[:, 0], rgb, tf.ones_like(rgb[..., 0]))
