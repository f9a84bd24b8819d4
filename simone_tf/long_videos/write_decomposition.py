"""A video taken apart into a folder of results: the whole way from its frames to the files."""

import contextlib
from collections.abc import Callable, Mapping
from fractions import Fraction

from simone_tf.data.videos.video_source import VideoSource
from simone_tf.long_videos.decomposition import VideoDecomposition
from simone_tf.long_videos.fitting import FittedFrames, display_scale
from simone_tf.long_videos.fly_around import check_camera_path, fly_around
from simone_tf.long_videos.video_outputs import VideoOutputs, output_folder
from simone_tf.long_videos.viewpoints import given_of_video, rows_told_of, viewpoint_of
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
    camera: str | None = None,
    camera_from: str | None = None,
    camera_path: str | None = None,
    find_cuts: bool = True,
    overwrite: bool = False,
    adapted: Mapping | None = None,
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
        camera: file of the camera of every frame, of a model that is given it, see `given_of_video`.
        camera_from: through what camera the objects are shown in the recomposition, see `viewpoint_of`; None for that
            of the window's first frame, held still.
        camera_path: 'circle' for a flight around the video's scene, see `fly_around`; None for none.
        find_cuts: whether cuts to other scenes are looked for.
        overwrite: whether an earlier decomposition in `out` is replaced.
        adapted: what `decomposition.json` says of the model's further training on the video; None where there was none.
        on_frame: called after each frame written.

    Returns:
        dict as written to `decomposition.json`.

    Raises:
        UserError: for anything the user can mend.
    """
    size = window_model.frame_size
    overlap = default_overlap(window_model.num_frames) if overlap is None else overlap
    check_overlap(overlap, window_model.num_frames)
    # Before anything is written: what cannot be read at all is told at once.
    given = given_of_video(window_model, camera)
    check_camera_path(window_model, camera_path, given, camera)
    frames = FittedFrames(video, size, fit)
    viewpoint = viewpoint_of(window_model, camera_from, fit)
    with rows_told_of(camera), output_folder(out, overwrite) as folder, contextlib.closing(frames):
        decomposition = VideoDecomposition(
            window_model, frames, overlap, given=given, viewpoint=viewpoint, find_cuts=find_cuts
        )
        with VideoOutputs(folder, rate or video.rate, size, display_scale(size), window_model.recomposes) as outputs:
            for parts in decomposition:
                if parts.index in decomposition.cuts:
                    outputs.start_scene()
                outputs.add(parts, frames.take_shown())
                on_frame()
            flown = {}
            if camera_path is not None:
                flown = {
                    "camera_path": camera_path,
                    **fly_around(window_model, video, fit, given, decomposition.cuts, folder),
                }
            description = {
                "video": {"path": video.path, **frames.describe()},
                "model": {
                    "source": window_model.source,
                    "num_frames": window_model.num_frames,
                    "frame_size": list(size),
                    "num_slots": window_model.num_slots,
                    **({} if adapted is None else {"adapted": dict(adapted)}),
                },
                "overlap": overlap,
                "cuts": decomposition.cuts if find_cuts else None,
                **({} if camera is None else {"camera": camera}),
                **_recomposition(window_model, camera_from),
                **flown,
            }
            return outputs.finish(decomposition.latents(), description)


def _recomposition(window_model: WindowModel, camera_from: str | None) -> dict:
    if window_model.recomposes:
        return {"camera_from": camera_from or "the first frame of every window"}
    return {
        "camera_from": None,
        "no_recomposition": "The model does not tell the viewpoint from the scene: there is no recomposition.",
    }
