"""Small runs that one process, two replicas and two workers train alike: every batch is all clips, nothing is drawn."""

import os
import pathlib
import subprocess
import sys
import time
from typing import NamedTuple

import gin
import numpy as np

from simone_tf.config import gin_files
from simone_tf.data.formats.write_records import shard_name, write_shard
from simone_tf.runs.settings import read_settings
from simone_tf.runs.training_run import TrainingRun

from rich_set import FRAMES, rich_clips
from tiny_run import REPOSITORY, weights

LAUNCHER = REPOSITORY / "tools" / "launch_local.py"
CONFIG = f"""
import colour_mixture
import worker_faults

train.model = @ColourMixture
ColourMixture.camera_size = 7
ColourMixture.noise = 0.0

train.clips = @training/ClipRecords()
train.held_out_clips = @held_out/ClipRecords()
train.batches = @training_batches
training/ClipRecords.data_dir = '%s'
training/ClipRecords.split = 'train'
held_out/ClipRecords.data_dir = '%s'
held_out/ClipRecords.split = 'test'
training_batches.cache = False

train.optimizer = @Adam
Adam.learning_rate = 1e-2
Adam.epsilon = 1e-4  # else what is rounding error in a gradient would be blown up
train.clip_norm = 0.5
train.average_decay = 0.9
train.num_steps = 6
train.batch_size = 4
train.num_frames = {FRAMES}
train.frame_size = (8, 8)
train.steps_per_loop = 2
train.log_every = 1
train.evaluate_every = 2
train.checkpoint_every = 2
train.keep_checkpoints = 9
train.evaluation_batch_size = 2
train.num_pictures = 0
"""


class Ended(NamedTuple):
    """How a job ended."""

    code: int
    lines: list[tuple[float, str]]  # when, and what, of all workers: "[0] ..."

    def of(self, worker):
        """The lines of one worker, without its number."""
        mark = f"[{worker}] "
        return [line.removeprefix(mark) for _, line in self.lines if line.startswith(mark)]

    def end_of(self, worker):
        """(exit code, when) of a worker that did not end with 0."""
        mark = f"[{worker}] ended with exit code "
        ((code, when),) = [(line.removeprefix(mark), when) for when, line in self.lines if line.startswith(mark)]
        return int(code.rstrip(".")), when


def write_config(folder):
    """Writes four clips to train on in two shards, two to score, and the gin file, whose path is returned."""
    data = folder / "data"
    data.mkdir()
    for index in range(2):
        write_shard(data / shard_name("train", index, 2), rich_clips(2, index))
    write_shard(data / shard_name("test", 0, 1), rich_clips(2, 2))
    path = folder / "workers.gin"
    path.write_text(CONFIG % (data, data))
    return path


def train_here(gin_file, run_dir, num_steps, strategy):
    """Trains in this process, under the strategy."""
    settings = read_settings([str(gin_file)], [f"train.num_steps = {num_steps}"], str(run_dir))
    with gin_files.errors_in_one_sentence():
        TrainingRun(str(run_dir), settings, strategy).train()
    gin.clear_config()


def started(gin_file, run_dir, num_steps, *flags, fault=None):
    """A job of two workers, as a process whose output is one stream."""
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY / "tests"), "PYTHONUNBUFFERED": "1"}
    environment |= {"FAULT": fault or "", "TF_CPP_MIN_LOG_LEVEL": "3"}
    environment |= {name: "1" for name in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")}
    params = (f"--gin_file={gin_file}", f"--run_dir={run_dir}", f"--gin_param=train.num_steps = {num_steps}", *flags)
    return subprocess.Popen(
        [sys.executable, str(LAUNCHER), "--workers=2", "--", *params],
        cwd=REPOSITORY,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def ended(process):
    """Waits for a job."""
    lines = [(time.monotonic(), line.rstrip("\n")) for line in process.stdout]
    return Ended(process.wait(timeout=60), lines)


def job(*arguments, **keywords):
    """Runs a job to its end, see `started`."""
    return ended(started(*arguments, **keywords))


def difference(run_a, run_b, step):
    """The greatest difference of two runs in anything that is trained or counted."""
    a, b = weights(pathlib.Path(run_a), step), weights(pathlib.Path(run_b), step)
    assert set(a) == set(b)
    return max(float(np.abs(a[name].astype(np.float64) - b[name]).max()) for name in a)
