"""A table over runs: mean +- standard deviation over the seeds of each group, the paper's numbers beside it.

    python tools/compare_runs.py --group=quickstart=runs/quickstart --out=quickstart

Reads the `evaluation/metrics.json` that `python -m simone_tf.evaluate` left in each run, prints the table as Markdown
and, with --out, writes it to <out>.md and <out>.png.
"""

import argparse
import glob
import json
import math
import os
import re
import statistics

from PIL import Image, ImageDraw, ImageFont

from simone_tf.cli import command
from simone_tf.cli.console import say
from simone_tf.errors import UserError, first_line
from simone_tf.evaluation.report import paper
from simone_tf.files import read_json, replacing, write_text

METRICS = os.path.join("evaluation", "metrics.json")
MAX_BYTES = 2**26
MEASURES = {
    ("segmentation", "video_ari_foreground"): "video ARI-F",
    ("segmentation", "video_ari"): "video ARI",
    ("segmentation", "static_ari_foreground"): "ARI-F per frame",
    ("segmentation", "static_ari"): "ARI per frame",
    ("segmentation", "video_miou"): "video mIoU",
    ("segmentation", "video_mbo"): "video mBO",
    ("reconstruction", "mse"): "MSE",
    ("reconstruction", "psnr"): "PSNR, dB",
    ("reconstruction", "nats_per_pixel"): "nats per pixel",
}
"""The rows that are no probes, besides the latents' KLs: table and name in metrics.json -> label."""

MAIN_INPUTS = dict.fromkeys(("f_t", "f_r,f_t", "o_1..K", "o_1..K,t", "o_k", "o_k,t", "o_k,f_t,t"), "mlp")
MAIN_INPUTS |= {"o_j,j!=k": "mlp", "o_j": "mlp", "p_j,j!=k": "mlp"}
"""The probes shown without --all: input -> regressor."""

INPUT_LABELS = {
    "o_j,j!=k": "all other slots",
    "o_j": "one other object's slot",
    "p_j,j!=k": "other objects' true positions",
}
_PROBE_CLIPS = ("num_train_clips", "num_test_clips")
MAIN_MEASURES = ("video_ari_foreground", "static_ari_foreground", "video_miou", "mse", "psnr")


def read_metrics(run_dir):
    """The content of a run's `evaluation/metrics.json`.

    Raises:
        UserError: it is missing, or no such file.
    """
    path = os.path.join(run_dir, METRICS)
    try:
        metrics = read_json(path, MAX_BYTES)
        _check(metrics)
    except FileNotFoundError as error:
        raise UserError(
            f"{path} is missing: evaluate the run first, python -m simone_tf.evaluate --run_dir={run_dir}."
        ) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{path} is not what simone_tf.evaluate writes ({first_line(error)}): evaluate the run again."
        ) from error
    return metrics


def _check(metrics: dict) -> None:
    """Raises ValueError where metrics hold something else than this tool takes from them."""
    tables = [metrics[name] for name in ("run", "segmentation", "reconstruction", "latents")]
    if not all(isinstance(table, dict) for table in tables) or not isinstance(metrics["probes"], list):
        raise ValueError("it has other tables")
    for table, name in measures_of(metrics):
        measure = metrics[table].get(name, {"mean": None})
        if not isinstance(measure, dict) or not _is_score(measure.get("mean", "")):
            raise ValueError(f"its {name} is {json.dumps(measure)[:60]}, not a mean and a standard deviation")
    for row in metrics["probes"]:
        words = ("probe", "target", "input", "regressor")
        if isinstance(row, dict):
            words += ("score",) if row.get("probe") == "attribute" else ("coordinates",)
        if (
            not isinstance(row, dict)
            or not all(isinstance(row.get(word), str) for word in words)
            or not isinstance(row.get("trained_on"), str | None)
            or not all(_is_score(row.get(name)) for name in ("r2_mean", "r2_clock", "score_mean", *_PROBE_CLIPS))
        ):
            raise ValueError(f"one of its probes is {json.dumps(row)[:60]}, not the row of a table")


def _is_score(value):
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return value is None or (number and abs(value) < 1e300 and math.isfinite(value))


def find_runs(folder):
    """The evaluated runs that a folder is or holds, in the order of their names; UserError for none."""
    if os.path.isfile(os.path.join(folder, METRICS)):
        return [folder]
    found = sorted(glob.glob(os.path.join(glob.escape(folder), "*", METRICS)))
    if not found:
        raise UserError(
            f"{folder} holds no evaluated run: name a run's folder, or one of runs, after python -m simone_tf.evaluate."
        )
    return [os.path.dirname(os.path.dirname(path)) for path in found]


