"""An evaluation's tables: as JSON, as CSV files, and as lines to be printed."""

import csv
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from simone_tf.cli.console import say
from simone_tf.evaluation.probes.run_probes import PROBES
from simone_tf.evaluation.report.words import VIEW_SCORES, VIEW_TASKS, VIEWS, kl_in_words
from simone_tf.files import replacing, write_json


def write_tables(folder: str, summary: dict, scores: Mapping[str, np.ndarray]) -> None:
    """Writes `metrics.json` and the CSV files into an evaluation's folder.

    Args:
        folder: the folder, which exists.
        summary: as `measures.summarize` gives it, `probes` added, without NaN.
        scores: as `measures.clip_scores` gives them.

    Raises:
        OSError: a file cannot be written.
    """
    write_json(os.path.join(folder, "metrics.json"), summary)
    rows = [
        {"table": table, "measure": name, **spread}
        for table in ("segmentation", "reconstruction", "latents")
        for name, spread in summary[table].items()
        if isinstance(spread, dict)
    ]
    rows += [{"table": f"views/{task}", **row} for task, row in _view_rows(summary)]
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


def _view_rows(summary: dict) -> list[tuple[str, dict[str, Any]]]:
    """Task and row of every measure of unseen views."""
    return [
        (task, {"measure": f"{what}_{name}", **spread})
        for task, result in summary.get("views", {}).items()
        for what, scores in result.items()
        if isinstance(scores, dict)
        for name, spread in scores.items()
    ]


def _write_csv(path: str, rows: Sequence[Mapping[str, Any]]) -> None:
    with replacing(path) as temporary, open(temporary, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]) if rows else [])
        writer.writeheader()
        writer.writerows(rows)


def print_summary(summary: dict) -> None:
    """Prints the main numbers of an evaluation."""
    for table in ("segmentation", "reconstruction"):
        for name, spread in summary[table].items():
            if spread["mean"] is not None:
                say(f"{name:32} {spread['mean']:.4f} +- {spread['std']:.4f}")
    for task, result in summary.get("views", {}).items():
        unseen, seen = result["unseen_frames"], result["context_frames"]
        frames, were = "frame" if unseen == 1 else "frames", "was" if seen == 1 else "were"
        say(f"{VIEW_TASKS[task]}: {unseen} {frames} drawn after {seen} {were} seen")
        for what in (what for what in VIEWS if what in result):
            values = [
                f"{words} {result[what][name]['mean']:.4f}"
                for name, words in VIEW_SCORES.items()
                if result[what].get(name, {}).get("mean") is not None
            ]
            say(f"  {VIEWS[what]:30} {', '.join(values)}")
    for name, spread in summary["latents"].items():
        if isinstance(spread, dict) and spread["mean"] is not None:
            say(f"{kl_in_words(name):32} {spread['mean']:.4f} +- {spread['std']:.4f}")
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


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.3f}"


def print_over_runs(summaries: Sequence[dict]) -> None:
    """Prints the means and sample deviations over runs of what all of them have."""
    say(f"over {len(summaries)} runs (sample s.d.)")
    for table in ("segmentation", "reconstruction"):
        for name in summaries[0][table]:
            means = [summary[table][name]["mean"] for summary in summaries if name in summary[table]]
            if len(means) == len(summaries) and None not in means:
                say(f"{name:32} {np.mean(means):.4f} +- {np.std(means, ddof=1):.4f}")
