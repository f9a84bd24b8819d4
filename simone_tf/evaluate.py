"""`python -m simone_tf.evaluate`: every number and picture that the paper reports for a model, of a trained run."""

# isort: off
from simone_tf.cli import quiet_tensorflow  # noqa: F401  (before anything else imports TensorFlow)

# isort: on
import argparse
import contextlib
import csv
import json
import os
import sys

import numpy as np

from simone_tf.cli import command
from simone_tf.cli.console import say
from simone_tf.cli.progress import clip_progress
from simone_tf.data.formats.reader import ClipReader
from simone_tf.errors import UserError, first_line
from simone_tf.evaluation.measures import clip_scores, measure_clips, summarize, without_nan
from simone_tf.evaluation.probes.probe_data import ProbeSettings
from simone_tf.evaluation.probes.regressors import require_scikit_learn
from simone_tf.evaluation.probes.run_probes import PROBED, PROBES, run_probes
from simone_tf.evaluation.report.gallery import draw_gallery
from simone_tf.evaluation.report.paper import VIDEO_ARI_FOREGROUND
from simone_tf.evaluation.report.report import require_jinja, write_report
from simone_tf.evaluation.report.training_curves import training_curves
from simone_tf.evaluation.shared_clips import shared_file
from simone_tf.files import replacing, write_text
from simone_tf.runs.load import load_run

FOLDER = "evaluation"
MAX_TESTED_CLIPS = 2000
"""The first held-out clips that the probes are tested on; more would cost memory, not change a score."""

_SPLIT_INSTEAD = "the probes are trained on some of the held-out clips and tested on the others."


def evaluate(run, *, num_clips=None, num_probe_clips=1000, num_pictures=12, batch_size=None, paper_name=None, flags=()):
    """Evaluates one run and writes `<run_dir>/evaluation/`.

    Args:
        run: `TrainedRun`.
        num_clips: held-out clips, None for all.
        num_probe_clips: clips of the training split that the probes are trained on; 0 splits the held-out clips.
        num_pictures: held-out clips drawn.
        batch_size: clips measured at a time; None for what the training used.
        paper_name: the paper's dataset that this one stands for, key of `paper.VIDEO_ARI_FOREGROUND`.
        flags: the command's flags, kept in `metrics.json` to tell later how it was made.

    Returns:
        dict as written to `metrics.json`.

    Raises:
        UserError: for anything the user can mend.
    """
    held_out, training = run.settings["held_out_clips"], run.settings["clips"]
    folder = os.path.join(run.run_dir, FOLDER)
    batch_size = batch_size or run.settings["evaluation_batch_size"]
    # What is resumed apart is kept apart.
    test = _measured(run, held_out, os.path.join(folder, "held_out"), num_clips, batch_size, "held-out clips")
    summary = summarize(run, held_out, test, num_clips)
    summary["run"]["flags"] = list(flags)
    shared = shared_file(held_out, training)
    if shared is not None:
        summary["notes"].append(
            f"The held-out clips are clips of the training as well (both are read from {shared}): no score here tells "
            "how the model does on clips that it never saw."
        )
    rows, missing, notes = _probe(run, held_out, training, test, folder, num_clips, num_probe_clips, batch_size, shared)
    summary["not_computed"] += missing
    summary["notes"] += notes
    summary["probes"] = rows
    say("drawing ...")
    figures, explorers = draw_gallery(run, held_out, os.path.join(folder, "figures"), num_pictures)
    summary = without_nan(summary)
    with _told(folder):
        curves = training_curves(run.run_dir)
        _write_tables(folder, summary, clip_scores(test, num_clips))
        write_report(
            os.path.join(folder, "report.html"),
            summary,
            curves=curves,
            figures=figures,
            explorers=explorers,
            config_text=_read_config(run.run_dir),
            paper_name=paper_name,
        )
    return summary


