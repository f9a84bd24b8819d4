"""A trained model trained further on one video alone: a run of its own, in a folder beside the video's decomposition.

The run is one like any other: its folder holds its config, checkpoints and the clips that it is trained on, so that
every command takes it by --run_dir, and an interrupted one goes on. A part of the video is held out, and scored with
the weights that the run starts from, a few times while it is trained, and at its end; the run ends with the best.
"""

import contextlib
import itertools
import os
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from simone_tf import locks
from simone_tf.cli.console import say
from simone_tf.cli.progress import progress
from simone_tf.config import bindings, gin_files
from simone_tf.data.videos.video_source import VideoSource
from simone_tf.errors import UserError, first_line
from simone_tf.long_videos.cuts import CutFinder
from simone_tf.long_videos.fitting import FittedFrames
from simone_tf.long_videos.own_clips import (
    CHECK,
    MAX_CHECKS,
    TRAIN,
    FrameStore,
    OwnClips,
    Plan,
    plan_clips,
    write_own_clips,
)
from simone_tf.long_videos.video_outputs import ADAPTED, check_place
from simone_tf.long_videos.viewpoints import given_of_video, rows_told_of
from simone_tf.long_videos.window_model import WindowModel
from simone_tf.long_videos.windows import WrongRowsError, as_float_frames
from simone_tf.runs.load import Run
from simone_tf.runs.settings import RunSettings, read_settings
from simone_tf.runs.training_run import TrainingRun

CLIPS = "clips"
"""The folder in the run's that holds the video's clips."""

NUM_CHECKS = 8
"""How often the model is scored while it is trained, the start not counted."""

BATCH_SIZE = 8
WARMUP_STEPS = 50
# Of the rate that the model was trained with. Of `quickstart` on a clip of MOVi-A (24 frames, 4 held out: 3.55 nats
# per pixel before) the best score in 800 steps was 4.64 at half the rate, at step 600, and 4.60 at a quarter of it, at
# step 500; most of it (4.54, 4.52) was there after 100 steps.
RATE_SHARE = 0.5
# Of a model whose configuration does not tell its rate.
_USUAL_RATE = 2e-4
_AVERAGE_DECAY = 0.998
# More than any session takes: its time ends it.
_MANY_STEPS = 10**7


class Adapted(NamedTuple):
    """What became of a model."""

    run_dir: str
    step: int  # of the weights that the run ends with, 0 for those it started from
    last_step: int  # that was taken
    score: str  # name of the score that decides, of which more is better
    before: dict[str, float]  # measures at the start of the session
    after: dict[str, float]  # of the weights that the run ends with
    held_out: tuple[int, int] | None  # first frame held out, and the one behind; None: scored on what is trained on

    def described(self, origin: str) -> dict[str, Any]:
        """For `decomposition.json`."""
        names = (self.score, "reconstruction_mse")
        return {
            "from": origin,
            "steps": self.step,
            "held_out_frames": None if self.held_out is None else [self.held_out[0], self.held_out[1] - 1],
            "before": {name: self.before[name] for name in names},
            "after": {name: self.after[name] for name in names},
        }


def adapt(
    run: Run,
    window_model: WindowModel,
    origin: str,
    video: VideoSource,
    out: str,
    minutes: float,
    *,
    fit: str = "crop",
    camera: str | None = None,
    find_cuts: bool = True,
    overwrite: bool = False,
) -> Adapted:
    """Trains a model further on a video, and tells how it goes.

    Args:
        run: the model, with its configuration.
        window_model: the same model, which finds the cuts.
        origin: what the run starts from, as `train.initialize_from` takes it.
        video, out, fit, camera, find_cuts, overwrite: as for `write_decomposition`. The run's folder is
            `<out>/adapted`; one of the same video and model that is there goes on.
        minutes: how long it is trained, about.

    Raises:
        UserError: for anything the user can mend.
        KeyboardInterrupt: with a text that says what there is.
    """
    check_place(out, overwrite)
    run_dir = os.path.join(out, ADAPTED)
    if os.path.realpath(run.run_dir) == os.path.realpath(run_dir):
        raise UserError(
            f"--adapt={minutes:g}: {run_dir} is the model itself, which cannot start from itself: choose another --out."
        )
    given = given_of_video(window_model, camera)
    with _writing_told(out), rows_told_of(camera), contextlib.ExitStack() as stack:
        subject = f"{run_dir} is being written"
        stack.enter_context(locks.held(locks.inside(run_dir, "adapt"), subject, "choose another --out"))
        clips = _own_clips(run_dir, window_model, origin, video, minutes, fit, given, find_cuts)
        _tell_plan(clips, video, minutes)
        settings = _settings(run, clips, origin, minutes, window_model)
        with gin_files.errors_in_one_sentence(), _told_what_is_there(run_dir):
            training = TrainingRun(run_dir, settings, tf.distribute.get_strategy(), num_checks=NUM_CHECKS)
            after = training.train()
    adapted = Adapted(
        run_dir,
        after["step"],
        max(training.scores),
        settings.best_metric,
        training.scores[min(training.scores)],
        after,
        clips.plan.held_out,
    )
    _tell_result(adapted, origin)
    return adapted


