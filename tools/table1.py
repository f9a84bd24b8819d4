"""Table 1 of the paper in small: SIMONe and its three baselines trained and scored on one set, and drawn side by side.

    python tools/table1.py --out=runs/table1 --seeds=0,1,2

Trains every model with every seed by its gin file, one run after the other, evaluates each and writes to --out:
`table1.md` and `table1.csv` (ARI-F of single frames and of whole clips, mean +- standard deviation over the seeds, with
the paper's figures beside it) and `table1.png` (Figure 4: clips as each model reconstructs and segments them). The same
command again goes on where it was ended. `--smoke` does the whole with two steps of one seed, in <out>/smoke, to see
that it works.
"""

import argparse
import csv
import glob
import io
import os
import time

import numpy as np
from compare_runs import as_markdown, find_runs, read_metrics, spread
from sweep import Sweep, is_evaluated, parse_devices, parse_seeds

from simone_tf.cli import command
from simone_tf.cli.console import say
from simone_tf.config import gin_files
from simone_tf.errors import UserError, first_line
from simone_tf.evaluation.report import paper
from simone_tf.files import read_json, write_text

_GIN = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "gin")
MODELS = {
    "SIMONe": os.path.join(_GIN, "quickstart.gin"),
    "MONet": os.path.join(_GIN, "monet", "quickstart.gin"),
    "Slot Attention": os.path.join(_GIN, "slot_attention", "quickstart.gin"),
    "S-IODINE": os.path.join(_GIN, "sequential_iodine", "quickstart.gin"),
}
"""The rows by default: name -> gin file. The paper's figures stand beside the rows of these names."""

EVALUATE_FLAGS = ("--num_probe_clips=0", "--num_pictures=4")
"""The table has no probes: those that an evaluation makes are then trained on held-out clips, which takes seconds."""

SMOKE_PARAMS = (
    "num_steps = 2",
    "batch_size = 2",
    "train.num_steps = 2",
    "train.batch_size = 2",
    "train.steps_per_loop = 1",
    "train.log_every = 1",
    "train.evaluate_every = 2",
    "train.checkpoint_every = 2",
    "train.num_held_out_clips = 4",
    "train.evaluation_batch_size = 2",
)
SMOKE_EVALUATE_FLAGS = ("--num_clips=4", "--num_probe_clips=0", "--num_pictures=1")

_SETS = {"objects_room": "Objects Room 9", "cater": "CATER", "playroom": "Playroom"}
_MEASURES = {"static": "static_ari_foreground", "video": "video_ari_foreground"}
_MAX_BYTES = 2**26


def folder_of(out, name):
    """Where the runs of a row are: <out>/<its name in small letters>."""
    return os.path.join(out, "".join(letter if letter.isalnum() else "_" for letter in name.lower()))


def train_and_write(models, out, seeds, gin_params, evaluate_flags, devices, num_clips):
    """Trains and evaluates what is not yet, and writes the table of what is there.

    Raises:
        UserError: some runs failed, told after the others are done.
    """
    failed = 0
    for number, (name, gin_file) in enumerate(models.items(), start=1):
        say(f"{name} (model {number} of {len(models)})")
        folder = folder_of(out, name)
        os.makedirs(folder, exist_ok=True)
        begin = time.monotonic()
        failed += len(Sweep(folder, [gin_file], gin_params, evaluate_flags, devices).run(seeds))
        say(f"{name}: {(time.monotonic() - begin) / 60:.1f} minutes")
    # Also the rows that another such command made.
    text = write({**MODELS, **models}, out, evaluate_flags, num_clips)
    if text:
        say(f"\n{text}\nWritten: {os.path.join(out, 'table1')}.md, .csv{' and .png' if num_clips else ''}")
    if failed:
        raise UserError(
            f"{failed} of {len(models) * len(seeds)} runs failed: mend what their logs in {out} say, then run the same "
            "command again."
        )


