"""What takes one window of T frames apart, whatever it runs on: a model in this process or an export; NumPy only."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from simone_tf.models.simone.model import SIMONe
from simone_tf.serving import CHUNK_SIZE
from simone_tf.serving.chunks import queries_at_a_time
from simone_tf.serving.saved_model import load_export


class Latents(NamedTuple):
    """Posteriors of a batch of windows; float32."""

    object_means: np.ndarray  # [B, K, Do]
    object_log_scales: np.ndarray  # [B, K, Do], natural logarithm of the standard deviation
    frame_means: np.ndarray  # [B, T, Df]
    frame_log_scales: np.ndarray  # [B, T, Df]


class Rendering(NamedTuple):
    """Windows drawn from latents; float32, colours about [0, 1] (the decoder does not clip them)."""

    reconstruction: np.ndarray  # [B, T, H, W, 3], mean of the mixture
    slot_rgb: np.ndarray  # [B, K, T, H, W, 3]
    slot_masks: np.ndarray  # [B, K, T, H, W], sums to 1 over K


class WindowModel:
    """Takes windows apart and draws them; made by `of_run_model` or `of_saved_model`.

    Args:
        num_frames: T.
        frame_size: (H, W) in pixels.
        num_slots: K.
        source: what a message calls the model, such as its folder.
        encode: function of `[B, T, H, W, 3]` float32 tensors that gives the fields of `Latents` in their order.
        render: function of object and frame latents that gives the fields of `Rendering` likewise.
    """

    def __init__(
        self,
        num_frames: int,
        frame_size: tuple[int, int],
        num_slots: int,
        source: str,
        encode: Callable,
        render: Callable,
    ):
        self.num_frames = num_frames
        self.frame_size = tuple(frame_size)
        self.num_slots = num_slots
        self.source = source
        self._encode = encode
        self._render = render

    def encode(self, video: np.ndarray) -> Latents:
        """Infers the posteriors of `[B, T, H, W, 3]` video, float32 in [0, 1] or uint8.

        Raises:
            ValueError: the shape or the type is another one.
        """
        video = np.asarray(video)
        wanted = (self.num_frames, *self.frame_size, 3)
        if video.ndim != 5 or video.shape[1:] != wanted or video.dtype not in (np.uint8, np.float32):
            raise ValueError(
                f"video is {video.dtype} {list(video.shape)}, {self.source} takes uint8 or float32 [B, "
                f"{', '.join(map(str, wanted))}]."
            )
        if video.dtype == np.uint8:
            video = video.astype(np.float32) * np.float32(1.0 / 255.0)  # as `clip.as_float` does it
        return Latents(*(value.numpy() for value in self._encode(tf.constant(video))))

    def render(self, object_latents: np.ndarray, frame_latents: np.ndarray) -> Rendering:
        """Draws the windows that latents describe, of whatever origin they are, at the model's frame size.

        Args:
            object_latents: `[B, K, Do]` float32.
            frame_latents: `[B, T, Df]` float32.
        """
        objects, frames = (tf.constant(value, tf.float32) for value in (object_latents, frame_latents))
        return Rendering(*(value.numpy() for value in self._render(objects, frames)))


def of_run_model(
    model: SIMONe, num_frames: int, frame_size: tuple[int, int], source: str, chunk_size: int = CHUNK_SIZE
) -> WindowModel:
    """A trained model in this process, such as `load_run(...).model`.

    Args:
        model: built `SIMONe`.
        num_frames: T of its training.
        frame_size: (H, W) of its training, in pixels.
        source: what a message calls it.
        chunk_size: queries of all windows together that are decoded at a time; bounds the memory.
    """
    num_slots = model.encoder.num_slots
    object_size, frame_latent_size = model.encoder.object_head.latent_size, model.encoder.frame_head.latent_size

    @tf.function(input_signature=[tf.TensorSpec([None, num_frames, *frame_size, 3], tf.float32)])
    def encode(video):
        objects, frames = model.encode(video)
        return Latents(objects.mean, objects.log_scale, frames.mean, frames.log_scale)

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, num_slots, object_size], tf.float32),
            tf.TensorSpec([None, num_frames, frame_latent_size], tf.float32),
        ]
    )
    def render(object_latents, frame_latents):
        chunk = queries_at_a_time(chunk_size, object_latents)
        rendered = model.render(object_latents, frame_latents, frame_size, chunk)
        return Rendering(rendered.reconstruction, rendered.slot_rgb, rendered.slot_masks)

    return WindowModel(num_frames, frame_size, num_slots, source, encode, render)


def of_saved_model(export_dir: str) -> WindowModel:
    """An export of `python -m simone_tf.export`, run as it is, without the code of the model.

    A SavedModel is a program: read only those whose origin you trust.

    Raises:
        UserError: the folder is missing, is no SavedModel, none of simone_tf's, or damaged.
    """
    export = load_export(export_dir)

    def encode(video):
        outputs = export.loaded.signatures["encode"](video=video)
        return [outputs[name] for name in Latents._fields]

    def render(object_latents, frame_latents):
        outputs = export.loaded.signatures["decode"](object_latents=object_latents, frame_latents=frame_latents)
        return [outputs[name] for name in Rendering._fields]

    sizes = export.sizes
    return WindowModel(sizes.num_frames, sizes.frame_size, sizes.num_slots, str(export_dir), encode, render)