def measures_of(metrics: dict) -> dict[tuple[str, str], str]:
    """The rows of a run that are no probes, as `MEASURES`, with one for every kind of latent that has a KL."""
    kls = {
        ("latents", name): f"KL per {name.removesuffix('_kl')}, nats"
        for name in metrics["latents"]
        if name.endswith("_kl")
    }
    return MEASURES | kls


def scores_of(metrics: dict, everything: bool) -> dict:
    """Label -> (value or None, the paper's `Figure` or None) of one run."""
    scores = {}
    for (table, name), label in measures_of(metrics).items():
        if name in metrics[table] and (everything or name in MAIN_MEASURES):
            scores[label] = metrics[table][name]["mean"], None
    for row in metrics["probes"]:
        label = probe_label(row)
        if not everything and (row["probe"] == "attribute") and row["regressor"] != "mlp":
            continue
        if not everything and row["probe"] != "attribute" and MAIN_INPUTS.get(row["input"]) != row["regressor"]:
            continue
        if not everything and row["probe"] == "trajectory" and row["trained_on"] != "all":
            continue
        beside = paper.paper_row(row) if row.get("coordinates") == "world" else None
        scores[label] = row.get("r2_mean", row.get("score_mean")), beside
        if row["probe"] == "camera" and (row["input"], row["regressor"]) == ("f_t", "mlp") and "r2_clock" in row:
            scores[probe_label(row | {"input": "t alone"})] = row["r2_clock"], None
    return scores


def probe_label(row):
    """What a row of `probes` is called, alike in all runs: each may have another camera as its origin."""
    name = INPUT_LABELS.get(row["input"], row["input"])
    if row["probe"] == "attribute":
        score = row["score"].replace("r2", "R²")
        return f"{score} of {row['target']} from {name}" + (", linear" if row["regressor"] == "linear" else "")
    place = "world" if row["coordinates"] == "world" else "a clip's camera"
    what = {"location": "camera location", "orientation": "camera orientation"}.get(row["target"], row["target"])
    further = f", {row['regressor']}" if row["regressor"] != "mlp" else ""
    further += ", trained on moving objects" if row.get("trained_on") == "moving" else ""
    return f"R² of {what} ({place}) from {name}{further}"


def table_of(groups, everything=False, paper_name=None):
    """The table over groups of runs.

    Args:
        groups: dict of name -> list of metrics.
        everything: all scores instead of the main ones.
        paper_name: key of `paper.VIDEO_ARI_FOREGROUND` whose row to show, None for none.

    Returns:
        rows of strings, the first the header: label, a column per group, the paper's.
    """
    scored = {name: [scores_of(metrics, everything) for metrics in runs] for name, runs in groups.items()}
    labels = dict.fromkeys(label for runs in scored.values() for scores in runs for label in scores)
    published = {label: row for runs in scored.values() for scores in runs for label, (_, row) in scores.items() if row}
    if paper_name not in (None, paper.PROBED):
        published = {}
    if paper_name:
        published[MEASURES["segmentation", "video_ari_foreground"]] = paper.VIDEO_ARI_FOREGROUND[paper_name]
    counts = {name: f"{name} ({len(runs)} run{'s' * (len(runs) > 1)})" for name, runs in groups.items()}
    rows = [["", *counts.values(), f"paper ({paper_name or paper.PROBED})"]]
    for label in labels:
        cells = [
            spread([scores[label][0] for scores in runs if label in scores], 5 if label == "MSE" else 3)
            for runs in scored.values()
        ]
        beside = published.get(label)
        rows.append([label, *cells, f"{beside.mean:.3f} ± {beside.std:.3f}" if beside else ""])
    if not any(row[-1] for row in rows[1:]):
        rows = [row[:-1] for row in rows]
    return rows


def spread(values, digits=3):
    """Mean ± sample standard deviation of the values that are there; says so where some are not."""
    there = [value for value in values if value is not None]
    if not there:
        return "none"
    text = f"{statistics.fmean(there):.{digits}f}"
    text = text.removeprefix("-") if not float(text) else text
    if len(there) > 1:
        text += f" ± {statistics.stdev(there):.{digits}f}"
    return text + (f" (of {len(there)})" if len(there) < len(values) else "")


_ALIKE = ("dataset", "split", "num_clips", "probe clips", "frames", "resolution", "ignore_label", "step")


