"""Makes a dataset of generated videos with exact segments, camera poses and object positions.

    python tools/make_dataset.py --preset=quickstart --split=train --num_clips=3000 --seed=1 --out=datasets/quickstart

The files depend on the settings only, not on the number of workers. Run again after an interruption, the same command
continues where it stopped; a folder that holds a split made with other settings is refused.
"""

import argparse
import dataclasses
import os
import re
import sys
import time
from typing import TYPE_CHECKING

# The processes that render import this file too: what is slow to import (TensorFlow) is imported where it is used.
from simone_tf import interrupts
from simone_tf.cli import command
from simone_tf.cli.command import check_name
from simone_tf.errors import UserError
from simone_tf.scenes.generate import check_views
from simone_tf.scenes.preset import ClipPreset
from simone_tf.scenes.presets import ALL_PRESETS

if TYPE_CHECKING:
    from simone_tf.scenes.dataset import SplitPlan

CATER_FRAMES, CATER_SIZE, CATER_OBJECTS = 33, 64, 10


def parse_arguments(argv: list[str] | None) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        prog="make_dataset",
        description=__doc__.split("\n\n")[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--preset", default="quickstart", help=f"what the scenes look like: {', '.join(ALL_PRESETS)}")
    parser.add_argument("--split", default="train", help="name of the split; part of the file names")
    parser.add_argument("--num_clips", type=int, default=3000, help="number of clips of the split")
    parser.add_argument("--seed", type=int, default=1, help="give every split its own")
    parser.add_argument("--out", required=True, help="folder of the dataset")
    parser.add_argument("--clips_per_shard", type=int, default=500, help="clips per file")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes that render")
    parser.add_argument(
        "--views",
        type=int,
        help="also make the split SPLIT_views: the same scenes seen by so many cameras all around each",
    )
    parser.add_argument("--frames", type=int, help="frames of a clip, instead of the preset's")
    parser.add_argument("--size", type=int, help="height and width of a frame (32, 64, 128, ...), not the preset's")
    parser.add_argument(
        "--format",
        choices=("clip", "cater_with_masks"),
        default="clip",
        help="clip: this project's own; cater_with_masks: DeepMind's native schema, 33 frames of 64x64",
    )
    return parser.parse_args(argv)


def chosen_preset(arguments: argparse.Namespace) -> ClipPreset:
    """Returns the preset with the frame count and size asked for.

    Raises:
      UserError: there is no such preset, or a number is out of range or does not fit the format.
    """
    if arguments.preset not in ALL_PRESETS:
        raise UserError(f"--preset={arguments.preset} is not known: choose one of {', '.join(ALL_PRESETS)}.")
    preset = ALL_PRESETS[arguments.preset]
    if arguments.format == "cater_with_masks":
        for flag, only in (("frames", CATER_FRAMES), ("size", CATER_SIZE)):
            if getattr(arguments, flag) not in (None, only):
                raise UserError(f"--format=cater_with_masks has --{flag}={only} only: leave the flag out.")
        if "camera" not in preset.fields:
            raise UserError(
                f"--format=cater_with_masks holds a camera, preset {preset.name!r} has none: use --format=clip."
            )
        if preset.num_objects[1] > CATER_OBJECTS:
            raise UserError(
                f"--format=cater_with_masks holds up to {CATER_OBJECTS} objects, preset {preset.name!r} has up to "
                f"{preset.num_objects[1]}: choose another preset."
            )
        return dataclasses.replace(preset, frames=CATER_FRAMES).at_size(CATER_SIZE)
    if arguments.frames is not None:
        preset = dataclasses.replace(preset, frames=arguments.frames)
    return preset if arguments.size is None else preset.at_size(arguments.size)


def check_numbers(arguments: argparse.Namespace) -> None:
    """Raises UserError when a flag is out of range."""
    # 1024 pixels are rendered as 2048; twice that is the most that every OpenGL has.
    limits = {
        "num_clips": (1, 10**8),
        "seed": (0, 2**63 - 1),
        "clips_per_shard": (1, 10**8),
        "workers": (1, 1024),
        "views": (1, 10**5),
        "frames": (1, 10**5),
        "size": (4, 1024),
    }
    for flag, (least, most) in limits.items():
        value = getattr(arguments, flag)
        if value is not None and not least <= value <= most:
            raise UserError(f"--{flag}={value} is out of range: choose {least} to {most}.")
    if not re.fullmatch(r"[A-Za-z0-9_]+", arguments.split):
        raise UserError(f"--split={arguments.split} is no file name: use letters, digits and underscores.")


def make(arguments: argparse.Namespace) -> None:
    """Makes the split, telling how far it is: a progress bar on a terminal, a line per shard elsewhere."""
    check_numbers(arguments)
    check_name("--out=", arguments.out)
    preset = chosen_preset(arguments)

    if arguments.views:
        if arguments.format != "clip":
            raise UserError(f"--views goes with --format=clip, not with --format={arguments.format}: leave one out.")
        check_views(preset, arguments.views)

    # isort: off
    from simone_tf.cli import quiet_tensorflow  # noqa: F401  (before anything else imports TensorFlow)

    # isort: on
    from simone_tf.scenes.dataset import SplitPlan

    plan = SplitPlan(
        preset, arguments.split, arguments.seed, arguments.num_clips, arguments.clips_per_shard, arguments.format
    )
    make_told(plan, arguments)
    if arguments.views:
        make_told(plan.views_of(arguments.views), arguments)


def make_told(plan: "SplitPlan", arguments: argparse.Namespace) -> None:
    """Makes one split and tells what was made."""
    from simone_tf.cli.progress import progress
    from simone_tf.scenes.dataset import make_split

    start = time.monotonic()
    done, cpu_seconds = 0, 0.0
    with progress(total=plan.num_clips, unit="clip", every=None) as shown:

        def on_clip(seconds: float) -> None:
            nonlocal cpu_seconds
            cpu_seconds += seconds
            shown.add()

        def on_shard(name: str, clips: int, kept: bool) -> None:
            nonlocal done
            done += clips
            if kept:
                shown.add(clips)
            if not shown.on_terminal:
                shown.say(f"{name}: {'kept' if kept else 'written'}, {done} of {plan.num_clips} clips")

        made = make_split(plan, arguments.out, arguments.workers, on_clip=on_clip, on_shard=on_shard)
    seconds = time.monotonic() - start
    frames, size = made * plan.frames, plan.preset.size
    print(
        f"{arguments.out}: split {plan.split!r} is complete, {plan.num_clips} clips of {plan.frames} frames of "
        f"{size}x{size}; made {made} clips ({frames} frames) in {seconds:.1f} s, "
        f"{frames / max(seconds, 1e-9):.0f} frames/s"
        + (f", {frames / cpu_seconds:.0f} frames per second of a rendering core" if cpu_seconds else "")
    )


def main(argv: list[str] | None = None) -> int:
    """Runs the command.

    Returns:
      The exit code: 0, 2 after a mistake that the user can mend, 130 after Ctrl-C.
    """
    arguments = parse_arguments(argv)
    try:
        make(arguments)
    except UserError as error:
        print(f"make_dataset: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("make_dataset: interrupted; finished shards are kept, the same command continues.", file=sys.stderr)
        return interrupts.exit_code()
    return 0


if __name__ == "__main__":
    command.run(main, interrupted="finished shards are kept")
