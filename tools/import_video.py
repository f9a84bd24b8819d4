"""Turns your videos, with or without masks and camera, into a dataset of clips to train on.

    python tools/import_video.py recordings/ --split=train --frames=16 --size=64 --out=datasets/playroom

A video is a file (mp4, mov, webm, animated GIF, ...; other than GIF needs `pip install simone_tf[video]`) or a folder
with a picture per frame, of several numbered series one: 'walk/left_*'; a folder of videos stands for all of them. The
files depend on the videos and settings only.
A split appears as a whole or not at all: after an error or interruption, nothing is left, and the same command starts
again.
"""

import argparse
import os
import re
import sys
import time

from simone_tf import interrupts
from simone_tf.cli import command
from simone_tf.cli.command import check_name
from simone_tf.cli.console import say
from simone_tf.cli.progress import progress
from simone_tf.errors import UserError


def parse_arguments(argv: list[str] | None) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        prog="import_video",
        description=__doc__.split("\n\n")[0],
        epilog=__doc__.split("\n\n")[2],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("videos", nargs="+", help="video files, folders of frames, or folders of videos")
    parser.add_argument("--out", required=True, help="folder of the dataset")
    parser.add_argument("--split", default="train", help="name of the split; part of the file names")
    parser.add_argument(
        "--masks",
        help="folder of true segments as <video name>/<frame>.png: numbers or colours, paired by number",
    )
    parser.add_argument("--camera", help="folder of <video name>.npy, .csv or .json with a row of numbers per frame")
    parser.add_argument("--frames", type=int, default=16, help="frames of a clip")
    parser.add_argument("--stride", type=int, default=1, help="frame step: 2 takes every second frame")
    parser.add_argument("--hop", type=int, help="frames from one clip's start to the next's; by default no overlap")
    parser.add_argument("--start", type=int, default=0, help="first frame of each video to use")
    parser.add_argument("--end", type=int, help="frame of each video to stop before; by default its end")
    parser.add_argument(
        "--size", help="N or HxW: cut the largest such shape out of the middle and resize it; by default as it is"
    )
    parser.add_argument("--clips_per_shard", type=int, default=500, help="clips per file")
    parser.add_argument("--skip_short", action="store_true", help="leave out videos too short for one clip")
    parser.add_argument(
        "--on_corrupt",
        choices=("raise", "skip"),
        default="raise",
        help="at damaged frames of a video file: refuse it, or leave them out (never with masks or camera)",
    )
    return parser.parse_intermixed_args(argv)


def parse_size(text: str | None) -> tuple[int, int] | None:
    """Reads `64` or `48x64` as (height, width).

    Raises:
      UserError: it is neither.
    """
    if text is None:
        return None
    match = re.fullmatch(r"([0-9]{1,6})(?:x([0-9]{1,6}))?", text)
    if not match:
        raise UserError(f"--size={text} is no size: give N for a square, or HxW, in pixels.")
    return int(match[1]), int(match[2] or match[1])


def import_videos(arguments: argparse.Namespace) -> None:
    """Imports the videos, telling how far it is: a progress bar on a terminal, a line per video elsewhere."""
    if not re.fullmatch(r"[A-Za-z0-9_]+", arguments.split):
        raise UserError(f"--split={arguments.split} is no file name: use letters, digits and underscores.")
    size = parse_size(arguments.size)
    check_name("--out=", arguments.out)

    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"  # nothing here needs a GPU, or should take its memory
    from simone_tf.cli import quiet_tensorflow  # noqa: F401, I001

    from simone_tf.data.videos.import_clips import Imported, find_sources, import_split
    from simone_tf.data.videos.video_clips import ImportPlan

    plan = ImportPlan(
        frames=arguments.frames,
        stride=arguments.stride,
        hop=arguments.hop,
        size=size,
        start=arguments.start,
        end=arguments.end,
        clips_per_shard=arguments.clips_per_shard,
        skip_short=arguments.skip_short,
        on_corrupt=arguments.on_corrupt,
    )
    sources = find_sources(arguments.videos, arguments.masks, arguments.camera)
    begin = time.monotonic()
    done = read = 0
    with progress(unit="frame", every=None) as shown:

        def on_frame() -> None:
            nonlocal read
            read += 1
            shown.add()

        def on_video(imported: Imported) -> None:
            nonlocal done
            done += 1
            shown.describe(f"{done} of {len(sources)} videos")
            if not shown.on_terminal or not imported.clips:
                shown.say(
                    f"{imported.source.path}: {imported.frames} frames, {imported.clips or 'too short, no'} clips "
                    f"({done} of {len(sources)} videos)"
                )

        info = import_split(
            sources,
            plan,
            arguments.out,
            arguments.split,
            on_video=on_video,
            on_frame=on_frame,
            on_damage=shown.say,
        )
    seconds = time.monotonic() - begin
    result = (
        f"{arguments.out}: split {arguments.split!r} is complete, {info['num_clips']} clips of {info['frames']} frames "
        f"of {info['height']}x{info['width']} with {', '.join(info['fields'])}"
    )
    if not done:
        say(f"{result}; it was there already, made from these videos with these settings")
        return
    say(f"{result}; read {read} frames in {seconds:.1f} s, {read / max(seconds, 1e-9):.0f} frames/s")


def main(argv: list[str] | None = None) -> int:
    """Runs the command.

    Returns:
      The exit code: 0, 2 after a mistake that the user can mend, 130 after Ctrl-C.
    """
    arguments = parse_arguments(argv)
    try:
        import_videos(arguments)
    except UserError as error:
        say(f"import_video: {error}", sys.stderr)
        return 2
    except KeyboardInterrupt:
        say("import_video: interrupted; the split is whole or not there, the same command goes on.", sys.stderr)
        return interrupts.exit_code()
    return 0


if __name__ == "__main__":
    command.run(main, interrupted="nothing half written is left")