def evaluated_runs(models, out, evaluate_flags):
    """Name -> folders of the row's runs that are evaluated; rows without any are left out."""
    runs = {}
    for name in models:
        try:
            found = [run for run in find_runs(folder_of(out, name)) if is_evaluated(run, evaluate_flags)]
        except UserError:
            continue
        if found:
            runs[name] = found
    return runs


def tell_left_out(models, out, runs):
    """Says which runs in the folders of rows are not in the table: not evaluated, or not to be read."""
    for name in models:
        there = {os.path.dirname(path) for path in glob.glob(os.path.join(glob.escape(folder_of(out, name)), "*", "*"))}
        missing = sorted(there - set(runs.get(name, [])))
        if missing:
            say(
                f"Not in the table: {', '.join(missing)}, not trained to its end, not evaluated by this tool, or "
                f"with a metrics.json that cannot be read. --model={name!r} goes on with it."
            )


def table_of(runs):
    """The table over runs.

    Args:
        runs: dict of name -> list of run folders.

    Returns:
        rows of strings, the first the header.
    """
    columns = [f"{what}, {kind}" for what in ("here", *_SETS.values()) for kind in _MEASURES]
    rows = [["ARI-F", *columns, "runs", "steps", "parameters", "minutes of a run's last session"]]
    for model, folders in runs.items():
        scores = [read_metrics(folder)["segmentation"] for folder in folders]
        here = [[score[name]["mean"] for score in scores if name in score] for name in _MEASURES.values()]
        trained = [read_json(os.path.join(folder, "metrics.json"), _MAX_BYTES) for folder in folders]
        minutes = [one["session_seconds"] / 60 for one in trained]
        rows.append(
            [
                model,
                *map(spread, here),
                *(_published(model, data, kind) for data in _SETS for kind in _MEASURES),
                str(len(folders)),
                " or ".join(sorted({f"{one['step']:,}" for one in trained})),
                " or ".join(sorted({f"{one['parameters']:,}" for one in trained})),
                f"{np.mean(minutes):.1f}",
            ]
        )
    return rows


def _published(name, data, kind):
    """The paper's figure for a row, as text; an empty one where it has none."""
    if kind == "static":
        row = paper.STATIC_ARI_FOREGROUND[data].get(name)
    else:
        row = ({"SIMONe": paper.VIDEO_ARI_FOREGROUND[data]} | paper.OTHER_MODELS[data]).get(name)
    return f"{row.mean:.3f} ± {row.std:.3f}" if row else ""


