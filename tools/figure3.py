"""Figure 3 of the SIMONe paper: SIMONe-VS, GQN and NeRF-VAE draw the same scenes from all around; a table of scores.

    python tools/figure3.py --out=runs/figure3 --seeds=0,1,2

What is not there yet is trained by gin/<model>/quickstart_views.gin and evaluated: SIMONe-VS first, then the two others
by GECO to the log-likelihood per pixel of its first run's evaluation. The same command again goes on where it was
ended. Written are figure3_<scene>.png and .gif (seen frames; truth and what the first run of each model draws, a column
for each view), the table figure3.md (mean and standard deviation over the seeds), rate_distortion.svg (appendix A.5.1),
and figure3.html, all of it on one page.
"""

from simone_tf.cli import quiet_tensorflow  # noqa: F401, I001  (before anything else imports TensorFlow)

import argparse
import base64
import os
import sys

import numpy as np
import tensorflow as tf
from sweep import Sweep, parse_devices, parse_seeds

from simone_tf.camera_conventions import location_and_rotation
from simone_tf.cli import command
from simone_tf.cli.console import say
from simone_tf.data.pipeline.batches import evaluation_batches
from simone_tf.errors import UserError, first_line
from simone_tf.evaluation.report.report import require_jinja
from simone_tf.evaluation.report.training_curves import logged
from simone_tf.evaluation.views.plan import plan_views
from simone_tf.evaluation.views.scene_clips import SceneClips
from simone_tf.evaluation.views.synthesis import ViewSynthesizer
from simone_tf.files import read_json, write_text
from simone_tf.pictures.colours import colour_segments, slot_colours
from simone_tf.pictures.image_files import encode_gif, encode_png, save_gif, save_png
from simone_tf.pictures.pixels import as_uint8
from simone_tf.pictures.scatter import Series, scatter
from simone_tf.pictures.view_figures import views_figure, views_frames
from simone_tf.runs.load import load_run

MODELS = {"simone_vs": "SIMONe-VS", "gqn": "GQN", "nerf_vae": "NeRF-VAE"}
"""Folder of the configurations and of the run, and what a model is called; the first sets the target of the others."""

EVALUATE_FLAGS = ("--num_probe_clips=0",)
_MAX_METRICS_BYTES = 2**26
_TASKS = ("between", "beyond", "sweep")


def train_params(model, target_run):
    """Bindings that have a model trained to the log-likelihood of a run; none for the model that sets it."""
    if model == next(iter(MODELS)):
        return []
    metrics = os.path.join(target_run, "evaluation", "metrics.json")
    return [
        "objective = @Geco()",
        "Geco.target = @nats_per_pixel_of()",
        f"nats_per_pixel_of.metrics = {metrics!r}",
    ]


def make_runs(out, seeds, gin_dir, gin_params=(), devices=None, given=None, program=(sys.executable,)):
    """Trains and evaluates what is not there yet, one model after the other.

    Args:
        out: folder of the runs, <out>/<model>/seed_<seed>.
        seeds: of each model.
        gin_dir: the folder gin/ of the repository.
        gin_params: further bindings of the trainings, such as where the data lies.
        devices: see `Sweep`.
        given: key of `MODELS` -> folders of runs that are taken as they are.
        program: the command that runs Python.

    Returns:
        dict of key of `MODELS` -> run folders.

    Raises:
        UserError: a training or an evaluation fails.
    """
    made, given = {}, given or {}
    for model, label in MODELS.items():
        if given.get(model):
            made[model] = list(given[model])
            continue
        target = made[next(iter(MODELS))][0] if made else None
        gin_file = os.path.join(gin_dir, model, "quickstart_views.gin")
        folder = os.path.join(out, model)
        os.makedirs(folder, exist_ok=True)
        say(label)
        sweep = Sweep(folder, [gin_file], [*gin_params, *train_params(model, target)], EVALUATE_FLAGS, devices, program)
        failed = sweep.run(seeds)
        if failed:
            raise UserError(
                f"{len(failed)} of {len(seeds)} runs of {label} failed: mend what their logs in {folder} say, then run "
                "the same command again."
            )
        made[model] = [sweep.run_dir(seed) for seed in seeds]
    return made


def check_alike(runs):
    """Looks whether runs show the same scenes in the same way.

    Raises:
        UserError: their clips are others, or of another size.
    """
    first, *others = runs
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
    losses = tf.function(model.losses, autograph=False)
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
    """The scores in Markdown, mean and standard deviation over the runs of a model.

    Args:
        runs: name of a model -> its runs.
        terms: name of a model -> `trained_terms` of each of its runs.
    """
    head = ["model", *(f"{score} {task}" for task in _TASKS for score in ("PSNR", "SSIM")), "nats per pixel", "KL"]
    lines = [[*head, "runs", "steps"], ["---"] * (len(head) + 2)]
    for label, trained in runs.items():
        views = [_evaluated(run.run_dir).get("views", {}) for run in trained]
        cells = [label]
        for task in _TASKS:
            for score, digits in (("psnr", 2), ("ssim", 3)):
                found = [of.get(task, {}).get("unseen", {}).get(score, {}).get("mean") for of in views]
                cells.append(_spread(found, digits))
        nats = [of.get("nats_per_pixel") for of in terms[label]]
        names = list(dict.fromkeys(name for of in terms[label] for name in of if _is_kl(name)))
        kl = [f"{name.removesuffix('_kl')} {_spread([of.get(name) for of in terms[label]], 1)}" for name in names]
        steps = " or ".join(sorted({f"{run.step:,}" for run in trained}))
        lines.append([*cells, _spread(nats, 3), ", ".join(kl) or "-", str(len(trained)), steps])
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def rate_distortion(runs, terms):
    """Appendix A.5.1: what the latents cost against what is left unexplained, as SVG.

    A point for each run as it is now on held-out clips, and the way there as it was logged in training. KLs of all
    latents are added up; they are those of a clip, of GQN those of one view that is drawn.
    """
    series = {}
    for label, trained in runs.items():
        points = [(_kl(of), -of.get("nats_per_pixel", float("nan"))) for of in terms[label]]
        series[label] = Series(points, [_way(run) for run in trained])
    return scatter(series, "rate: KL of all latents, nats", "distortion: -log p(x), nats per pixel")


