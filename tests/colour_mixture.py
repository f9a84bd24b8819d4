"""A second model, so small that it fits one page: a spatial mixture of K colours, with a given camera.

It is a user's own model as the library sees it: nothing outside this file knows it. A gin file that holds
`import colour_mixture` trains, evaluates, exports and decomposes it by the same commands as any other. Its latents are
those that SIMONe has not: an object in every frame, none of frames.
"""

from collections.abc import Mapping

import gin
import keras
import tensorflow as tf

from simone_tf.models.clip_fields import Batch
from simone_tf.models.parts.latents import Posterior, kl_to_prior
from simone_tf.models.parts.likelihood import PixelMixture
from simone_tf.models.parts.positions import pixel_coordinates
from simone_tf.models.scene_model import Decomposition, Latent, Rendering, SceneModel

_COLOUR, _PLACE = 3, 2


class ColourMixture(SceneModel):
    """K blobs of one colour each, wherever that colour is in a frame; the camera moves them all.

    The latent of a blob in a frame is its mean colour and its mean place, as it would be were the camera at 0.

    Args:
        num_colours: K.
        camera_size: C, numbers of the camera in each frame.
        beta: weight of the latents' KL.
        noise: 0 for none in training, where several replicas are to be compared with one.
    """

    loss_terms = ("loss", "nats_per_pixel", "object_kl", "weighted_nats_per_pixel", "weighted_object_kl")

    def __init__(
        self,
        num_colours: int = 3,
        camera_size: int = 5,
        beta: float = 1e-3,
        noise: float = 1.0,
        name: str | None = None,
    ):
        super().__init__(name=name)
        self.noise = noise
        self.num_colours = num_colours
        self.camera_size = camera_size
        self.beta = beta
        self.likelihood = PixelMixture(0.2)

    @property
    def given(self) -> dict[str, int]:
        return {"camera": self.camera_size}

    @property
    def num_slots(self) -> int:
        return self.num_colours

    @property
    def latents(self) -> dict[str, Latent]:
        return {"object": Latent(("slot", "frame"), _COLOUR + _PLACE)}

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        del input_shape
        uniform = keras.initializers.RandomUniform(0.0, 1.0)
        small = keras.initializers.RandomNormal(stddev=0.05)
        low = keras.initializers.Constant(-3.0)
        self.colours = self._add((self.num_colours, _COLOUR), uniform, "colours")
        self.sharpness = self._add((self.num_colours,), "ones", "sharpness")
        self.camera_kernel = self._add((self.camera_size, _PLACE), small, "camera_kernel")
        self.log_scale = self._add((_COLOUR + _PLACE,), low, "log_scale")
        self.built = True

    def _add(self, shape, initializer, name):
        # A model of distributions alone computes in float32, whatever the precision.
        return self.add_weight(shape=shape, initializer=initializer, name=name, autocast=False)

    def encode(self, batch: Batch) -> dict[str, Posterior]:
        video, camera = batch["video"], batch["camera"]
        distance = tf.reduce_sum(tf.square(video[:, None] - self.colours[:, None, None, None]), -1)  # [B, K, T, H, W]
        share = tf.nn.softmax(-10.0 * distance, axis=1)
        amount = tf.reduce_sum(share, [3, 4])[..., None] + 1e-3
        colour = tf.einsum("bkthw,bthwc->bktc", share, video) / amount
        place = tf.einsum("bkthw,hwc->bktc", share, _coordinates(video.shape[2:4])) / amount
        mean = tf.concat([colour, place - self._offset(camera)], -1)
        return {"object": Posterior(mean, tf.zeros_like(mean) + tf.convert_to_tensor(self.log_scale))}

    def render(
        self,
        latents: Mapping[str, tf.Tensor],
        given: Mapping[str, tf.Tensor],
        frame_size: tuple[int, int],
        chunk_size: int | tf.Tensor | None = None,
    ) -> Rendering:
        del chunk_size  # Nothing is large here.
        blobs = latents["object"]  # [B, K, T, 5]
        centres = blobs[..., _COLOUR:] + self._offset(given["camera"])
        away = tf.square(_coordinates(frame_size) - centres[:, :, :, None, None])  # [B, K, T, H, W, 2]
        masks = tf.nn.softmax(-tf.reduce_sum(away, -1) * self.sharpness[:, None, None, None], axis=1)
        rgb = tf.broadcast_to(blobs[:, :, :, None, None, :_COLOUR], tf.concat([tf.shape(masks), [3]], 0))
        rgb = tf.ensure_shape(rgb, [*masks.shape, 3])
        return Rendering(tf.einsum("bkthw,bkthwc->bthwc", masks, rgb), rgb, masks)

    def log_prob(self, video: tf.Tensor, rendering: Rendering | Decomposition) -> tf.Tensor:
        masks = rendering.slot_masks
        slots, grid = masks.shape[1], masks.shape[2:]
        nats = self.likelihood.log_prob(
            tf.reshape(video, [-1, grid.num_elements(), 3]),
            tf.reshape(rendering.slot_rgb, [-1, slots, grid.num_elements(), 3]),
            tf.reshape(tf.math.log(tf.maximum(masks, 1e-30)), [-1, slots, grid.num_elements()]),
        )
        return tf.reshape(nats, [-1, *grid])

    def losses(self, batch: Batch, noise_seed: tf.Tensor, shared_seed: tf.Tensor) -> dict[str, tf.Tensor]:
        del shared_seed
        posterior = self.encode(batch)["object"]
        noise = self.noise * tf.random.stateless_normal(tf.shape(posterior.mean), noise_seed)
        sample = posterior.mean + tf.exp(posterior.log_scale) * noise
        rendering = self.render({"object": sample}, {"camera": batch["camera"]}, batch["video"].shape[2:4])
        nats = tf.reduce_mean(self.log_prob(batch["video"], rendering))
        kl = tf.reduce_mean(kl_to_prior(posterior))
        return {
            "loss": self.beta * kl - nats,
            "nats_per_pixel": nats,
            "object_kl": kl,
            "weighted_nats_per_pixel": -nats,
            "weighted_object_kl": self.beta * kl,
        }

    def _offset(self, camera):
        """How far a camera `[B, T, C]` moves all blobs: `[B, 1, T, 2]`."""
        return tf.einsum("btc,cd->btd", camera, tf.convert_to_tensor(self.camera_kernel))[:, None]


def _coordinates(frame_size):
    return tf.reshape(tf.constant(pixel_coordinates(*frame_size)), [*frame_size, 2])


gin.external_configurable(ColourMixture, module="colour_mixture")
