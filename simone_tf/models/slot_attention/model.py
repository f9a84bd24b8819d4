"""The Slot Attention autoencoder for video: every frame a set of slots, and the squared error of their mixture."""

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from simone_tf.checks import check_values, one_of, optional, whole
from simone_tf.errors import UserError
from simone_tf.models.clip_fields import Batch, as_batch
from simone_tf.models.parts.broadcast_decoder import decode_frames
from simone_tf.models.parts.latents import Posterior
from simone_tf.models.scene_model import Latent, Rendering, SceneModel, rendering_of
from simone_tf.models.slot_attention.attention import SlotAttentionModule
from simone_tf.models.slot_attention.decoder import SlotAttentionDecoder
from simone_tf.models.slot_attention.encoder import SlotAttentionEncoder

INITIAL_SLOTS = ("noise", "previous")

_NOISE_SEED = 0

_LOG = logging.getLogger(__name__)


class SlotAttention(SceneModel):
    """The autoencoder of Locatello et al. (2020), "Object-Centric Learning with Slot Attention", section 3.1.

    Video `[B, T, H, W, 3]` is taken frame by frame: the encoder makes a set of features of each, slots compete for
    them, and the decoder draws every slot by itself, a colour and a mask logit for each pixel. The softmax of the
    logits mixes the colours; the loss is the mean squared error of the mixture, of images in [-1, 1] as in the paper.
    There is no likelihood and no prior: latents are points.

    Slots start as samples of a Gaussian that all share. In training their noise comes from `noise_seed`. `encode` takes
    noise that is fixed once and for all: it differs from frame to frame and from slot to slot, and every clip of a
    batch gets the same, so that what is inferred of a clip does not depend on its neighbours.

    With `initial_slots='noise'`, the paper's, every frame has noise of its own, and which slot takes which object is by
    chance: slot k of one frame has nothing to do with slot k of the next. Scores of single frames (`static_ari`) tell
    how well frames are divided; those of the video are about 1 / T of them by construction (0.06 to 0.07 of 16 frames
    in SIMONe's Table 1). With 'previous' only the first frame starts from noise and every other from the slots of the
    frame before it, which mostly keep their objects. It adds no weights: what was trained on frames apart may be
    evaluated so. Training with 'previous' runs through the clip too, with the gradient through all of its frames: what
    is trained is what is evaluated.

    Args:
        encoder: `SlotAttentionEncoder`.
        attention: `SlotAttentionModule`.
        decoder: `SlotAttentionDecoder`.
        initial_slots: where a frame's slots start, 'noise' or 'previous'.
        num_training_frames: consecutive frames, from a place drawn at random and the same in all clips of a step, that
            a training step is about; None for all. Frames of a clip are alike: one each of many clips says more than
            all of few.

    Raises:
        UserError: for an unknown `initial_slots`, or fewer than one training frame.
    """

    loss_terms = ("loss",)

    def __init__(
        self,
        encoder: SlotAttentionEncoder | None = None,
        attention: SlotAttentionModule | None = None,
        decoder: SlotAttentionDecoder | None = None,
        initial_slots: str = "noise",
        num_training_frames: int | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        values = {"initial_slots": initial_slots, "num_training_frames": num_training_frames}
        check_values("SlotAttention", values, _CHECKS)
        self.encoder = encoder or SlotAttentionEncoder(name="encoder")
        self.attention = attention or SlotAttentionModule(name="attention")
        self.decoder = decoder or SlotAttentionDecoder(name="decoder")
        self.initial_slots = initial_slots
        self.num_training_frames = num_training_frames

    @property
    def num_slots(self) -> int:
        """K, the number of slots of a frame."""
        return self.attention.num_slots

    @property
    def latents(self) -> dict[str, Latent]:
        """The slots of every frame."""
        return {"object": Latent(("slot", "frame"), self.attention.slot_size, is_point=True)}

    def build(self, input_shape: tuple[Any, ...]) -> None:
        """Creates every weight for `[B, T, H, W, 3]` video; T, H and W must be static.

        Raises:
            UserError: there are fewer frames than `num_training_frames`.
        """
        _, num_frames, height, width, channels = input_shape
        if (self.num_training_frames or 1) > num_frames:
            raise UserError(
                f"SlotAttention.num_training_frames is {self.num_training_frames}, but clips have {num_frames} frames: "
                "train on at most as many as there are."
            )
        frames = (None, height, width, channels)
        self.encoder.build(frames)
        self.attention.build((None, self.encoder.num_cells, self.encoder.width))
        self.decoder.build((None, self.attention.slot_size), frames)
        # Not TensorFlow's generators: their numbers may differ on other devices, and decompositions with them.
        shape = (num_frames, self.num_slots, self.attention.slot_size)
        self.encoding_noise = np.random.RandomState(_NOISE_SEED).standard_normal(shape).astype(np.float32)
        self.built = True

    def encode(self, batch: Batch) -> dict[str, Posterior]:
        """Slots `object [B, K, T, D]`, points, of `[B, T, H, W, 3]` float32 video in [0, 1].

        Raises:
            UserError: there are more frames than the model was built for, or frames of another size.
        """
        video = self.clips_of(batch, most_frames=len(self.encoding_noise))["video"]
        noise = tf.constant(self.encoding_noise)[None, : video.shape[1]]
        return {"object": Posterior(self._slots(video, tf.repeat(noise, tf.shape(video)[0], axis=0)), None)}

    def render(
        self,
        latents: Mapping[str, tf.Tensor],
        given: Mapping[str, tf.Tensor],
        frame_size: tuple[int, int],
        chunk_size: int | tf.Tensor | None = None,
    ) -> Rendering:
        """Draws the frames; so many at a time as `chunk_size` pixels hold, at least one. See `SceneModel.render`."""
        del given
        rgb, mask_logits = decode_frames(self.decoder, latents["object"], frame_size, chunk_size)
        # The decoder's images are in [-1, 1].
        return rendering_of(0.5 * (rgb + 1.0), tf.nn.softmax(mask_logits, axis=1))

    def losses(self, batch: Batch, noise_seed: tf.Tensor, shared_seed: tf.Tensor) -> dict[str, tf.Tensor]:
        """Mean squared error over all pixels and colours of the frames trained on, colours in [-1, 1].

        Args:
            batch: `video [B, T, H, W, 3]` float32 in [0, 1].
            noise_seed: `[2]` int32 stateless seed of the noise that slots start from; differs between replicas.
            shared_seed: `[2]` int32 stateless seed of which frames are trained on.
        """
        video = as_batch(batch)["video"]
        if self.initial_slots == "previous" and self.num_training_frames == 1 < video.shape[1]:
            _LOG.warning(
                "SlotAttention.initial_slots = 'previous', but single frames are trained on, which have none before "
                "them: set SlotAttention.num_training_frames to None to train on it."
            )
        video = self._training_frames(video, shared_seed)
        shape = [tf.shape(video)[0], video.shape[1], *self.encoding_noise.shape[1:]]
        slots = self._slots(video, tf.random.stateless_normal(shape, noise_seed))
        drawn = self.render({"object": slots}, {}, (video.shape[2], video.shape[3])).reconstruction
        # A difference in [0, 1] is half of the one in [-1, 1].
        return {"loss": 4.0 * tf.reduce_mean(tf.math.squared_difference(drawn, video))}

    def _training_frames(self, video: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        num_frames = video.shape[1]
        count = self.num_training_frames or num_frames
        if count == num_frames:
            return video
        first = tf.random.stateless_uniform([], seed, maxval=num_frames - count + 1, dtype=tf.int32)
        return tf.gather(video, first + tf.range(count), axis=1)

    def _slots(self, video: tf.Tensor, noise: tf.Tensor) -> tf.Tensor:
        """Slots `[B, K, T, D]` float32 of `[B, T, H, W, 3]` video, from noise `[B, T, K, D]`."""
        num_frames, height, width, channels = video.shape[1:]
        images = tf.reshape(2.0 * video - 1.0, [-1, height, width, channels])
        keys, values = self.attention.keys_and_values(self.encoder(images))  # [B T, P, D]
        initial = self.attention.initial(noise)  # [B, T, K, D]
        _, _, num_slots, size = initial.shape
        if self.initial_slots == "noise":
            slots = self.attention.refine(tf.reshape(initial, [-1, num_slots, size]), keys, values)
            slots = tf.reshape(slots, [-1, num_frames, num_slots, size])
            return tf.transpose(slots, [0, 2, 1, 3])
        keys, values = (tf.reshape(part, [-1, num_frames, *part.shape[1:]]) for part in (keys, values))
        of_frames = [initial[:, 0]]
        for frame in range(num_frames):
            of_frames.append(self.attention.refine(of_frames[-1], keys[:, frame], values[:, frame]))
        return tf.stack(of_frames[1:], axis=2)


_CHECKS = {"initial_slots": one_of(*INITIAL_SLOTS), "num_training_frames": optional(whole(1))}
