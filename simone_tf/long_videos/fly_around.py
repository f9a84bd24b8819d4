"""A flight around the scene of a video, by a model that is given the camera (paper, section 4.1): as GIF and as MP4.

The model sees T frames at equal steps of the video, of one with cuts those before the first, and is asked for views
on a circle around what their cameras look at, or all around where they stand, see `cameras.sweeps`. Where things move,
the views are those of the first T moments, again and again.
"""

import contextlib
import os
from collections.abc import Mapping, Sequence
from fractions import Fraction

import numpy as np

from simone_tf.camera_conventions import CONVENTIONS
from simone_tf.cameras.conversions import convention_of
from simone_tf.cameras.sweeps import camera_sweep
from simone_tf.data.videos.video_source import VideoSource
from simone_tf.errors import UserError
from simone_tf.long_videos.fitting import FittedFrames, display_scale
from simone_tf.long_videos.window_model import WindowModel
from simone_tf.pictures.colours import PALETTE, colour_segments
from simone_tf.pictures.drawing import enlarge
from simone_tf.pictures.gif_writer import GifWriter
from simone_tf.pictures.mp4_writer import Mp4Writer, can_write_mp4
from simone_tf.pictures.pixels import as_uint8

_CAMERA = "camera"
_VIEWS, _RATE = 60, Fraction(12)


def check_camera_path(
    window_model: WindowModel, camera_path: str | None, given: Mapping[str, np.ndarray], camera: str | None
) -> None:
    """Looks whether a model can fly around a scene, before anything is computed.

    Args:
        window_model: the model.
        camera_path: what --camera_path names; None for no flight.
        given: what the model is given of the video, `[F, C]` by name.
        camera: the file that the camera is from.

    Raises:
        UserError: it is given no camera, cannot be asked for other views, or the numbers have no known meaning.
    """
    if camera_path is None:
        return
    told = f"--camera_path={camera_path}: {window_model.source}"
    if _CAMERA not in window_model.given:
        raise UserError(f"{told} is given no camera, so that it can be asked for no view: leave the flag out.")
    if not window_model.renders_views:
        raise UserError(
            f"{told} infers something of every frame, and knows nothing of other views: leave the flag out."
        )
    if convention_of(given[_CAMERA]) is None:
        raise UserError(
            f"{told} can be flown around a scene only by cameras whose numbers are known "
            f"({', '.join(CONVENTIONS)}), and those of {camera} are none of these: leave the flag out."
        )


def fly_around(
    window_model: WindowModel,
    video: VideoSource,
    fit: str,
    given: Mapping[str, np.ndarray],
    cuts: Sequence[int],
    folder: str,
) -> dict:
    """Writes `fly_around.gif`, and where PyAV is installed `fly_around.mp4`: what is drawn, beside its segments.

    Args:
        window_model: a model that `check_camera_path` lets pass.
        video: the video, which is read once more.
        fit: how its frames are brought to the model's size, see `Fitting`.
        given: `camera [F, C]` of its frames.
        cuts: frames at which other scenes begin.
        folder: where the files go.

    Returns:
        What was done, for `decomposition.json`.

    Raises:
        UserError: the video cannot be read.
        OSError: a file cannot be written.
    """
    end = cuts[0] if cuts else len(given[_CAMERA])
    chosen = np.linspace(0, end - 1, window_model.num_frames).round().astype(int)  # of a short one some more than once
    frames = _frames(window_model, video, fit, chosen)
    camera = given[_CAMERA][chosen]
    convention = convention_of(given[_CAMERA])
    assert convention is not None
    sweep = camera_sweep(np.unique(camera, axis=0) if end < len(chosen) else camera, convention, _VIEWS, num_second=1)
    posteriors = window_model.encode({"video": frames[np.newaxis], _CAMERA: camera[np.newaxis]})
    latents = {name: posterior.mean for name, posterior in posteriors.items()}
    scale = display_scale(window_model.frame_size)
    with contextlib.ExitStack() as stack:
        movies = [_movie(stack, os.path.join(folder, "fly_around.gif"), GifWriter)]
        if can_write_mp4():
            movies.append(_movie(stack, os.path.join(folder, "fly_around.mp4"), Mp4Writer))
        for view in _views(window_model, latents, sweep.cameras[0]):
            for movie in movies:
                movie.add(enlarge(view[np.newaxis], scale)[0])
    return {"fly_around": {"views": _VIEWS, "seen_frames": chosen.tolist(), "around": sweep.second_name == "distance"}}


def _frames(window_model: WindowModel, video: VideoSource, fit: str, chosen: np.ndarray) -> np.ndarray:
    """The frames of these numbers, ascending: uint8 `[T, H, W, 3]`."""
    kept = {}
    with contextlib.closing(FittedFrames(video, window_model.frame_size, fit)) as frames:
        for index, frame in enumerate(frames):
            frames.take_shown()
            if index in chosen:
                kept[index] = frame
            if index >= chosen[-1]:
                break
    return np.stack([kept[index] for index in chosen])


def _views(window_model: WindowModel, latents: Mapping[str, np.ndarray], cameras: np.ndarray):
    """Every view with its segments to the right, uint8 `[H, 2 W, 3]`, as many drawn at a time as a window has."""
    count = window_model.num_frames
    for first in range(0, len(cameras), count):
        part = cameras[first : first + count]
        filled = part[np.minimum(np.arange(count), len(part) - 1)]
        drawn = window_model.render(latents, {_CAMERA: filled[np.newaxis]})
        painted = as_uint8(drawn.reconstruction[0])
        segments = drawn.slot_masks[0].argmax(axis=0)
        colours = PALETTE[np.arange(window_model.num_slots) % len(PALETTE)]
        shown = np.concatenate([painted, colour_segments(segments, colours)], axis=2)
        yield from shown[: len(part)]


def _movie(stack: contextlib.ExitStack, path: str, writer: type) -> GifWriter | Mp4Writer:
    movie = writer(path, _RATE)
    stack.callback(movie.close)
    return movie
