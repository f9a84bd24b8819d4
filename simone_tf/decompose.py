"""`python -m simone_tf.decompose clip.mp4 --run_dir=...`: takes a video of any length apart into objects."""

import argparse
import contextlib
import math
import os
import time
from collections.abc import Sequence

from simone_tf.cli import command
from simone_tf.cli.console import say
from simone_tf.cli.progress import progress
from simone_tf.data.videos.damage import ON_CORRUPT
from simone_tf.data.videos.video_source import MAX_RATE, MIN_RATE, VideoSource, as_rate
from simone_tf.errors import UserError, first_line
from simone_tf.long_videos import CAMERA_PATHS, FITS
from simone_tf.runs import flags as run_flags

_BACKGROUND = " (largest: taken for the background, left uncoloured)"


def main(arguments: Sequence[str] | None = None) -> None:
    """Parses flags, takes the video apart, tells what was found and where it is."""
    flags = _parser().parse_args(arguments)
    rate = None if flags.fps is None else _rate(flags.fps)
    video = VideoSource(flags.video, flags.on_corrupt, "its camera" if flags.camera else None)
    run_flags.check_one_model(flags)
    minutes = run_flags.check_adapt(flags)
    out = flags.out or f"{video.name}_decomposition"

    # Only now, when all is told that can be told without it: TensorFlow takes seconds to load.
    # isort: off
    from simone_tf.cli import quiet_tensorflow  # noqa: F401  (before anything else imports TensorFlow)

    # isort: on
    import tensorflow as tf

    from simone_tf.long_videos.write_decomposition import write_decomposition

    try:
        adapted = None if minutes is None else _adapted(flags, video, out, minutes)
        with contextlib.ExitStack() as stack:
            stack.enter_context(_interrupts_told(adapted))
            window_model = _window_model(flags, adapted)
            begin = time.monotonic()
            shown = stack.enter_context(progress(os.path.basename(video.path), video.num_frames, "frame"))
            found = write_decomposition(
                window_model,
                video,
                out,
                overlap=flags.overlap,
                rate=rate,
                fit=flags.fit,
                camera=flags.camera,
                camera_from=flags.camera_from,
                camera_path=flags.camera_path,
                find_cuts=not flags.no_cuts,
                overwrite=flags.overwrite,
                adapted=None if adapted is None else adapted.described(flags.pretrained or flags.run_dir),
                on_frame=shown.add,
            )
    except tf.errors.ResourceExhaustedError as error:
        raise UserError(
            f"The device has too little memory ({first_line(error)}): close other programs, or use a smaller model."
        ) from error
    _print_found(found, video, out, time.monotonic() - begin)


def _adapted(flags, video, out, minutes):
    """What became of the named model, trained further on the video."""
    from simone_tf.runs.adaptation import adapt

    run = run_flags.read_run(flags)
    return adapt(
        run,
        run_flags.window_model_of(run, f"pretrained {flags.pretrained}" if flags.pretrained else flags.run_dir),
        f"pretrained:{flags.pretrained}" if flags.pretrained else flags.run_dir,
        video,
        out,
        minutes,
        fit=flags.fit,
        camera=flags.camera,
        find_cuts=not flags.no_cuts,
        overwrite=flags.overwrite,
    )


def _window_model(flags, adapted):
    """What takes windows apart: the named model, or the one that was trained further."""
    if adapted is None:
        return run_flags.read_window_model(flags)
    from simone_tf.runs.load import load_run

    return run_flags.window_model_of(load_run(adapted.run_dir), adapted.run_dir)


@contextlib.contextmanager
def _interrupts_told(adapted):
    """Says of an interrupt what there is already."""
    try:
        yield
    except KeyboardInterrupt as stop:
        if adapted is None:
            raise
        raise KeyboardInterrupt(
            f"the video is not taken apart, {adapted.run_dir} holds the model: go on with --run_dir={adapted.run_dir}"
        ) from stop


def _rate(fps):
    if not (math.isfinite(fps) and MIN_RATE <= fps <= MAX_RATE):
        raise UserError(f"--fps={fps:g} is out of range: choose from {float(MIN_RATE):g} to {float(MAX_RATE):g}.")
    return as_rate(fps)


def _print_found(found, video, out, seconds):
    count = found["frames"]
    say(f"{video.path}: {count} frame{'s' * (count != 1)}, taken apart in {seconds:.1f} s")
    if video.damage.told():
        say(f"{video.damage.told()}.")
    elif video.num_frames not in (None, count):
        say(f"The file says that it has {video.num_frames} frames: compare the end of the video with overlay.gif.")
    if cuts := found["cuts"]:
        say(f"Another scene begins at frame{'s' * (len(cuts) > 1)} {', '.join(map(str, cuts))}.")
    for facts in found["objects"]:
        say(
            f"object {facts['id']}: in {facts['frames_seen']} frames from {facts['first_frame']} to "
            f"{facts['last_frame']}, {facts['mean_share_of_frame']:.1%} of the pixels"
            f"{_BACKGROUND if facts['uncoloured_in_overlay'] else ''}"
        )
    if "no_recomposition" in found:
        say(found["no_recomposition"])
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
    parser.add_argument(
        "--adapt",
        metavar="MINUTES",
        help="first train the model further on this video alone, for about so many minutes; a part of it is held out",
    )
    parser.add_argument("--out", help="folder of the results; by default NAME_decomposition here")
    parser.add_argument("--overlap", type=int, help="frames that neighbouring windows share; by default about half")
    parser.add_argument("--fps", type=float, help="frames per second of what is written; by default the video's own")
    parser.add_argument(
        "--fit",
        choices=FITS,
        default="crop",
        help="how another aspect is brought to the model's: cut the middle out (default), or pad at the sides",
    )
    parser.add_argument(
        "--camera", help="of a model that is given it: file with a row of numbers per frame (.npy, .csv or .json)"
    )
    parser.add_argument(
        "--camera_from",
        help="another video, through whose camera the objects are shown as well; of a model that is given the camera, "
        "another file of it",
    )
    parser.add_argument(
        "--camera_path",
        choices=CAMERA_PATHS,
        help="of a model that is given the camera: also fly around the scene of the video, fly_around.gif",
    )
    parser.add_argument(
        "--on_corrupt",
        choices=ON_CORRUPT,
        default="raise",
        help="at damaged frames of a video file: refuse it (default), or leave them out; not together with --camera",
    )
    parser.add_argument(
        "--no_cuts", action="store_true", help="take the video for one scene; by default cuts to others are looked for"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace an earlier decomposition in --out")
    return parser


if __name__ == "__main__":
    command.run(main, interrupted="nothing was written, the same command starts again")