def _way(run):
    """(KL, distortion) at each logged step of a training."""
    names = [name for name in run.model.loss_terms if _is_kl(name)]
    curves = {name: dict(logged(run.run_dir, f"train/{name}")) for name in ("nats_per_pixel", *names)}
    steps = sorted(set.intersection(*(set(curve) for curve in curves.values())))
    return [(sum(curves[name][step] for name in names), -curves["nats_per_pixel"][step]) for step in steps]


def _kl(terms):
    return sum(value for name, value in terms.items() if _is_kl(name))


def _evaluated(run_dir):
    path = os.path.join(run_dir, "evaluation", "metrics.json")
    try:
        return read_json(path, _MAX_METRICS_BYTES)
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read ({first_line(error)}): evaluate that run.") from error


def _is_kl(name):
    return name.endswith("_kl") and not name.startswith("weighted_")


def _spread(values, digits):
    """Mean and standard deviation of what is there."""
    found = [value for value in values if value is not None]
    if not found:
        return "-"
    mean = f"{np.mean(found):.{digits}f}"
    return mean if len(found) == 1 else f"{mean} ± {np.std(found, ddof=1):.{digits}f}"


def page(scenes, scores, plot):
    """The page with everything, as HTML.

    Args:
        scenes: list of (sheet `[H, W, 3]`, animation `[M, H, W, 3]`), uint8.
        scores: the table in Markdown.
        plot: SVG.
    """
    import jinja2

    rows = [line.strip().strip("|").split("|") for line in scores.splitlines()]
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "figure3.html.j2"), encoding="utf-8") as file:
        template = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined).from_string(file.read())
    pictures = [(_data_uri("png", encode_png(sheet)), _data_uri("gif", encode_gif(moving))) for sheet, moving in scenes]
    return template.render(head=rows[0], rows=rows[2:], scenes=pictures, plot=_data_uri("svg+xml", plot.encode()))


def _data_uri(kind, content):
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


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
        parser.add_argument(
            f"--{model}", action="append", help=f"a run of {label} to take as it is; repeatable (default: trained here)"
        )
    parser.add_argument("--gin_dir", default="gin", help="the folder of the configurations (default: gin)")
    parser.add_argument("--gin_param", action="append", default=[], help="as for simone_tf.train; repeatable")
    parser.add_argument("--num_scenes", type=int, default=3, help="scenes that are drawn (default: 3)")
    parser.add_argument("--num_clips", type=int, default=160, help="held-out clips of the table (default: 160)")
    parser.add_argument("--seeds", default="0", help="of what is trained, for example 0,1,2 (default: 0)")
    parser.add_argument("--devices", help="GPUs, a run at a time on each, for example 0,1 (default: one run at a time)")
    flags = parser.parse_args(arguments)
    require_jinja()
    for name in ("num_scenes", "num_clips"):
        if getattr(flags, name) < 1:
            raise UserError(f"--{name}={getattr(flags, name)} is out of range: choose 1 or more.")
    given = {model: getattr(flags, model) for model in MODELS}
    seeds, devices = parse_seeds(flags.seeds), parse_devices(flags.devices)
    try:
        os.makedirs(flags.out, exist_ok=True)
        made = make_runs(flags.out, seeds, flags.gin_dir, flags.gin_param, devices, given)
    except OSError as error:
        raise UserError(f"--out={flags.out} cannot be made ({first_line(error)}): choose another folder.") from error
    runs = {MODELS[model]: [load_run(run_dir) for run_dir in run_dirs] for model, run_dirs in made.items()}
    check_alike([run for trained in runs.values() for run in trained])
    terms = {label: [trained_terms(run, flags.num_clips) for run in trained] for label, trained in runs.items()}
    scores, plot = table(runs, terms), rate_distortion(runs, terms)
    scenes = list(draw_scenes({label: trained[0] for label, trained in runs.items()}, flags.num_scenes))
    try:
        for number, (sheet, moving) in enumerate(scenes):
            save_png(os.path.join(flags.out, f"figure3_{number}.png"), sheet)
            save_gif(os.path.join(flags.out, f"figure3_{number}.gif"), moving)
        write_text(os.path.join(flags.out, "figure3.md"), scores)
        write_text(os.path.join(flags.out, "rate_distortion.svg"), plot)
        write_text(os.path.join(flags.out, "figure3.html"), page(scenes, scores, plot))
    except OSError as error:
        raise UserError(f"--out={flags.out} cannot be written ({first_line(error)}): choose another folder.") from error
    say(scores)


if __name__ == "__main__":
    command.run(main)
