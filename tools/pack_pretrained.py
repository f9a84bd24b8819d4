"""Packs the weights of a trained run as a pretrained model that can be shipped.

    python tools/pack_pretrained.py --run_dir=runs/quickstart --name=quickstart

Writes <out>/<name>/ with weights.npz, config.gin, card.json and card.md; with the default --out it is then part of the
package: python -m simone_tf.decompose clip.mp4 --pretrained=quickstart. With another --out the folder is named, with a
separator in it: --pretrained=./models/mine. What was packed is read back and has to give
the same results as the run.
"""

import argparse
import os
import re
import shlex

# isort: off
from simone_tf.cli import quiet_tensorflow  # noqa: F401  (before anything else imports TensorFlow)

# isort: on

import numpy as np

import simone_tf
from simone_tf.cli import command
from simone_tf.cli.console import say
from simone_tf.config import bindings
from simone_tf.errors import UserError, first_line
from simone_tf.files import file_sums, read_json, write_json, write_text
from simone_tf.one_writer import replacing_held
from simone_tf.runs import pretrained
from simone_tf.runs.load import load_pretrained, load_run
from simone_tf.runs.weights import save_weights

MAX_BYTES = 5 * 10**6
_MAX_METRICS_BYTES = 2**24
_SAYS_NOTHING_OF_DATA = ("on_corrupt", "stand_in")
_SCORES = (
    "video_ari_foreground",
    "video_ari",
    "static_ari_foreground",
    "static_ari",
    "video_miou",
    "mse",
    "psnr",
)


def pack(run, name, out, *, best=False, train_command=None, notes="", overwrite=False):
    """Writes the folder of a pretrained model.

    Args:
        run: `Run`.
        name: letters, digits, `_` and `-`.
        out: folder that holds pretrained models.
        best: whether the weights are those of the best held-out score, said in the card.
        train_command: the command of the training; by default one that uses the packed config.
        notes: a sentence for the card, such as what the model is not good at.
        overwrite: whether an earlier model of the name is replaced.

    Returns:
        The folder.

    Raises:
        UserError: the name is none, a model of that name is there, the config names folders of this machine, the
            weights are too large, the run has no metrics, or the folder cannot be written.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", name):
        raise UserError(f"--name={name} is no name: use letters, digits, underscores and hyphens.")
    folder = os.path.join(out, name)
    if os.path.lexists(folder) and not (overwrite and os.path.isfile(os.path.join(folder, pretrained.CARD))):
        raise UserError(f"{folder} is there already: choose another --name, or add --overwrite to replace a model.")
    data = _data(run)
    place = _place(folder, out)
    card = {
        "format": pretrained.FORMAT,
        "format_version": pretrained.FORMAT_VERSION,
        "name": name,
        "model": type(run.model).__name__,
        "version": simone_tf.__version__,
        "step": run.step,
        "weights_of": "best held-out score" if best else "last step",
        "averaged_weights": run.settings.average_decay is not None,
        "seed": run.settings.seed,
        "command": train_command
        or f"python -m simone_tf.train --gin_file={shlex.quote(f'{place}/config.gin')} --run_dir=runs/{name}",
        "data": data,
        "num_frames": run.settings.num_frames,
        "frame_size": list(run.settings.frame_size),
        "num_slots": run.model.num_slots,
        "parameters": int(sum(np.prod(variable.shape) for variable in run.model.trainable_variables)),
        "metrics": _metrics(run),
        "notes": notes,
    }
    try:
        with replacing_held(folder, f"{folder} is being written", "choose another --name") as workshop:
            save_weights(os.path.join(workshop, pretrained.WEIGHTS), run.model)
            size = os.path.getsize(os.path.join(workshop, pretrained.WEIGHTS))
            if size > MAX_BYTES:
                raise UserError(f"The weights take {size} bytes, more than the {MAX_BYTES} that are shipped.")
            write_text(os.path.join(workshop, pretrained.CONFIG), run.config)
            card["files"] = file_sums(workshop, pretrained.SUMMED)
            write_json(os.path.join(workshop, pretrained.CARD), card)
            write_text(os.path.join(workshop, pretrained.CARD_TEXT), _card_text(card, place))
            _check(run, workshop)
    except OSError as error:
        raise UserError(f"{folder} cannot be written ({first_line(error)}): choose another --out.") from error
    return folder


def _place(folder, out):
    """The path of the model in its card, as a command takes it; never one of this machine.

    Of a model that becomes part of the package it is seen from the repository, of others from the folder in which they
    are packed, or from the one that holds them where that lies elsewhere.
    """
    if _shipped(out):
        return f"simone_tf/pretrained/{os.path.basename(folder)}"
    below = os.path.relpath(os.path.realpath(folder), os.path.realpath(os.curdir))
    return f"./{os.path.basename(folder) if below.startswith(os.pardir) else below}"


def _shipped(out):
    return os.path.realpath(out) == os.path.realpath(pretrained.SHIPPED)


def _data(run):
    """Reader -> the texts that its bindings say, of training and held-out clips."""
    data = {}
    for name, value in bindings.resolved(bindings.read_bindings(run.config)).items():
        if isinstance(value, str) and (os.path.isabs(value) or value.startswith("~")):
            raise UserError(
                f"The config binds {name} to {value!r}, a folder of this machine: replace it with "
                f'--gin_param="{name} = ..." by one that others have.'
            )
        reader, _, argument = name.rpartition(".")
        names_data = isinstance(value, str) and value and argument not in _SAYS_NOTHING_OF_DATA
        if reader.startswith(("training/", "held_out/")) and names_data:
            data.setdefault(reader, {})[argument] = value
    return data


def _metrics(run):
    """Scores on held-out clips: those of an evaluation of this very step, else those of the run's end."""
    evaluated = _read_json(os.path.join(run.run_dir, "evaluation", "metrics.json"))
    if evaluated is not None and evaluated.get("run", {}).get("step") == run.step:
        tables = {**evaluated.get("segmentation", {}), **evaluated.get("reconstruction", {})}
        scores = {name: {key: tables[name][key] for key in ("mean", "std")} for name in _SCORES if name in tables}
        return {"num_clips": evaluated["run"]["num_clips"], "split": evaluated["run"]["split"], **scores}
    trained = _read_json(os.path.join(run.run_dir, "metrics.json"))
    if trained is None or trained.get("step") != run.step:
        raise UserError(f"{run.run_dir} has no metrics of step {run.step}: evaluate it first (simone_tf.evaluate).")
    scores = {
        name: {"mean": trained[name], "std": trained.get(f"{name}_std")} for name in _SCORES if name in trained
    } | {"mse": {"mean": trained.get("reconstruction_mse"), "std": None}}
    return {"num_clips": trained.get("num_clips"), "split": trained.get("split"), **scores}


