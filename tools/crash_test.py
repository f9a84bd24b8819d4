"""Kills a training at random moments, restarts it each time, and compares the end with that of one left in peace.

    python tools/crash_test.py --out=runs/crash_test --kills=20 --terms=5

Two runs of the same small model are trained: `whole` in one go; `killed` is ended by SIGKILL in a step, while a
checkpoint is written, in an evaluation or while a summary is flushed, and by SIGTERM, at which it has to save and to
exit with 0. At the end weights, optimizer, best checkpoint, metrics.json and the curves that TensorBoard shows must be
the same, to the bit. Another model is tried by --gin_file and --gin_param.
"""

from simone_tf.cli import quiet_tensorflow  # noqa: F401, I001  (before anything else imports TensorFlow)

import argparse
import itertools
import logging
import os
import pathlib
import queue
import random
import re
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import tensorflow as tf
from tensorboard.backend.event_processing import plugin_event_accumulator

from simone_tf.cli import command
from simone_tf.cli.console import say
from simone_tf.errors import UserError
from simone_tf.files import read_json

GIN_FILE = str(pathlib.Path(__file__).parents[1] / "gin" / "quickstart.gin")
SMALL = (
    "Encoder.conv_channels = 8",
    "Encoder.width = 16",
    "Transformer.mlp_size = 16",
    "PixelDecoder.hidden_size = 16",
    "RandomQueries.num_pixels = 16",
    "batch_size = 2",
    "train.log_every = 5",
    "train.steps_per_loop = 5",
    "train.checkpoint_every = 10",
    "train.evaluate_every = 20",
    "train.num_held_out_clips = 8",
    "train.num_pictures = 1",
)
MOMENTS = ("step", "checkpoint", "evaluation", "summary")
STEPS_PER_END = 40
_MAX_METRICS_BYTES = 2**26
_OF_A_SESSION = ("session_seconds",)
_TIMES = ("train/clips_per_second", "train/input_wait_share")
_LIMIT_SECONDS = 900