def _own_clips(
    run_dir: str,
    window_model: WindowModel,
    origin: str,
    video: VideoSource,
    minutes: float,
    fit: str,
    given: dict[str, np.ndarray],
    find_cuts: bool,
) -> OwnClips:
    """Reads the video once, and writes the clips to train on."""
    num_frames, size = window_model.num_frames, window_model.frame_size
    with contextlib.ExitStack() as stack:
        store = stack.enter_context(contextlib.closing(FrameStore(run_dir, size)))
        frames = stack.enter_context(contextlib.closing(FittedFrames(video, size, fit)))
        shown = stack.enter_context(progress("reading the video", video.num_frames, "frame"))
        kept = as_float_frames(store.keep(frames), size)
        finder = CutFinder(window_model, kept, given) if find_cuts else None
        for _ in kept if finder is None else finder:
            frames.take_shown()
            shown.add()
        for name, table in given.items():
            if len(table) != store.count:
                raise WrongRowsError(name, len(table), store.count)
        edges = [0, *(sorted(finder.cuts) if finder else []), store.count]
        plan = plan_clips(list(itertools.pairwise(edges)), num_frames)
        if not plan.trained:
            raise UserError(
                f"--adapt={minutes:g}: no scene of {video.path} has the {num_frames} frames of a window (the longest "
                f"has {max(np.diff(edges))}), so that there is nothing to train on: leave the flag out."
            )
        facts = {"tool": "decompose --adapt", "from": origin, "fit": fit, "scenes": edges, "frames": num_frames}
        facts["sha256"] = store.digest(given)
        instead = f"choose another --out, or move {run_dir} away"
        folder = os.path.join(run_dir, CLIPS)
        return write_own_clips(folder, store.frames(), given, plan, num_frames, facts, instead)


def _settings(run: Run, clips: OwnClips, origin: str, minutes: float, window_model: WindowModel) -> RunSettings:
    """The configuration of the model's own training, but for what a single video asks for."""
    # Of a given camera nobody knows what it would be in a mirror.
    turned = not window_model.given
    check = TRAIN if clips.plan.held_out is None else CHECK
    microbatch = run.settings.microbatch_size
    optimizer, rate = _optimizer_of(run.config)
    params = {
        "train.clips": "@training/ClipRecords()",
        "train.held_out_clips": "@held_out/ClipRecords()",
        "train.batches": "@training_batches",
        "train.initialize_from": repr(origin),
        "train.num_steps": _MANY_STEPS,
        "train.max_minutes": minutes,
        "train.batch_size": BATCH_SIZE,
        "train.microbatch_size": microbatch if microbatch and BATCH_SIZE % microbatch == 0 else microbatch and 1,
        "train.optimizer": f"@{optimizer}",
        f"{optimizer}.learning_rate": "@WarmupCosine()",
        "WarmupCosine.peak": RATE_SHARE * rate,
        "WarmupCosine.warmup_steps": WARMUP_STEPS,
        "WarmupCosine.decay_steps": 0,
        "train.average_decay": _AVERAGE_DECAY,
        "train.seed": 0,
        "train.log_every": 0,
        "train.evaluate_every": 0,
        "train.checkpoint_every": 0,
        "train.keep_checkpoints": 1,
        "train.best_metric": repr("nats_per_pixel" if _has_likelihood(run) else "psnr"),
        "train.ignore_label": None,
        "train.evaluation_batch_size": min(8, run.settings.evaluation_batch_size),
        "train.num_held_out_clips": MAX_CHECKS,
        "train.num_pictures": 0,
        "training_batches.window": repr("random"),
        "training_batches.cache": False,
        "training_batches.mirror": turned,
        "training_batches.reverse_time": turned,
        "training_batches.permute_colours": False,
    }
    for scope, split in (("training", TRAIN), ("held_out", check)):
        reader = {"data_dir": clips.folder, "split": split, "stand_in": "", "on_corrupt": "raise"}
        for name, value in {**reader, "crop": None, "resize": None}.items():
            params[f"{scope}/ClipRecords.{name}"] = repr(value)
    return read_settings((), [f"{name} = {value}" for name, value in params.items()], run.run_dir)


