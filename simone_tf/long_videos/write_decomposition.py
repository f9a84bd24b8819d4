"""A video taken apart into a folder of results: the whole way from its frames to the files."""

import contextlib
import itertools
from collections.abc import Callable
from fractions import Fraction

import numpy as np

from simone_tf.data.videos.video_source import VideoSource
from simone_tf.long_videos.decomposition import VideoDecomposition
from simone_tf.long_videos.fitting import FittedFrames, display_scale
from simone_tf.long_videos.video_outputs import VideoOutputs, output_folder
from simone_tf.long_videos.window_model import WindowModel
from simone_tf.long_videos.windows import check_overlap, default_overlap


def write_decomposition(
    window_model: WindowModel,
    video: VideoSource,
    out: str,
    *,
    overlap: int | None = None,
    rate: Fraction | None = None,
    fit: str = "crop",
    camera_from: VideoSource | None = None,
    overwrite: bool = False,
    on_frame: Callable[[], object] = lambda: None,
) -> dict:
    """Takes a video apart and writes a folder, see `video_outputs`; memory does not grow with its length.

    Args:
        window_model: `WindowModel`.
        video: `VideoSource`.
        out: the folder to be; it appears when all is done.
        overlap: frames that neighbouring windows share, None for the usual number.
        rate: frames per second of what is written, None for the video's own.
        fit: how frames of another aspect are brought to the model's, see `Fitting`.
        camera_from: `VideoSource` of another video, through whose camera the objects are shown in the recomposition;
            None for the camera of the window's first frame, held still.
        overwrite: whether an earlier decomposition in `out` is replaced.
        on_frame: called after each frame written.

    Returns:
        dict as written to `decomposition.json`.

    Raises:
        UserError: for anything the user can mend.
    """
    size = window_model.frame_size
    overlap = default_overlap(window_model.num_frames) if overlap is None else overlap
    check_overlap(overlap, window_model.num_frames)
    frames = FittedFrames(video, size, fit)
    # Before anything is written: a video that cannot be read at all is told at once.
    camera = None if camera_from is None else _camera(window_model, camera_from, fit)
    with output_folder(out, overwrite) as folder, contextlib.closing(frames):
        decomposition = VideoDecomposition(window_model, frames, overlap=overlap, camera=camera)
        with VideoOutputs(folder, rate or video.rate, size, display_scale(size)) as outputs:
            for parts in decomposition:
                outputs.add(parts, frames.take_shown())
                on_frame()
            description = {
                "video": {"path": video.path, **frames.describe()},
                "model": {
                    "source": window_model.source,
                    "num_frames": window_model.num_frames,
                    "frame_size": list(size),
                    "num_slots": window_model.num_slots,
                },
                "overlap": overlap,
                "camera_from": "the first frame of every window" if camera_from is None else camera_from.path,
            }
            return outputs.finish(decomposition.latents(), description)


def _camera(window_model, video, fit):
    """Frame latents `[T, Df]` of the first T frames of a video; of a shorter one the last frame is held."""
    with contextlib.closing(FittedFrames(video, window_model.frame_size, fit)) as frames:
        window = list(itertools.islice(frames, window_model.num_frames))
    window += [window[-1]] * (window_model.num_frames - len(window))
    return window_model.encode(np.stack(window)[np.newaxis]).frame_means[0]