def _probe(run, held_out, training, test, folder, num_clips, num_probe_clips, batch_size, shared):
    """`run_probes`, its training clips measured where there are any; none where they are the held-out ones."""
    num_tested = min(num_clips or MAX_TESTED_CLIPS, MAX_TESTED_CLIPS)
    train, problems = None, []
    if num_probe_clips and _can_probe(held_out):
        if shared is not None:
            return [], [_sharing(held_out, training, shared)], []
        try:
            readable = _can_probe(training)
        except UserError as error:
            readable = False
            problems.append(f"The clips of the training cannot be read ({str(error).rstrip('.')}): {_SPLIT_INSTEAD}")
        if readable:
            train_folder = os.path.join(folder, "probe_training")
            measured = _measured(run, training, train_folder, num_probe_clips, batch_size, "clips for the probes")
            train = measured.load(PROBED, num_probe_clips)
    say("training the probes ...")
    settings = ProbeSettings(seed=run.settings["seed"])
    rows, missing, notes = run_probes(train, test.load(PROBED, num_tested), held_out, settings)
    return rows, problems + missing, notes


def _sharing(held_out, training, path):
    one, other = (f"{clips.data_dir} (split {clips.split!r})" for clips in (training, held_out))
    return (
        f"No probes: their clips to train on, {one}, and the held-out ones, {other}, both come from {path}, so that "
        "they would be tested on clips that they were trained on: name other held-out clips, or divide these by "
        "--num_probe_clips=0."
    )


