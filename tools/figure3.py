"""Figure 3 of the SIMONe paper: SIMONe-VS, GQN and NeRF-VAE draw the same scenes from all around; a table of scores.

    python tools/figure3.py --out=runs/figure3

What is not there yet is trained by gin/<model>/quickstart_views.gin and evaluated: SIMONe-VS first, then the two others
by GECO to the log-likelihood per pixel of its evaluation. Runs that are there are taken as they are. Written are
figure3_<scene>.png and .gif (seen frames; truth and what each model draws, a column for each view) and figure3.md.
"""

from simone_tf.cli import quiet_tensorflow  # noqa: F401, I001  (before anything else imports TensorFlow)

import argparse
import os
import subprocess
import sys

import numpy as np
import tensorflow as tf

from simone_tf.camera_conventions import location_and_rotation
from simone_tf.cli import command
from simone_tf.cli.console import say
from simone_tf.data.pipeline.batches import evaluation_batches
from simone_tf.errors import UserError, first_line
from simone_tf.evaluation.views.plan import plan_views
from simone_tf.evaluation.views.scene_clips import SceneClips
from simone_tf.evaluation.views.synthesis import ViewSynthesizer
from simone_tf.files import read_json, write_text
from simone_tf.pictures.colours import colour_segments, slot_colours
from simone_tf.pictures.image_files import save_gif, save_png
from simone_tf.pictures.pixels import as_uint8
from simone_tf.pictures.view_figures import views_figure, views_frames
from simone_tf.runs.load import load_run

MODELS = {"simone_vs": "SIMONe-VS", "gqn": "GQN", "nerf_vae": "NeRF-VAE"}
"""Folder of the configurations and of the run, and what a model is called; the first sets the target of the others."""

_MAX_METRICS_BYTES = 2**26


def train_flags(model, target_run):
    """Flags that have a model trained to the log-likelihood of a run; none for the model that sets it."""
    if model == next(iter(MODELS)):
        return []
    metrics = os.path.join(target_run, "evaluation", "metrics.json")
    bound = (
        "objective = @Geco()",
        "Geco.target = @nats_per_pixel_of()",
        f"nats_per_pixel_of.metrics = {metrics!r}",
    )
    return [f"--gin_param={binding}" for binding in bound]


def make_runs(run_dirs, gin_dir, gin_params=(), program=(sys.executable,)):
    """Trains and evaluates what is not there yet.

    Args:
        run_dirs: key of `MODELS` -> folder of the run.
        gin_dir: the folder gin/ of the repository.
        gin_params: further bindings of the trainings, such as where the data lies.
        program: the command that runs Python.

    Raises:
        UserError: a training or an evaluation fails.
    """
    target_run = run_dirs[next(iter(MODELS))]
    for model, run_dir in run_dirs.items():
        flags = [f"--gin_file={os.path.join(gin_dir, model, 'quickstart_views.gin')}", *train_flags(model, target_run)]
        flags += [f"--gin_param={binding}" for binding in gin_params]
        for module, made, further in (
            ("simone_tf.train", "metrics.json", flags),
            ("simone_tf.evaluate", os.path.join("evaluation", "metrics.json"), ["--num_probe_clips=0"]),
        ):
            if os.path.isfile(os.path.join(run_dir, made)):
                continue
            say(f"{MODELS[model]}: {module} in {run_dir}")
            done = subprocess.run([*program, "-m", module, f"--run_dir={run_dir}", *further], check=False)
            if done.returncode:
                raise UserError(f"{module} of {MODELS[model]} failed: mend what it says, then run the same again.")


def check_alike(runs):
    """Looks whether runs show the same scenes in the same way.

    Raises:
        UserError: their clips are others, or of another size.
    """
    first, *others = runs.values()
    for run in others:
        for what, of in (
            ("held-out clips", lambda run: (run.settings.held_out_clips.data_dir, run.settings.held_out_clips.split)),
            ("frame size", lambda run: run.settings.frame_size),
        ):
            if of(run) != of(first):
                raise UserError(f"{run.run_dir} has other {what} than {first.run_dir}: train both on the same.")


def draw_scenes(runs, num_scenes):
    """Yields for each scene its sheet `[H, W, 3]` and its animation `[M, H, W, 3]`, uint8."""
    first = next(iter(runs.values()))
    scenes = SceneClips(first.settings.held_out_clips)
    tasks, missing = plan_views(first.model, scenes, first.settings.num_frames)
    if not tasks:
        raise UserError(missing)
    task = next((task for task in tasks if task.name == "sweep"), tasks[-1])
    draws = {label: ViewSynthesizer(run.model, run.settings.evaluation_chunk_size) for label, run in runs.items()}
    fields = tuple(dict.fromkeys(name for run in runs.values() for name in run.model.inputs))
    frames, size = 1 + max(task.context + task.unseen), first.settings.frame_size
    for batch in scenes.batches(frames, batch_size=1, frame_size=size, num_clips=num_scenes, fields=fields):
        video = batch["video"][0].numpy()
        rows = {"truth": as_uint8(video[list(task.unseen)])}
        for label, run in runs.items():
            views = draws[label](batch, task).unseen
            rows[label] = as_uint8(views.reconstruction[0].numpy())
            if run.model.num_slots > 1:
                segments = views.segments[0].numpy()
                rows["its segments"] = colour_segments(segments, slot_colours(run.model.num_slots, segments))
        camera = batch["camera"][0].numpy()[list(task.unseen)]
        columns = _directions(camera, scenes.clips.camera_convention)
        seen = as_uint8(video[list(task.context)])
        yield views_figure(seen, rows, columns), views_frames(seen, rows, columns)


