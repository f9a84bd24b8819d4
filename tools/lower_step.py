"""Writes the training step of a configuration as StableHLO: TPUs, GPUs and CPUs run it by PJRT, without TensorFlow.

    python tools/lower_step.py --gin_file=gin/quickstart.gin --out=lowered/quickstart

With --run_dir the step goes on from the run's newest checkpoint. --num_clips=N also writes clips.npz, the first N clips
of the training set in their whole length; without it nothing is read of the data.
"""

# isort: off
from simone_tf.cli import quiet_tensorflow  # noqa: F401  (before anything else imports TensorFlow)

# isort: on

import dataclasses
import os

import numpy as np
import tensorflow as tf

from simone_tf.cli import command
from simone_tf.cli.console import say
from simone_tf.data.pipeline.batches import evaluation_batches
from simone_tf.data.pipeline.explain import data_faults_told
from simone_tf.data.pipeline.mixture import sets_of
from simone_tf.files import replacing
from simone_tf.runs.build import build_step
from simone_tf.runs.lowered_step import MODULE, write_lowered_step
from simone_tf.runs.settings import read_settings
from simone_tf.training.checkpoints import Checkpoints

CLIPS = "clips.npz"


def first_clips(settings, inputs, count):
    """The model's inputs of the first `count` clips, `[count, T, ...]` each; video as uint8.

    T is the clips' own length. Of a mixture every set gives its share, and T is that of the shortest.
    """
    sets = sets_of(settings.clips).values()
    weights = getattr(settings.clips, "weights", (1,))
    frames = min(reader.clip_shape()[0] for reader in sets)
    batches = []
    for reader, weight in zip(sets, weights, strict=True):
        share = max(1, round(count * weight / sum(weights)))
        sizes = {"num_frames": frames, "frame_size": settings.frame_size}
        with data_faults_told(reader, inputs):
            batches += evaluation_batches(
                reader, batch_size=1, num_clips=share, fields=inputs, **sizes
            ).as_numpy_iterator()
    clips = {name: np.concatenate([batch[name] for batch in batches]) for name in inputs}
    return clips | {"video": np.rint(clips["video"] * 255.0).astype(np.uint8)}


def main(argv=None):
    parser = command.argument_parser(__doc__.splitlines()[0])
    parser.add_argument("--out", required=True, help="folder to be")
    parser.add_argument("--num_clips", type=int, default=0, help="clips of the training set to write beside the step")
    flags = parser.parse_args(argv)
    settings = read_settings(flags.gin_file, flags.gin_param, flags.run_dir)
    # One function for all: XLA compiles it whole, on whatever device it comes to.
    settings = dataclasses.replace(settings, jit_compile=False, microbatch_size=None)
    step = build_step(tf.distribute.get_strategy(), settings)
    if flags.run_dir and os.path.isdir(os.path.join(flags.run_dir, "checkpoints")):
        parts = {"model": step.model, "optimizer": step.optimizer, "step": step.step}
        parts |= {} if step.average is None else {"average": step.average}
        Checkpoints(flags.run_dir, parts).restore_latest()
    clips = first_clips(settings, step.model.inputs, flags.num_clips) if flags.num_clips else None
    write_lowered_step(flags.out, step, settings)
    if clips is not None:
        with replacing(os.path.join(flags.out, CLIPS)) as unfinished, open(unfinished, "wb") as file:
            np.savez_compressed(file, **clips)
    size = os.path.getsize(os.path.join(flags.out, MODULE))
    say(f"{flags.out}: the step from step {int(step.step.numpy())} on, {size / 2**20:.1f} MiB of StableHLO.")


if __name__ == "__main__":
    command.run(main, "nothing was written")