def differences(groups):
    """A sentence for each group whose runs were not evaluated alike, and one if the groups were not."""
    sentences, by_group = [], {}
    for name, runs in groups.items():
        by_group[name] = {what: sorted({_described(metrics, what) for metrics in runs}) for what in _ALIKE}
        parts = [f"{what}: {', '.join(values)}" for what, values in by_group[name].items() if len(values) > 1]
        if parts:
            sentences.append(f"The runs of {name} differ in {'; '.join(parts)}.")
    parts = []
    for what in _ALIKE[:-1]:  # Groups of other steps are what one may want to compare.
        found = {name: " or ".join(values[what]) for name, values in by_group.items()}
        if len(set(found.values())) > 1:
            parts.append(f"{what} ({', '.join(f'{name}: {values}' for name, values in found.items())})")
    if parts:
        sentences.append(f"The groups were not evaluated on the same {'; '.join(parts)}.")
    return sentences


def _described(metrics, what):
    """One of `_ALIKE`, in words."""
    if what == "probe clips":
        # Of the probes' tables the largest: some leave out clips that do not show an object.
        train, test = (max((row.get(name) or 0 for row in metrics["probes"]), default=0) for name in _PROBE_CLIPS)
        return f"{train:g} + {test:g}"
    value = metrics["run"].get(what)
    if what == "dataset":
        # A set that comes with the library is the same wherever the library is.
        return re.sub(r".*[/\\]simone_tf[/\\]data[/\\]embedded[/\\]", "package:", str(value))
    return json.dumps(value)


def as_markdown(rows):
    """The table as Markdown text."""
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]]) + "\n"


def draw(rows, size=17):
    """The table as a picture."""
    font = ImageFont.load_default(size)
    # The font that comes with Pillow has no superscript.
    rows = [[cell.replace("²", "^2") for cell in row] for row in rows]
    gap, pitch = 28, size + 13
    widths = [max(font.getlength(row[column]) for row in rows) for column in range(len(rows[0]))]
    width = int(sum(widths) + gap * (len(widths) + 1))
    image = Image.new("RGB", (width, pitch * len(rows) + 20), (255, 255, 255))
    pen = ImageDraw.Draw(image)
    for number, row in enumerate(rows):
        y = 10 + number * pitch
        if number % 2:
            pen.rectangle((0, y, width, y + pitch - 1), fill=(244, 246, 249))
        x = gap
        for cell, column in zip(row, widths, strict=True):
            pen.text((x, y + pitch // 2), cell, (105, 112, 122) if number == 0 else (32, 36, 42), font, anchor="lm")
            x += column + gap
    return image


def main(arguments=None):
    """Parses flags, prints and writes the table."""
    parser = argparse.ArgumentParser(prog="compare_runs", description=__doc__.split("\n\n")[0])
    parser.add_argument(
        "--group",
        action="append",
        default=[],
        help="NAME=FOLDER[,FOLDER...]: runs, or folders of runs, that are one column; repeatable",
    )
    parser.add_argument("--out", help="writes <out>.md and <out>.png")
    parser.add_argument("--all", action="store_true", help="all scores instead of the main ones")
    parser.add_argument("--paper", choices=tuple(paper.VIDEO_ARI_FOREGROUND), help="the paper's row of Table 1")
    flags = parser.parse_args(arguments)
    if not flags.group:
        raise UserError("--group is missing: name at least one, for example --group=quickstart=runs/quickstart.")
    groups, named, repeated = {}, set(), []
    for group in flags.group:
        name, sign, folders = group.partition("=")
        if not sign or not name or not folders:
            raise UserError(f"--group={group} is not NAME=FOLDER[,FOLDER...], for example quickstart=runs/quickstart.")
        runs = [run for folder in folders.split(",") for run in find_runs(folder)]
        groups.setdefault(name, [])
        for run in runs:
            place = (name, os.path.realpath(run))
            if place in named:
                repeated.append(f"{run} is named twice for {name} and counted once.")
            else:
                named.add(place)
                groups[name].append(read_metrics(run))
    rows = table_of(groups, flags.all, flags.paper)
    text = as_markdown(rows) + "".join(f"\n{sentence}\n" for sentence in (*differences(groups), *repeated))
    say(text)
    if flags.out:
        try:
            write_text(f"{flags.out}.md", text)
            with replacing(f"{flags.out}.png") as temporary:
                draw(rows).save(temporary, "PNG")
        except OSError as error:
            raise UserError(f"{flags.out} cannot be written ({first_line(error)}): choose another --out.") from error
        say(f"Written: {flags.out}.md and {flags.out}.png")


if __name__ == "__main__":
    command.run(main)