def main(arguments=None):
    """Parses flags, evaluates each run, prints the main numbers."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--gin_param", action="append", default=[], help="one binding that wins over the run's config; repeatable"
    )
    parser.add_argument("--run_dir", action="append", default=[], help="folder of a trained run; repeatable")
    parser.add_argument("--num_clips", type=int, help="held-out clips to score (default: all)")
    parser.add_argument(
        "--num_probe_clips", type=int, default=1000, help="clips of the training split that the probes are trained on"
    )
    parser.add_argument("--num_pictures", type=int, default=12, help="held-out clips drawn in the report")
    parser.add_argument("--batch_size", type=int, help="clips decoded at a time")
    parser.add_argument("--best", action="store_true", help="the best checkpoint instead of the newest")
    parser.add_argument(
        "--paper", choices=tuple(VIDEO_ARI_FOREGROUND), help="put the paper's row for this dataset beside the numbers"
    )
    flags = parser.parse_args(arguments)
    if not flags.run_dir:
        raise UserError(
            "--run_dir is missing; name the folder of a trained run, for example --run_dir=runs/quickstart."
        )
    for name, least in (("num_clips", 1), ("num_probe_clips", 0), ("num_pictures", 0), ("batch_size", 1)):
        value = getattr(flags, name)
        if value is not None and value < least:
            raise UserError(f"--{name}={value} is out of range: choose {least} or more.")
    require_scikit_learn()
    require_jinja()
    summaries = []
    if len(flags.run_dir) > 1:
        # What is wrong with the last one is not to be told after the hours that the others take.
        for run_dir in flags.run_dir:
            load_run(run_dir, flags.gin_param, flags.best)
    for run_dir in flags.run_dir:
        run = load_run(run_dir, flags.gin_param, flags.best)
        say(f"{run_dir}: step {run.step}")
        summaries.append(
            evaluate(
                run,
                num_clips=flags.num_clips,
                num_probe_clips=flags.num_probe_clips,
                num_pictures=flags.num_pictures,
                batch_size=flags.batch_size,
                paper_name=flags.paper,
                flags=_without_run_dirs(arguments),
            )
        )
        _print_summary(summaries[-1])
        say(f"The report is {os.path.join(run_dir, FOLDER, 'report.html')}\n")
    if len(summaries) > 1:
        _print_over_runs(summaries)


def _measured(run, clips, folder, num_clips, batch_size, what):
    known = num_clips or sum(clips.files.count(shard) for shard in clips.files.shards())
    with clip_progress(what, known) as on_clips:
        store = measure_clips(run, clips, folder, num_clips, batch_size, on_clips=on_clips)
    say(f"{what}: {store.count()} measured")
    return store


def _without_run_dirs(arguments):
    """The flags that an evaluation depends on, as they were given."""
    kept, waiting = [], list(arguments)
    while waiting:
        flag = waiting.pop(0)
        if flag == "--run_dir":
            waiting.pop(0)
        elif not flag.startswith("--run_dir="):
            kept.append(flag)
    return kept


def _can_probe(clips: ClipReader):
    return any(name in clips.fields for name in ("camera", "object_positions", "object_attributes"))


def _write_tables(folder, summary, scores):
    write_text(os.path.join(folder, "metrics.json"), json.dumps(summary, indent=2, allow_nan=False) + "\n")
    rows = [
        {"table": table, "measure": name, **spread}
        for table in ("segmentation", "reconstruction", "latents")
        for name, spread in summary[table].items()
        if isinstance(spread, dict)
    ]
    _write_csv(os.path.join(folder, "measures.csv"), rows)
    for probe in PROBES:
        path = os.path.join(folder, f"{probe}_probes.csv")
        rows = [row for row in summary["probes"] if row["probe"] == probe]
        if rows:
            _write_csv(path, rows)
        elif os.path.exists(path):
            os.remove(path)  # of an evaluation on other data
    _write_csv(
        os.path.join(folder, "clips.csv"),
        [
            {"clip": index, **{name: float(values[index]) for name, values in scores.items()}}
            for index in range(len(scores["mse"]))
        ],
    )


def _write_csv(path, rows):
    with replacing(path) as temporary, open(temporary, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]) if rows else [])
        writer.writeheader()
        writer.writerows(rows)


def _print_summary(summary):
    for table in ("segmentation", "reconstruction"):
        for name, spread in summary[table].items():
            if spread["mean"] is not None:
                say(f"{name:32} {spread['mean']:.4f} +- {spread['std']:.4f}")
    for row in summary["probes"]:
        if "r2_mean" in row:
            name = f"{row['target']} ({row['coordinates']}) from {row['input']}, {row['regressor']}"
            mean, std, shuffled, clock = (
                _number(row[f"r2_{part}"]) for part in ("mean", "std", "shuffled_mean", "clock")
            )
            say(f"{name:62} R2 {mean} +- {std}, shuffled {shuffled}, from t alone {clock}")
        else:
            name = f"{row['target']} from {row['input']}, {row['regressor']}"
            parts = ("mean", "std", "baseline", "shuffled_mean")
            mean, std, baseline, shuffled = (_number(row[f"score_{part}"]) for part in parts)
            say(f"{name:62} {row['score']} {mean} +- {std}, baseline {baseline}, shuffled {shuffled}")
    for sentence in (*summary["notes"], *summary["not_computed"]):
        say(sentence)


def _number(value):
    return "none" if value is None else f"{value:.3f}"


def _print_over_runs(summaries):
    say(f"over {len(summaries)} runs (sample s.d.)")
    for table in ("segmentation", "reconstruction"):
        for name in summaries[0][table]:
            means = [summary[table][name]["mean"] for summary in summaries if name in summary[table]]
            if len(means) == len(summaries) and None not in means:
                say(f"{name:32} {np.mean(means):.4f} +- {np.std(means, ddof=1):.4f}")


def _read_config(run_dir):
    with open(os.path.join(run_dir, "config.gin"), encoding="utf-8") as file:
        return file.read()


@contextlib.contextmanager
def _told(folder):
    try:
        yield
    except OSError as error:
        raise UserError(
            f"{folder} cannot be written ({first_line(error)}): free space, then run the same command again; measured "
            "clips are kept."
        ) from error


if __name__ == "__main__":
    command.run(main)