def trained_terms(run, num_clips):
    """Means over held-out clips of what the training told of itself: `nats_per_pixel` and KLs, with noise."""
    settings, model = run.settings, run.model
    batches = evaluation_batches(
        settings.held_out_clips,
        batch_size=min(settings.evaluation_batch_size, num_clips),
        num_frames=settings.num_frames,
        num_clips=num_clips,
        fields=model.inputs,
        frame_size=settings.frame_size,
    )
    losses = tf.function(model.losses)
    found = {name: [] for name in model.loss_terms if name == "nats_per_pixel" or _is_kl(name)}
    for number, batch in enumerate(batches):
        if not batch["clip_mask"].numpy().all():  # What fills a batch up is no clip.
            continue
        seed = tf.constant([settings.seed, number])
        terms = losses({name: batch[name] for name in model.inputs}, seed, seed)
        for name, values in found.items():
            values.append(float(terms[name]))
    return {name: float(np.mean(values)) for name, values in found.items() if values}


def table(runs, terms):
    """The scores in Markdown: PSNR and SSIM of unseen views by their evaluations, and the terms of `trained_terms`."""
    tasks = ("between", "beyond", "sweep")
    head = [
        "model",
        *(f"{score} {task}" for task in tasks for score in ("PSNR", "SSIM")),
        "nats per pixel",
        "KL",
        "step",
    ]
    lines = [head, ["---"] * len(head)]
    for label, run in runs.items():
        views = _evaluated(run.run_dir).get("views", {})
        cells = [label]
        for task in tasks:
            scores = views.get(task, {}).get("unseen", {})
            cells += [
                _number(scores.get(score, {}).get("mean"), digits) for score, digits in (("psnr", 2), ("ssim", 3))
            ]
        kl = ", ".join(
            f"{name.removesuffix('_kl')} {value:.1f}" for name, value in terms[label].items() if _is_kl(name)
        )
        lines.append([*cells, _number(terms[label].get("nats_per_pixel"), 3), kl or "-", str(run.step)])
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _evaluated(run_dir):
    path = os.path.join(run_dir, "evaluation", "metrics.json")
    try:
        return read_json(path, _MAX_METRICS_BYTES)
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read ({first_line(error)}): evaluate that run.") from error


def _is_kl(name):
    return name.endswith("_kl") and not name.startswith("weighted_")


def _number(value, digits):
    return "-" if value is None else f"{value:.{digits}f}"


def _directions(camera, convention):
    """Labels of views: the yaw of each in degrees, or their numbers."""
    if convention is None:
        return [f"view {index}" for index in range(len(camera))]
    backward = location_and_rotation(camera, convention)[1][..., :, 2]
    return [f"{yaw:.0f}°" for yaw in np.degrees(np.arctan2(-backward[:, 1], -backward[:, 0]))]


def main(arguments=None):
    """Parses flags, makes the runs, the figure and the table."""
    parser = argparse.ArgumentParser(prog="figure3", description=__doc__.split("\n\n")[0])
    parser.add_argument("--out", required=True, help="folder of the figure, and of runs that are not given")
    for model, label in MODELS.items():
        parser.add_argument(f"--{model}", help=f"run folder of {label} (default: <out>/{model})")
    parser.add_argument("--gin_dir", default="gin", help="the folder of the configurations (default: gin)")
    parser.add_argument("--gin_param", action="append", default=[], help="as for simone_tf.train; repeatable")
    parser.add_argument("--num_scenes", type=int, default=3, help="scenes that are drawn (default: 3)")
    parser.add_argument("--num_clips", type=int, default=160, help="held-out clips of the table (default: 160)")
    flags = parser.parse_args(arguments)
    for name in ("num_scenes", "num_clips"):
        if getattr(flags, name) < 1:
            raise UserError(f"--{name}={getattr(flags, name)} is out of range: choose 1 or more.")
    run_dirs = {model: getattr(flags, model) or os.path.join(flags.out, model) for model in MODELS}
    make_runs(run_dirs, flags.gin_dir, flags.gin_param)
    runs = {MODELS[model]: load_run(run_dir) for model, run_dir in run_dirs.items()}
    check_alike(runs)
    scores = table(runs, {label: trained_terms(run, flags.num_clips) for label, run in runs.items()})
    try:
        os.makedirs(flags.out, exist_ok=True)
        for number, (sheet, moving) in enumerate(draw_scenes(runs, flags.num_scenes)):
            save_png(os.path.join(flags.out, f"figure3_{number}.png"), sheet)
            save_gif(os.path.join(flags.out, f"figure3_{number}.gif"), moving)
        write_text(os.path.join(flags.out, "figure3.md"), scores)
    except OSError as error:
        raise UserError(f"--out={flags.out} cannot be written ({first_line(error)}): choose another folder.") from error
    say(scores)


if __name__ == "__main__":
    command.run(main)
