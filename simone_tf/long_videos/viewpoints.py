"""What a model sees a video from, read from the files that a command names: --camera and --camera_from."""

import contextlib
import itertools
import os
from collections.abc import Iterator

import numpy as np

from simone_tf.data.videos.camera_files import SUFFIXES, read_camera
from simone_tf.data.videos.video_source import VideoSource
from simone_tf.errors import UserError
from simone_tf.long_videos.fitting import FittedFrames
from simone_tf.long_videos.window_model import WindowModel
from simone_tf.long_videos.windows import WrongRowsError

_CAMERA = "camera"
"""The field that there are files of."""

_KINDS = f"{', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}"


def given_of_video(window_model: WindowModel, camera: str | None) -> dict[str, np.ndarray]:
    """What a model is given of a video besides its frames, `[F, C]` by name.

    Args:
        window_model: the model.
        camera: a file with a row of C numbers for every frame, see `read_camera`; None for none.

    Raises:
        UserError: the model is given a camera and there is no file, or the other way round; the file cannot be read or
            has rows of another size; the model is given something that there are no files of.
    """
    source = window_model.source
    for name in window_model.given:
        if name != _CAMERA:
            raise UserError(
                f"{source} is given `{name}` for every frame, of which this command reads no file: take the video "
                "apart from Python, with VideoDecomposition."
            )
    if _CAMERA not in window_model.given:
        if camera is not None:
            raise UserError(f"--camera={camera}: {source} is given no camera, only video: leave the flag out.")
        return {}
    if camera is None:
        raise UserError(
            f"{source} is given `{_CAMERA}`, {window_model.given[_CAMERA]} numbers for every frame of the video: name "
            f"the file that holds them, --camera=FILE ({_KINDS})."
        )
    return {_CAMERA: _rows(window_model, camera)}


@contextlib.contextmanager
def rows_told_of(camera: str | None) -> Iterator[None]:
    """Tells the file in front of what is said of its rows while the video is read."""
    try:
        yield
    except WrongRowsError as error:
        raise UserError(f"{camera}: {error}") from error


def viewpoint_of(window_model: WindowModel, camera_from: str | None, fit: str) -> dict[str, np.ndarray] | None:
    """What a recomposition shows the objects by, as `VideoDecomposition` takes it; None for what is usual.

    A model that infers its viewpoint takes that of the first T frames of another video; one that is given a camera
    takes the first T rows of a file. What is shorter is held at its end.

    Args:
        window_model: the model.
        camera_from: the video, or the file; None for none.
        fit: how the frames of the video are brought to the model's size, see `Fitting`.

    Raises:
        UserError: it is not what the model takes, or cannot be read; the model has no viewpoint apart from the scene.
    """
    if camera_from is None:
        return None
    source, num_frames = window_model.source, window_model.num_frames
    told = f"--camera_from={camera_from}: {source}"
    if not window_model.recomposes:
        raise UserError(f"{told} does not tell the viewpoint from the scene: leave the flag out.")
    is_table = camera_from.lower().endswith(SUFFIXES)
    if window_model.viewpoint_latents:
        if window_model.given:
            raise UserError(f"{told} sees by what it infers and by what it is given: leave the flag out.")
        if is_table and not camera_from.lower().endswith(".npy"):
            raise UserError(f"{told} infers the viewpoint from frames: name another video.")
        return _inferred(window_model, VideoSource(camera_from), fit)
    if os.path.exists(camera_from) and not is_table:
        raise UserError(f"{told} is given `{_CAMERA}`: name a file with a row of numbers per frame ({_KINDS}).")
    rows = _rows(window_model, camera_from)
    return {_CAMERA: rows[np.minimum(np.arange(num_frames), len(rows) - 1)]}


def _inferred(window_model: WindowModel, video: VideoSource, fit: str) -> dict[str, np.ndarray]:
    with contextlib.closing(FittedFrames(video, window_model.frame_size, fit)) as frames:
        window = list(itertools.islice(frames, window_model.num_frames))
    window += [window[-1]] * (window_model.num_frames - len(window))
    posteriors = window_model.encode(np.stack(window)[np.newaxis])
    return {name: posteriors[name].mean[0] for name in window_model.viewpoint_latents}


def _rows(window_model: WindowModel, path: str) -> np.ndarray:
    rows, size = read_camera(path), window_model.given[_CAMERA]
    if rows.shape[1] != size:
        raise UserError(
            f"{path} has rows of {rows.shape[1]} numbers, {window_model.source} is given a `{_CAMERA}` of {size}: name "
            "a file that holds the camera as in the model's training data."
        )
    try:
        window_model.check_given({_CAMERA: rows})
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    return rows
