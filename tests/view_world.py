"""A world whose every view is known, and models that draw it without fault: one given its camera, one that infers it.

The camera stands still and turns. What it sees in a column of pixels follows from the direction of that column alone:
the circle of directions is cut into sectors of 20 degrees, which belong in turn to the background and to two objects.
"""

import numpy as np
import tensorflow as tf

from simone_tf.data.formats.sidecar import write_sidecar
from simone_tf.data.formats.write_records import shard_name, write_shard
from simone_tf.models.parts.latents import Posterior
from simone_tf.models.scene_model import Latent, Rendering, SceneModel

SIZE, SLOTS, FIELD_OF_VIEW, SECTOR = (12, 12), 3, 90.0, 20.0
_COLUMNS = (0.5 - (np.arange(SIZE[1]) + 0.5) / SIZE[1]) * FIELD_OF_VIEW  # degrees to the left of the middle


def cameras(yaws):
    """Poses `[..., 7]` in the numbers of generated scenes, of yaws in degrees."""
    angle = np.radians(np.asarray(yaws, np.float64))
    zero, one = np.zeros_like(angle), np.ones_like(angle)
    return np.stack([zero, zero, one, np.sin(angle), np.cos(angle), zero, one], -1).astype(np.float32)


def view(yaws, colours):
    """What is seen at `yaws [T]` of a world of three `colours [3, 3]` uint8: a clip as it is stored."""
    directions = np.asarray(yaws)[:, None] + _COLUMNS
    segments = (np.floor(directions / SECTOR) % SLOTS).astype(np.uint8)  # [T, W]
    segments = np.repeat(segments[:, None], SIZE[0], axis=1)
    return {"video": np.asarray(colours, np.uint8)[segments], "segments": segments, "camera": cameras(yaws)}


def write_world(folder, counts, seed=0, num_frames=5, sweep=4, **options):
    """Writes splits of so many clips with what their camera means; beside each the split of its scenes' sweeps."""
    change = options.pop("change", iter)
    for number, (split, count) in enumerate(counts.items()):
        clips = list(change(world_clips(count, seed + number, num_frames, sweep=sweep, **options)))
        parts = {split: slice(0, num_frames)} | ({f"{split}_views": slice(num_frames, None)} if sweep else {})
        for name, frames in parts.items():
            shard = shard_name(name, 0, 1)
            write_shard(folder / shard, [{field: values[frames] for field, values in clip.items()} for clip in clips])
            said = {"num_clips": count, "shards": {shard: count}, "camera_convention": "yaw_pitch"}
            write_sidecar(str(folder), name, said)
    return folder


def world_clips(count, seed, num_frames=5, step=20, sweep=0):
    """Clips of cameras that turn at `step` of `told`'s units a frame, and the sweep of each behind it."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        yaws = (rng.integers(0, 150) + step * np.arange(num_frames)) / 2.55
        around = np.linspace(-180.0, 180.0, sweep, endpoint=False)
        yield view(np.concatenate([yaws, around]), rng.integers(20, 236, (SLOTS, 3)))


class TurningCamera(SceneModel):
    """Given the camera, it infers the colours of the three, and draws them in any direction: the truth."""

    num_slots = SLOTS

    def __init__(self, camera_size=7, **kwargs):
        super().__init__(**kwargs)
        self.camera_size = camera_size

    @property
    def given(self):
        return {"camera": self.camera_size}

    @property
    def latents(self):
        return {"object": Latent(("slot",), 3)}

    def build(self, shape):
        self.built = True

    def encode(self, batch):
        masks = _masks(batch["camera"][..., 3:5])[:, :, :, None]  # [B, K, n, 1, W]
        video = batch["video"][:, None]
        masks = tf.broadcast_to(masks, tf.concat([tf.shape(masks)[:3], tf.shape(batch["video"])[2:4]], 0))
        seen = tf.reduce_sum(masks, [2, 3, 4])[..., None]
        mean = tf.reduce_sum(masks[..., None] * video, [2, 3, 4]) / tf.maximum(seen, 1.0)
        return {"object": Posterior(mean, tf.fill(tf.shape(mean), -3.0))}

    def render(self, latents, given, frame_size, chunk_size=None):
        del chunk_size
        return _drawn(latents["object"], given["camera"][..., 3:5], frame_size)


class TurningEye(SceneModel):
    """Infers where it looks: `angle` over 100 degrees, which it is shown by the brightness of the first row.

    Its truth is that of `world_clips` with that row put in by `told`.
    """

    num_slots = SLOTS

    @property
    def latents(self):
        return {"object": Latent(("slot",), 3), "frame": Latent(("frame",), 1)}

    def build(self, shape):
        self.built = True

    def encode(self, batch):
        angle = batch["video"][:, :, 0, 0, :1]  # [B, n, 1]
        masks = _masks(_of_angle(angle))
        seen = tf.reduce_sum(masks, [2, 3])[..., None]
        mean = tf.einsum("bknw,bnwc->bkc", masks, batch["video"][:, :, 1]) / tf.maximum(seen, 1.0)
        point = tf.fill(tf.shape(mean), -3.0)
        return {"object": Posterior(mean, point), "frame": Posterior(angle, tf.fill(tf.shape(angle), -3.0))}

    def render(self, latents, given, frame_size, chunk_size=None):
        del given, chunk_size
        drawn = _drawn(latents["object"], _of_angle(latents["frame"]), frame_size)
        row = tf.broadcast_to(latents["frame"][:, :, None, None], tf.shape(drawn.reconstruction[:, :, :1]))
        return drawn._replace(reconstruction=tf.concat([row, drawn.reconstruction[:, :, 1:]], 2))


def told(clips):
    """Clips whose first row says the yaw, at which they were seen: 255 is 100 degrees."""
    for clip in clips:
        yaws = np.degrees(np.arctan2(clip["camera"][:, 3], clip["camera"][:, 4]))
        video = clip["video"].copy()
        video[:, 0] = np.rint(yaws * 2.55).astype(np.uint8)[:, None, None]
        yield clip | {"video": video}


def _of_angle(angle):
    radians = angle * np.float32(np.radians(100.0))
    return tf.concat([tf.sin(radians), tf.cos(radians)], -1)


def _masks(sin_cos):
    """Whose each column is, `[B, K, n, W]` of `sin_cos [B, n, 2]`."""
    yaws = tf.atan2(sin_cos[..., 0], sin_cos[..., 1]) * (180.0 / np.pi)
    sectors = tf.floor((yaws[..., None] + _COLUMNS.astype(np.float32)) / SECTOR)
    owners = tf.cast(tf.math.floormod(sectors, SLOTS), tf.int32)  # [B, n, W]
    return tf.one_hot(owners, SLOTS, axis=1)


def _drawn(colours, sin_cos, frame_size):
    masks = _masks(sin_cos)[:, :, :, None]
    masks = tf.repeat(masks, frame_size[0], axis=3)  # [B, K, n, H, W]
    masks = tf.ensure_shape(masks, [None, SLOTS, None, *frame_size])
    rgb = tf.broadcast_to(colours[:, :, None, None, None], tf.concat([tf.shape(masks), [3]], 0))
    return Rendering(tf.reduce_sum(masks[..., None] * rgb, 1), rgb, masks)