def as_csv(runs):
    """A line for each run: model, seed, step, both scores."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["model", "seed", "step", *_MEASURES.values()])
    for name, folders in runs.items():
        for folder in folders:
            metrics = read_metrics(folder)
            scores = [metrics["segmentation"].get(measure, {}).get("mean") for measure in _MEASURES.values()]
            writer.writerow([name, metrics["run"].get("seed"), metrics["run"].get("step"), *scores])
    return text.getvalue()


def draw(runs, num_clips):
    """The first held-out clips by the first run of every row, `[H', W', 3]` uint8, one below the other."""
    # TensorFlow comes with these.
    from simone_tf.cli import quiet_tensorflow  # noqa: F401, I001  (before anything else imports TensorFlow)

    from simone_tf.data.pipeline.batches import evaluation_batches
    from simone_tf.evaluation.held_out import HeldOut
    from simone_tf.pictures.figures import comparison_figure
    from simone_tf.runs.load import load_run

    clips, models = [], [{} for _ in range(num_clips)]
    for name, folders in runs.items():
        run = load_run(folders[0])
        settings = run.settings
        batches = evaluation_batches(
            settings.held_out_clips,
            batch_size=1,
            num_frames=settings.num_frames,
            frame_size=settings.frame_size,
            num_clips=num_clips,
            fields=(*run.model.inputs, "segments"),
        )
        drawn = HeldOut(run.model, batches, settings.evaluation_chunk_size).first_clips(num_clips)
        clips = clips or [parts.clip for parts in drawn]
        for parts, row in zip(drawn, models, strict=True):
            row[name] = (parts.decomposition.reconstruction, parts.decomposition.segments)
    sheets = [
        comparison_figure(clip["video"], row, segments=clip["segments"])
        for clip, row in zip(clips, models, strict=True)
    ]
    return np.concatenate(sheets, axis=1)


def write(models, out, evaluate_flags, num_clips):
    """Writes the table and the picture of what is evaluated; returns the table as Markdown, None for no run."""
    from simone_tf.pictures.image_files import save_png

    runs = evaluated_runs(models, out, evaluate_flags)
    tell_left_out(models, out, runs)
    if not runs:
        return None
    text = as_markdown(table_of(runs))
    try:
        write_text(os.path.join(out, "table1.md"), text)
        write_text(os.path.join(out, "table1.csv"), as_csv(runs))
        if num_clips:
            save_png(os.path.join(out, "table1.png"), draw(runs, num_clips))
    except OSError as error:
        raise UserError(f"{out} cannot be written ({first_line(error)}): choose another --out.") from error
    return text


def _models(given):
    """`NAME=GIN_FILE` each -> dict; those of `MODELS` for none given, and a name of `MODELS` alone for its own file."""
    models = {}
    for one in given:
        name, sign, gin_file = one.partition("=")
        if not sign and name in MODELS:
            gin_file = MODELS[name]
        if not name or not gin_file:
            raise UserError(
                f"--model={one} is not NAME=GIN_FILE, for example --model='MONet=gin/monet/quickstart.gin', nor one of "
                f"{', '.join(MODELS)}."
            )
        if name in models or folder_of("", name) in [folder_of("", other) for other in models]:
            raise UserError(f"--model={one}: {name} is named twice, or has another's folder: choose other names.")
        models[name] = gin_file
    return models or MODELS


def main(arguments=None):
    """Parses flags, runs everything."""
    parser = argparse.ArgumentParser(prog="table1", description=__doc__.split("\n\n")[0])
    parser.add_argument("--out", help="folder of the runs and of the table")
    parser.add_argument("--seeds", default="0,1,2", help="for example 0,1,2 or 0-4")
    parser.add_argument(
        "--model", action="append", default=[], help=f"NAME=GIN_FILE, or one of {', '.join(MODELS)}; repeatable"
    )
    parser.add_argument("--gin_param", action="append", default=[], help="a binding for every model; repeatable")
    parser.add_argument("--devices", help="GPUs, a run at a time on each, for example 0,1 (default: one run at a time)")
    parser.add_argument("--num_clips", type=int, default=2, help="clips of the picture; 0 for none")
    parser.add_argument(
        "--smoke",
        action="store_true",
        help="two steps of each model with one seed, in <out>/smoke, to see that it works",
    )
    flags = parser.parse_args(arguments)
    if not flags.out:
        raise UserError("--out is missing, for example --out=runs/table1.")
    if flags.num_clips < 0:
        raise UserError(f"--num_clips={flags.num_clips} is out of range: choose 0 or more.")
    models = _models(flags.model)
    seeds = parse_seeds(flags.seeds)
    devices = parse_devices(flags.devices)
    params, evaluate_flags, out = flags.gin_param, EVALUATE_FLAGS, flags.out
    if flags.smoke:
        # Runs of other sizes, which no run of the real table can go on from.
        out = os.path.join(out, "smoke")
        seeds, params, evaluate_flags = seeds[:1], [*params, *SMOKE_PARAMS], SMOKE_EVALUATE_FLAGS
    for gin_file in models.values():  # Not when the models before it are trained.
        gin_files.check_names([gin_file], params)
    try:
        os.makedirs(out, exist_ok=True)
    except OSError as error:
        raise UserError(f"{flags.out} cannot be made ({first_line(error)}): choose another --out.") from error
    train_and_write(models, out, seeds, params, evaluate_flags, devices, flags.num_clips)


if __name__ == "__main__":
    command.run(main)
