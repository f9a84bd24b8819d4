"""`python -m simone_tf.decompose clip.mp4 --run_dir=...`: takes a video of any length apart into objects."""

# isort: off
from simone_tf.cli import quiet_tensorflow  # noqa: F401  (before anything else imports TensorFlow)

# isort: on
import argparse
import collections
import contextlib
import itertools
import math
import os
import sys
import time

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from simone_tf.cli import command
from simone_tf.cli.console import say
from simone_tf.data.videos.video_source import MAX_RATE, MIN_RATE, VideoSource, as_rate
from simone_tf.errors import UserError, first_line
from simone_tf.long_videos.decomposition import VideoDecomposition
from simone_tf.long_videos.fitting import FITS, Fitting, display_scale
from simone_tf.long_videos.video_outputs import VideoOutputs, output_folder
from simone_tf.long_videos.window_model import of_run_model, of_saved_model
from simone_tf.long_videos.windows import check_overlap, default_overlap
from simone_tf.runs.load import load_run
from simone_tf.runs.load_pretrained import load_pretrained

_LINE_EVERY = 500
_BACKGROUND = " (largest: taken for the background, left uncoloured)"


def decompose(
    window_model,
    video,
    out,
    *,
    overlap=None,
    rate=None,
    fit="crop",
    camera_from=None,
    overwrite=False,
    on_frame=lambda: None,
):
    """Takes a video apart and writes a folder, see `serving.video_outputs`; memory does not grow with its length.

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
    frames = _FittedFrames(video, size, fit)
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


class _FittedFrames:
    """Iterates over the frames of a video at the model's size; keeps those not taken yet at the size for pictures."""

    def __init__(self, video, size, fit):
        self._video, self._size, self._fit = video, size, fit
        self._frames = video.frames()
        self._shown = collections.deque()
        self._fitting = self._shape = None
        # What is wrong with the first frame is wrong with the video.
        self._first = next(self._frames)
        self._shape = self._first.shape
        self._fitting = Fitting(self._shape, size, fit)

    def __iter__(self):
        for frame in itertools.chain([self._first], self._frames):
            self._first = None
            self._shown.append(self._fitting.for_display(frame))
            yield self._fitting.for_model(frame)

    def take_shown(self):
        """The earliest frame not taken yet."""
        return self._shown.popleft()

    def describe(self):
        """What was used of the video, for `decomposition.json`."""
        fitting = self._fitting
        return {"size": self._shape[:2], "fit": self._fit, "crop": fitting.crop, "content": fitting.content}

    def close(self):
        """Closes the video's file."""
        self._frames.close()


def _camera(window_model, video, fit):
    """Frame latents `[T, Df]` of the first T frames of a video; of a shorter one the last frame is held."""
    with contextlib.closing(_FittedFrames(video, window_model.frame_size, fit)) as frames:
        window = list(itertools.islice(frames, window_model.num_frames))
    window += [window[-1]] * (window_model.num_frames - len(window))
    return window_model.encode(np.stack(window)[np.newaxis]).frame_means[0]


def read_model(flags):
    """The `WindowModel` that the flags name.

    Raises:
        UserError: they name none or several, or it cannot be read.
    """
    named = [name for name in ("run_dir", "saved_model", "pretrained") if getattr(flags, name)]
    if len(named) != 1:
        found = "Several models are named" if named else "No model is named"
        raise UserError(
            f"{found}: give one of --run_dir=FOLDER (a trained run), --saved_model=FOLDER (an export) and "
            "--pretrained=NAME (such as quickstart)."
        )
    if flags.best and not flags.run_dir:
        raise UserError("--best chooses among the checkpoints of a run: give --run_dir too, or leave it out.")
    if flags.saved_model:
        return of_saved_model(flags.saved_model)
    if flags.pretrained:
        run, source = load_pretrained(flags.pretrained), f"pretrained {flags.pretrained}"
    else:
        run, source = load_run(flags.run_dir, best=flags.best), flags.run_dir
    return of_run_model(run.model, run.settings["num_frames"], run.settings["frame_size"], source)