def _read_json(path):
    try:
        return read_json(path, _MAX_METRICS_BYTES)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read ({first_line(error)}): evaluate the run again.") from error


def _card_text(card, place):
    named = shlex.quote(place) if place.startswith("./") else card["name"]
    height, width = card["frame_size"]
    lines = [
        f"# {card['name']}",
        "",
        f"A {card['model']} for windows of {card['num_frames']} frames of {height}x{width} pixels with "
        f"{card['num_slots']} slots ({card['parameters']:,} parameters).",
        "",
        f"    python -m simone_tf.decompose clip.gif --pretrained={named}",
        "",
        *(
            ["Paths are seen from the folder in which it was packed, or that holds it.", ""]
            if named != card["name"]
            else []
        ),
        "| | |",
        "|---|---|",
        *(
            f"| {reader.partition('/')[0].replace('_', ' ')} data | {reader.partition('/')[2]}: "
            + ", ".join(f"{key} `{value}`" for key, value in values.items())
            + " |"
            for reader, values in sorted(card["data"].items(), reverse=True)
        ),
        f"| training | `{card['command']}` |",
        f"| seed | {card['seed']} |",
        f"| weights | {card['weights_of']}, step {card['step']:,}"
        f"{', moving average' if card['averaged_weights'] else ''} |",
        f"| version | {card['version']} |",
        *(f"| {name} | {sums['bytes']:,} bytes, SHA-256 `{sums['sha256']}` |" for name, sums in card["files"].items()),
        "",
        f"On {card['metrics']['num_clips']} clips of the split `{card['metrics']['split']}`, mean (and standard "
        "deviation over clips):",
        "",
        "| measure | |",
        "|---|---|",
        *(
            f"| {name} | {_number(value['mean'])}{_in_brackets(value['std'])} |"
            for name, value in card["metrics"].items()
            if isinstance(value, dict)
        ),
        "",
        "It knows scenes like those it was trained on; of other videos it makes something of that kind, or nothing.",
    ]
    return "\n".join(lines + ([card["notes"]] if card["notes"] else [])) + "\n"


def _number(value):
    return "none" if value is None else f"{value:.4f}"


def _in_brackets(value):
    return "" if value is None else f" ({_number(value)})"


def _check(run, folder):
    """What is read back has to do exactly what the run does."""
    num_frames, rng = run.settings.num_frames, np.random.default_rng(0)
    batch = {"video": rng.random((1, num_frames, *run.settings.frame_size, 3), np.float32)}
    batch |= {name: rng.random((1, num_frames, size), np.float32) for name, size in run.model.given.items()}
    again = load_pretrained(folder + os.sep)
    wanted, found = run.model.encode(batch), again.model.encode(batch)
    for name, posterior in wanted.items():
        np.testing.assert_array_equal(np.asarray(posterior.mean), np.asarray(found[name].mean))


def main(arguments=None):
    """Parses flags, reads the run, packs it."""
    parser = argparse.ArgumentParser(prog="pack_pretrained", description=__doc__.split("\n\n")[0])
    parser.add_argument("--run_dir", required=True, help="folder of a trained run")
    parser.add_argument("--name", required=True, help="name of the pretrained model")
    parser.add_argument("--out", default=pretrained.SHIPPED, help="folder that holds pretrained models")
    parser.add_argument("--best", action="store_true", help="the best checkpoint instead of the newest")
    parser.add_argument("--command", help="the command of the training; by default one that uses the packed config")
    parser.add_argument("--notes", default="", help="a sentence for the card")
    parser.add_argument("--overwrite", action="store_true", help="replace an earlier model of the name")
    parser.add_argument(
        "--gin_param", action="append", default=[], help="one binding that wins over the run's config; repeatable"
    )
    flags = parser.parse_args(arguments)
    run = load_run(flags.run_dir, flags.gin_param, flags.best)
    folder = pack(
        run,
        flags.name,
        flags.out,
        best=flags.best,
        train_command=flags.command,
        notes=flags.notes,
        overwrite=flags.overwrite,
    )
    size = os.path.getsize(os.path.join(folder, pretrained.WEIGHTS))
    say(f"{folder} is packed: step {run.step}, {size:,} bytes of weights.")
    named = flags.name if _shipped(flags.out) else shlex.quote(os.path.join(os.curdir, folder))
    say(f"Use it with --pretrained={named}")


if __name__ == "__main__":
    command.run(main, interrupted="nothing was written")