class Session:
    """One process that trains; its lines are read as they come."""

    def __init__(self, flags):
        self.lines, self.seen = queue.Queue(), []
        self._process = subprocess.Popen(
            [sys.executable, "-m", "simone_tf.train", *flags],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,  # Ctrl-C is for this tool, which ends the session then.
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self._process.stdout:
            self.seen.append(line.rstrip("\n"))
            self.lines.put(line)

    def logged(self):
        """How many lines of steps were printed."""
        return sum(line.startswith("step ") and "held-out" not in line for line in self.seen)

    def has_ended(self):
        return self._process.poll() is not None

    def end(self, number):
        """Sends a signal, waits and returns the exit code."""
        self._process.send_signal(number)
        return self.wait()

    def wait(self):
        try:
            return self._process.wait(_LIMIT_SECONDS)
        finally:
            if self._process.poll() is None:
                self._process.kill()
                self._process.wait()
            self._reader.join()
            self._process.stdout.close()


def reached(session, run_dir, moment, chance):
    """Waits for a moment of a session; False where it ended before."""
    folder = run_dir / "checkpoints"
    events = _event_bytes(run_dir)
    delay, lines = chance.uniform(0, 0.3), chance.randint(1, 4)
    while not session.has_ended():
        if session.logged() >= lines or moment == "evaluation":
            if moment == "step":
                time.sleep(delay)
                return not session.has_ended()
            if moment == "checkpoint" and _is_being_saved(folder):
                return True
            if moment == "summary" and _event_bytes(run_dir) != events:
                return True
            if moment == "evaluation" and session.logged() and _is_being_scored(run_dir, session):
                time.sleep(delay)
                return not session.has_ended()
        events = _event_bytes(run_dir)
        time.sleep(0.0005)
    return False


def _event_bytes(run_dir):
    return sum(path.stat().st_size for path in run_dir.glob("events.out.tfevents.*"))


def _is_being_saved(folder):
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return False
    return any("_temp" in name or ".tmp" in name for name in names)


def _is_being_scored(run_dir, session):
    """A checkpoint of a step that is scored is there, its score is not."""
    folder = run_dir / "checkpoints"
    steps = [int(match[1]) for path in folder.glob("ckpt-*.index") if (match := re.match(r"ckpt-(\d+)\.", path.name))]
    config = (run_dir / "config.gin").read_text(encoding="utf-8")
    stated = re.search(r"^train\.evaluate_every = (\d+)$", config, re.MULTILINE)
    period = int(stated[1]) if stated else 1
    scored = {int(match[1]) for line in session.seen if (match := re.match(r"step (\d+)/\d+  held-out", line))}
    logged = {int(match[1]) for line in session.seen if (match := re.match(r"step (\d+)/", line))}
    return any(step % period == 0 and step in logged and step not in scored for step in steps)


def crash(run_dir, flags, kills, terms, chance):
    """Ends sessions of a run until all endings are made, then lets it come to its end.

    Raises:
        UserError: a session ended by itself, or SIGTERM did not save and exit with 0.
    """
    endings = [(moment, signal.SIGKILL) for moment, _ in zip(itertools.cycle(MOMENTS), range(kills), strict=False)]
    endings += [("step", signal.SIGTERM)] * terms
    chance.shuffle(endings)
    for number, (moment, how) in enumerate(endings, 1):
        session = Session(flags)
        if not reached(session, run_dir, moment, chance):
            code = session.wait()
            raise UserError(
                f"Session {number} ended by itself with {code} before it was ended in {moment!r}: "
                f"{session.seen[-1] if session.seen else 'it said nothing'}"
            )
        code = session.end(how)
        if how == signal.SIGTERM and code != 0:
            raise UserError(f"Session {number} exited with {code} at SIGTERM: {session.seen[-1]}")
        say(f"{number}/{len(endings)}: {how.name} in {moment}, after {_last_step(session)}")
    finish(flags)


def _last_step(session):
    return next((line.split("  ")[0] for line in reversed(session.seen) if line.startswith("step ")), "no step")


def finish(flags):
    """Trains a run to its end.

    Raises:
        UserError: it fails.
    """
    session = Session(flags)
    code = session.wait()
    if code:
        raise UserError(f"The training exited with {code}: {session.seen[-1] if session.seen else 'it said nothing'}")


def differences(whole, killed):
    """Sentences on what is not the same in two runs; none where all is."""
    found = [f"weights: {name}" for name in _different(_variables(whole), _variables(killed))]
    found += [f"best checkpoint: {name}" for name in _different(_best(whole), _best(killed))]
    found += [f"metrics.json: {name}" for name in _different(_metrics(whole), _metrics(killed))]
    found += [f"TensorBoard: {name}" for name in _different(_curves(whole), _curves(killed))]
    leftovers = [path for path in (killed / "checkpoints").iterdir() if "_temp" in path.name or ".tmp" in path.name]
    return found + [f"left over: {path}" for path in leftovers]


def _different(a, b):
    names = sorted(set(a) | set(b))
    return [name for name in names if name not in a or name not in b or not np.array_equal(a[name], b[name])]


def _variables(run_dir):
    """Every number of the last checkpoint that is trained or counted."""
    path = tf.train.latest_checkpoint(str(run_dir / "checkpoints"))
    reader = tf.train.load_checkpoint(path)
    names = [name for name in reader.get_variable_to_shape_map() if name.endswith("VARIABLE_VALUE")]
    # How often a session saved is counted by TensorFlow and used by nobody.
    values = {name: reader.get_tensor(name) for name in names if not name.startswith("save_counter")}
    return values | {"name of the checkpoint": os.path.basename(path)}


def _best(run_dir):
    return read_json(run_dir / "best" / "best.json", _MAX_METRICS_BYTES)


def _metrics(run_dir):
    found = read_json(run_dir / "metrics.json", _MAX_METRICS_BYTES)
    return {name: value for name, value in found.items() if name not in _OF_A_SESSION}


def _curves(run_dir):
    """What TensorBoard shows: tag -> steps and bytes of its points, in their order; timings by their steps alone."""
    logging.getLogger("tensorboard").setLevel(logging.ERROR)  # It tells of every session that began before the last.
    shown = plugin_event_accumulator.EventAccumulator(str(run_dir), size_guidance={"tensors": 0})
    shown.Reload()
    curves = {}
    for tag in shown.Tags()["tensors"]:
        if tag == "config":  # once a session
            continue
        points = shown.Tensors(tag)
        curves[f"steps of {tag}"] = [point.step for point in points]
        if tag not in _TIMES:
            curves[tag] = [point.tensor_proto.SerializeToString() for point in points]
    return curves


def main(arguments=None):
    """Parses flags, trains both runs, compares."""
    parser = argparse.ArgumentParser(prog="crash_test", description=__doc__.split("\n\n")[0])
    parser.add_argument("--out", required=True, help="new folder of the two runs")
    parser.add_argument("--kills", type=int, default=20, help="how often SIGKILL ends it")
    parser.add_argument("--terms", type=int, default=5, help="how often SIGTERM does")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--gin_file", action="append", help="another configuration than a small quickstart")
    parser.add_argument("--gin_param", action="append", default=[], help="further binding")
    flags = parser.parse_args(arguments)
    for name in ("kills", "terms"):
        if getattr(flags, name) < 0:
            raise UserError(f"--{name}={getattr(flags, name)} is out of range: choose 0 or more.")
    out = pathlib.Path(flags.out)
    if out.exists():
        raise UserError(f"--out={out} is there already: name a new folder.")
    steps = STEPS_PER_END * (flags.kills + flags.terms + 1)
    bindings = (*(SMALL if not flags.gin_file else ()), f"num_steps = {steps}", *flags.gin_param)
    common = [f"--gin_file={path}" for path in flags.gin_file or [GIN_FILE]]
    common += [f"--gin_param={binding}" for binding in bindings]
    finish([f"--run_dir={out / 'whole'}", *common])
    say(f"{out / 'whole'}: {steps} steps in one go")
    crash(out / "killed", [f"--run_dir={out / 'killed'}", *common], flags.kills, flags.terms, random.Random(flags.seed))
    found = differences(out / "whole", out / "killed")
    if found:
        raise UserError(f"Not the same as in one go: {'; '.join(found[:5])} ({len(found)} differences).")
    say(f"Ended {flags.kills} times by SIGKILL and {flags.terms} times by SIGTERM: the same as in one go, to the bit.")


if __name__ == "__main__":
    command.run(main)