def _optimizer_of(config: str) -> tuple[str, float]:
    """The optimizer that a model was trained by and its top rate; Adam at a usual one where the config says none."""
    said = bindings.resolved(bindings.read_bindings(config))
    optimizer = said.get("train.optimizer")
    name = optimizer.name if isinstance(optimizer, bindings.Reference) else ""
    rate = said.get(f"{name}.learning_rate")
    rate = said.get("WarmupCosine.peak") if isinstance(rate, bindings.Reference) else rate
    is_told = isinstance(rate, int | float) and rate > 0
    return (name, float(rate)) if is_told else ("Adam", _USUAL_RATE)


def _has_likelihood(run: Run) -> bool:
    """Whether the model tells one; nothing is computed for that."""
    shapes = {"video": (*run.settings.frame_size, 3), **{name: (size,) for name, size in run.model.given.items()}}
    specs = {name: tf.TensorSpec((1, run.settings.num_frames, *rest), tf.float32) for name, rest in shapes.items()}

    @tf.function(input_signature=[specs], autograph=False)
    def likelihood(batch: dict[str, tf.Tensor]) -> tf.Tensor | None:
        return run.model.log_prob(batch["video"], run.model.decompose(batch, run.settings.evaluation_chunk_size))

    return likelihood.get_concrete_function().structured_outputs is not None


@contextlib.contextmanager
def _told_what_is_there(run_dir: str) -> Iterator[None]:
    """What ends the training early says what was saved of it."""
    try:
        yield
    except KeyboardInterrupt as stop:
        raise KeyboardInterrupt(f"{_there(run_dir)}, the same command goes on from there") from stop
    except UserError as error:
        text = str(error).replace("another --run_dir", "another --out").rstrip(".")
        raise UserError(f"{text}; {_there(run_dir)}.") from error


def _there(run_dir: str) -> str:
    with contextlib.suppress(OSError):
        steps = [name for name in os.listdir(os.path.join(run_dir, "checkpoints")) if name.endswith(".index")]
        if steps:
            newest = max(int(name.removeprefix("ckpt-").removesuffix(".index")) for name in steps)
            return f"{run_dir} holds the model after {newest} steps"
    return f"{run_dir} holds no trained model yet"


@contextlib.contextmanager
def _writing_told(out: str) -> Iterator[None]:
    try:
        yield
    except tf.errors.ResourceExhaustedError:
        raise  # Of the device, not of the disk.
    except (OSError, tf.errors.OpError) as error:
        raise UserError(
            f"--out={out} cannot be written ({first_line(error)}): free some space there, or choose another folder."
        ) from error


def _tell_plan(clips: OwnClips, video: VideoSource, minutes: float) -> None:
    plan: Plan = clips.plan
    if plan.held_out is None:
        say(f"--adapt={minutes:g}: {video.path} is too short to hold a part of it out as a check; all is trained on.")
    else:
        say(
            f"Held out as a check: frames {plan.held_out[0]} to {plan.held_out[1] - 1}; trained on: "
            f"{clips.windows} windows of the others."
        )
    if plan.left_out:
        say(f"{plan.left_out} frames are in scenes that are shorter than a window, and are not trained on.")


def _tell_result(adapted: Adapted, origin: str) -> None:
    place = "on the part held out" if adapted.held_out else "on what was trained on"
    score = {"nats_per_pixel": "log-likelihood in nats per pixel", "psnr": "PSNR in dB"}[adapted.score]
    before, after = (measures[adapted.score] for measures in (adapted.before, adapted.after))
    errors = [measures["reconstruction_mse"] for measures in (adapted.before, adapted.after)]
    say(f"{adapted.last_step} steps were taken.")
    say(f"{score} {place}: {before:.3f} -> {after:.3f}; mean squared error {errors[0]:.5f} -> {errors[1]:.5f}.")
    if adapted.step == 0:
        say(f"No weights after the start were better {place}: those of {origin} are used as they were.")
    elif adapted.step < adapted.last_step:
        say(f"Later weights were worse {place} than those of step {adapted.step}, which are used.")
    say(f"{adapted.run_dir} holds the model, for --run_dir of any command.")
