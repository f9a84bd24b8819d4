"""A world of coloured squares over a grey floor, and a window model that takes it apart exactly, slots in any order."""

import numpy as np

from simone_tf.long_videos.window_model import Posterior, Rendering, WindowModel
from simone_tf.models.scene_model import Latent
from simone_tf.serving.sizes import Sizes

FRAMES, SIZE, SLOTS, SIDE = 4, (8, 16), 4, 4
FLOOR = 0.25
LATENTS = {"object": Latent(("slot",), 3 + FRAMES * SIZE[0] * SIZE[1]), "frame": Latent(("frame",), 1)}
COLOURS = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [0, 1, 1]], np.float32)


def draw(columns, flash=None):
    """A video and its segments.

    Args:
        columns: `[F, N]`, left column of every square in every frame; negative where it is out of view.
        flash: `[F]`, light added to all pixels of a frame.

    Returns:
        `[F, 8, 16, 3]` float32 and `[F, 8, 16]` int, k = square k - 1.
    """
    columns = np.asarray(columns)
    segments = np.zeros((len(columns), *SIZE), int)
    for frame, places in enumerate(columns):
        for index, column in enumerate(places):
            if column >= 0:
                segments[frame, 2:6, column : column + SIDE] = index + 1
    video = np.concatenate([np.full((1, 3), FLOOR, np.float32), COLOURS])[segments]
    light = np.zeros(len(columns)) if flash is None else np.asarray(flash)
    return (video + light[:, None, None, None]).astype(np.float32), segments


class SquareModel(WindowModel):
    """What `WindowModel` offers. Slots: the floor, and up to three squares, shuffled in every window.

    An object's latent holds its colour and its masks; a frame's is the flash. In the windows of `fails`, counted from
    0, all slots are alike, as those of a model that has lost its way.
    """

    def __init__(self, seed=0, shuffle=True, fails=()):
        super().__init__(Sizes(FRAMES, SIZE, SLOTS, LATENTS, {}, False), "squares", self.encode, self.render)
        self._rng = np.random.default_rng(seed)
        self._shuffle = shuffle
        self._fails = fails
        self._count = 0
        self.windows_seen = []

    def encode(self, batch):
        video = batch["video"]
        self.windows_seen.append(len(video))
        objects, frames = [], []
        for window in video:
            flash = window[:, 0, 0, 0] - FLOOR
            plain = window - flash[:, None, None, None]
            latents = []
            for colour in [np.full(3, FLOOR), *COLOURS]:
                mask = (np.abs(plain - colour) < 0.02).all(-1)
                if mask.any():
                    latents.append(np.concatenate([colour, mask.ravel()]))
            latents += [np.concatenate([[0.5, 0.5, 0.5], np.zeros(FRAMES * SIZE[0] * SIZE[1])])] * (
                SLOTS - len(latents)
            )
            assert len(latents) == SLOTS
            latents = np.array(latents, np.float32)
            if self._count in self._fails:
                # All objects look alike and are everywhere.
                latents[:] = latents.mean(0)
            self._count += 1
            objects.append(self._rng.permutation(latents) if self._shuffle else latents)
            frames.append(flash[:, None])
        objects, frames = np.array(objects, np.float32), np.array(frames, np.float32)
        return {
            "object": Posterior(objects, np.full_like(objects, -1.0)),
            "frame": Posterior(frames, np.full_like(frames, -2.0)),
        }

    def render(self, latents, given=None):
        object_latents, frame_latents = latents["object"], latents["frame"]
        batch = len(object_latents)
        masks = object_latents[..., 3:].reshape(batch, SLOTS, FRAMES, *SIZE) + np.float32(1e-4)
        masks /= masks.sum(1, keepdims=True)
        light = np.asarray(frame_latents)[:, None, :, None, None, :]
        rgb = object_latents[:, :, None, None, None, :3] + light
        rgb = np.broadcast_to(rgb, (*masks.shape, 3)).astype(np.float32)
        return Rendering((masks[..., None] * rgb).sum(1), rgb, masks)