def main(arguments=None):
    """Parses flags, takes the video apart, tells what was found and where it is."""
    flags = _parser().parse_args(arguments)
    rate = None
    if flags.fps is not None:
        if not (math.isfinite(flags.fps) and MIN_RATE <= flags.fps <= MAX_RATE):
            raise UserError(
                f"--fps={flags.fps:g} is out of range: choose from {float(MIN_RATE):g} to {float(MAX_RATE):g}."
            )
        rate = as_rate(flags.fps)
    video = VideoSource(flags.video)
    camera_from = None if flags.camera_from is None else VideoSource(flags.camera_from)
    out = flags.out or f"{video.name}_decomposition"
    window_model = read_model(flags)
    begin = time.monotonic()
    try:
        with _progress(video) as on_frame:
            found = decompose(
                window_model,
                video,
                out,
                overlap=flags.overlap,
                rate=rate,
                fit=flags.fit,
                camera_from=camera_from,
                overwrite=flags.overwrite,
                on_frame=on_frame,
            )
    except tf.errors.ResourceExhaustedError as error:
        raise UserError(
            f"The device has too little memory ({first_line(error)}): close other programs, or use a smaller model."
        ) from error
    seconds = time.monotonic() - begin
    count = found["frames"]
    say(f"{flags.video}: {count} frame{'s' * (count != 1)}, taken apart in {seconds:.1f} s")
    if video.num_frames not in (None, count):
        say(f"The file says that it has {video.num_frames} frames: compare the end of the video with overlay.gif.")
    for facts in found["objects"]:
        say(
            f"object {facts['id']}: in {facts['frames_seen']} frames from {facts['first_frame']} to "
            f"{facts['last_frame']}, {facts['mean_share_of_frame']:.1%} of the pixels"
            f"{_BACKGROUND if facts['uncoloured_in_overlay'] else ''}"
        )
    if not found["mp4"]:
        say("No MP4 was written, which needs PyAV: pip install simone_tf[video].")
    say(f"{out} holds contact_sheet.png, overlay.gif and the other results.")


def _parser():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("video", help="mp4 (and what else FFmpeg reads), GIF, picture, folder of frames, or .npy")
    parser.add_argument("--run_dir", help="folder of a trained run")
    parser.add_argument("--saved_model", help="folder of an export; read only those whose origin you trust")
    parser.add_argument("--pretrained", help="name of a model that was installed with the library, such as quickstart")
    parser.add_argument("--best", action="store_true", help="of a run, the best checkpoint instead of the newest")
    parser.add_argument("--out", help="folder of the results; by default NAME_decomposition here")
    parser.add_argument("--overlap", type=int, help="frames that neighbouring windows share; by default about half")
    parser.add_argument("--fps", type=float, help="frames per second of what is written; by default the video's own")
    parser.add_argument(
        "--fit",
        choices=FITS,
        default="crop",
        help="how another aspect is brought to the model's: cut the middle out (default), or pad at the sides",
    )
    parser.add_argument("--camera_from", help="another video, through whose camera the objects are shown as well")
    parser.add_argument("--overwrite", action="store_true", help="replace an earlier decomposition in --out")
    return parser


@contextlib.contextmanager
def _progress(video):
    """Yields what to call after each frame: a bar on a terminal, a line now and then elsewhere."""
    on_terminal = sys.stderr.isatty()
    done = 0
    with tqdm(total=video.num_frames, unit="frame", desc=os.path.basename(video.path), disable=not on_terminal) as bar:

        def on_frame():
            nonlocal done
            done += 1
            bar.update()
            if not on_terminal and done % _LINE_EVERY == 0:
                say(f"{done}{f' of {video.num_frames}' if video.num_frames else ''} frames")

        yield on_frame


if __name__ == "__main__":
    command.run(main, interrupted="nothing was written, the same command starts again")
