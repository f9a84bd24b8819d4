"""Measures what training on several devices costs beyond the training itself, on the cores of this machine.

    python tools/measure_scaling.py --gin_file=gin/quickstart.gin

Weak scaling: every replica has the same batch, on one device, on two logical devices of one process and on two workers
over the loopback interface, one core and one thread each. Told is the processor time of a replica's step, which other
programs on the machine lengthen far less than the time on the clock; what several replicas take more of it than one
alone is the strategy's own: copies, all-reduces, messages.
"""

import argparse
import dataclasses
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

import benchmark
import launch_local

from simone_tf.cli import command
from simone_tf.cli.console import say
from simone_tf.errors import UserError

REPLICAS = 2
_ROUNDS = 5
_WHAT = {
    "single": "one device",
    "devices": f"{REPLICAS} logical devices, one process",
    "workers": f"{REPLICAS} workers, loopback",
}


def main(argv=None):
    """Prints the table; with `--part` it is one of the processes that are measured."""
    flags = _parser().parse_args(argv)
    if flags.steps < 1:
        raise UserError(f"--steps={flags.steps}: take one step or more.")
    if flags.part:
        _measure(flags)
        return
    words = [f"--gin_file={path}" for path in flags.gin_file] + [f"--gin_param={one}" for one in flags.gin_param]
    words.append(f"--steps={flags.steps}")
    measured = {}
    with tempfile.TemporaryDirectory() as folder:
        for part, what in _WHAT.items():
            say(f"measuring: {what} ...", sys.stderr)
            measured[part] = _measured(part, words, folder)
    say(f"{'':35} {'processor':>12} {'clock':>12}")
    alone = measured["single"]["processor"]
    for part, what in _WHAT.items():
        processor, clock = measured[part]["processor"], measured[part]["clock"]
        over = "" if part == "single" else f"  {processor / alone - 1:+.1%} of processor time"
        say(f"{what:35} {1e3 * processor:9.2f} ms {1e3 * clock:9.2f} ms{over}")
    say(f"\nA replica's step of {measured['single']['clips']} clips, median of {_ROUNDS} x {flags.steps} steps.")


def _parser():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gin_file", action="append", default=[], help="gin file of the model; repeatable")
    parser.add_argument("--gin_param", action="append", default=[], help="one binding; repeatable")
    parser.add_argument("--steps", type=int, default=20, help=f"steps in each of {_ROUNDS} rounds; 20 unless told")
    parser.add_argument("--part", choices=tuple(_WHAT), help=argparse.SUPPRESS)
    parser.add_argument("--out", help=argparse.SUPPRESS)
    return parser


def _measured(part, words, folder):
    """Runs a part in processes of its own; the mean of what they write."""
    out = os.path.join(folder, part)
    program = [sys.executable, os.path.abspath(__file__), *words, f"--part={part}", f"--out={out}"]
    if part == "workers":
        job = launch_local.Job(REPLICAS, program, launch_local.can_isolate())
        job.start()
        code = launch_local.wait_for_end(job)
    else:
        done = subprocess.run(program, capture_output=True, text=True, check=False)
        code = done.returncode
        if code:
            say(done.stderr.rstrip(), sys.stderr)
    if code:
        raise UserError(f"The measurement of {_WHAT[part]} ended with exit code {code}; why stands above.")
    found = []
    for name in sorted(os.listdir(folder)):
        if name.startswith(f"{part}."):
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                found.append(json.load(file))
    return {name: statistics.mean(each[name] for each in found) for name in ("processor", "clock")} | {
        "clips": found[0]["clips"]
    }


def _measure(flags):
    """Takes steps as one process of a part, and writes the seconds of a replica's step to `<out>.<worker>`."""
    index = json.loads(os.environ["TF_CONFIG"])["task"]["index"] if flags.part == "workers" else 0
    cores = sorted(os.sched_getaffinity(0))
    count = REPLICAS if flags.part == "devices" else 1
    os.sched_setaffinity(0, (cores * (index + count))[index : index + count])
    # isort: off
    from simone_tf.cli import quiet_tensorflow  # noqa: F401
    import tensorflow as tf

    # isort: on
    from simone_tf.runs.build import build_step
    from simone_tf.runs.settings import read_settings
    from simone_tf.training.distribution import make_strategy
    from simone_tf.training.workers import Workers

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(count)
    if count > 1:
        cpu = tf.config.list_physical_devices("CPU")[0]
        tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * count)
    strategy = make_strategy(devices=None if count == 1 else [f"CPU:{number}" for number in range(count)])
    workers = Workers(strategy)
    workers.meet()
    settings = read_settings(flags.gin_file, flags.gin_param)
    replicas = strategy.num_replicas_in_sync
    step = build_step(strategy, dataclasses.replace(settings, batch_size=settings.batch_size * replicas))
    batch = benchmark.noise(step.model, settings, settings.batch_size)
    endless = tf.data.Dataset.from_tensors(batch).repeat()
    iterator = iter(strategy.distribute_datasets_from_function(lambda context: endless))
    step.run(iterator, 2)  # traces
    processor, clock = [], []
    for _ in range(_ROUNDS):
        begin = time.process_time(), time.perf_counter()
        step.run(iterator, flags.steps)
        processor.append((time.process_time() - begin[0]) / flags.steps / count)
        clock.append((time.perf_counter() - begin[1]) / flags.steps)
    with open(f"{flags.out}.{index}", "w", encoding="utf-8") as file:
        seconds = {"processor": statistics.median(processor), "clock": statistics.median(clock)}
        json.dump(seconds | {"clips": settings.batch_size}, file)
    workers.part()


if __name__ == "__main__":
    command.run(main, interrupted="nothing was written")
