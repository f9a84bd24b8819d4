"""Measures what training on several devices costs beyond the training itself, on the cores of this machine.

    python tools/measure_scaling.py --gin_file=gin/quickstart.gin

Weak scaling: every replica has the same batch, on one device, on two logical devices of one process and on two workers
over the loopback interface, one core and one thread each. Told is the processor time of a replica's step, which other
programs on the machine lengthen far less than the time on the clock; what several replicas take more of it than one
alone is the strategy's own: copies, all-reduces, messages. Two processes that know nothing of each other tell what the
cores take from one another. The parts take turns, round by round, and each round is compared with that of one device
beside it: a machine's speed drifts by more than what is measured.
"""

import argparse
import contextlib
import dataclasses
import json
import os
import pathlib
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
from simone_tf.files import write_text

REPLICAS = 2
_ROUNDS = 7
_WHAT = {
    "single": "one device",
    "apart": f"{REPLICAS} processes, one device each",
    "devices": f"{REPLICAS} logical devices, one process",
    "workers": f"{REPLICAS} workers, loopback",
}
_ENVIRONMENT = {
    # Each logical device has a thread of its own, as it would have a core's.
    "TF_OVERRIDE_GLOBAL_THREADPOOL": "1",
    # glibc keeps memory for the next step. By default it gives that of further threads back to the system and asks for
    # it anew in every step: the page faults take each of two replicas half as long again, whatever the strategy.
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": "4294967296",
    "MALLOC_TOP_PAD_": "536870912",
}
_POLL_SECONDS = 0.02


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
    os.environ.update(_ENVIRONMENT)  # of the processes that are started
    with tempfile.TemporaryDirectory() as folder:
        measured = _measured_in_turns(words, pathlib.Path(folder))
    say(f"{'':35} {'processor':>12} {'clock':>12}")
    for part, what in _WHAT.items():
        processor, clock = (statistics.median(one[name] for one in measured[part]) for name in ("processor", "clock"))
        beside = [
            own["processor"] / one["processor"] - 1 for own, one in zip(measured[part], measured["single"], strict=True)
        ]
        over = "" if part == "single" else f"  {statistics.median(beside):+.1%} of processor time"
        say(f"{what:35} {1e3 * processor:9.2f} ms {1e3 * clock:9.2f} ms{over}")
    say(f"\nA replica's step of {measured['single'][0]['clips']} clips, median of {_ROUNDS} x {flags.steps} steps.")


def _parser():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gin_file", action="append", default=[], help="gin file of the model; repeatable")
    parser.add_argument("--gin_param", action="append", default=[], help="one binding; repeatable")
    parser.add_argument("--steps", type=int, default=20, help=f"steps in each of {_ROUNDS} rounds; 20 unless told")
    parser.add_argument("--part", choices=tuple(_WHAT), help=argparse.SUPPRESS)
    parser.add_argument("--out", help=argparse.SUPPRESS)
    parser.add_argument("--index", type=int, default=0, help=argparse.SUPPRESS)
    return parser


def _measured_in_turns(words, folder):
    """Part -> what a replica's step took in each round, the mean of its processes."""
    measured = {part: [] for part in _WHAT}
    with contextlib.ExitStack() as stack:
        processes = {part: stack.enter_context(_started(part, words, folder)) for part in _WHAT}
        for number in range(_ROUNDS):
            for part, mine in processes.items():
                (folder / f"{part}.{number}.go").touch()
                written = [folder / f"{part}.{index}.{number}.json" for index in range(len(mine))]
                _wait_for(written, part, mine)
                found = [json.loads(path.read_text(encoding="utf-8")) for path in written]
                measured[part].append({name: statistics.mean(one[name] for one in found) for name in found[0]})
    return measured


@contextlib.contextmanager
def _started(part, words, folder):
    """The processes of a part, ready for their first round; none is left at the end."""
    say(f"starting: {_WHAT[part]} ...", sys.stderr)
    program = [sys.executable, os.path.abspath(__file__), *words, f"--part={part}", f"--out={folder / part}"]
    if part == "workers":
        job = launch_local.Job(REPLICAS, program, launch_local.can_isolate())
        job.start()
        processes, end = job.processes, job.end
    else:
        count = REPLICAS if part == "apart" else 1
        processes = [subprocess.Popen([*program, f"--index={index}"]) for index in range(count)]

        def end():
            for process in processes:
                process.kill()

    try:
        _wait_for([folder / f"{part}.{index}.ready" for index in range(len(processes))], part, processes)
        yield processes
        codes = [process.wait() for process in processes]
        if any(codes):
            raise UserError(f"The measurement of {_WHAT[part]} ended with exit codes {codes}; why stands above.")
    finally:
        end()
        for process in processes:
            process.wait()


def _wait_for(paths, part, processes):
    """Waits until each process has written its file."""
    while True:
        codes = [process.poll() for process in processes]  # First: one that is at its end has written all it will.
        missing = [not path.exists() for path in paths]
        if not any(missing):
            return
        if any(is_missing and code is not None for is_missing, code in zip(missing, codes, strict=True)):
            raise UserError(f"The measurement of {_WHAT[part]} ended with exit codes {codes}; why stands above.")
        time.sleep(_POLL_SECONDS)


def _measure(flags):
    """Takes steps as one process of a part, in its turns: writes a replica's step to `<out>.<worker>.<round>.json`."""
    index = json.loads(os.environ["TF_CONFIG"])["task"]["index"] if flags.part == "workers" else flags.index
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
    folder, part = os.path.split(flags.out)
    parent = os.getppid()
    pathlib.Path(folder, f"{part}.{index}.ready").touch()
    for number in range(_ROUNDS):
        while not os.path.exists(os.path.join(folder, f"{part}.{number}.go")):
            if os.getppid() != parent:
                return  # Nobody gives turns any more.
            time.sleep(_POLL_SECONDS)
        begin = time.process_time(), time.perf_counter()
        step.run(iterator, flags.steps)
        seconds = {
            "processor": (time.process_time() - begin[0]) / flags.steps / count,
            "clock": (time.perf_counter() - begin[1]) / flags.steps,
        }
        write_text(
            os.path.join(folder, f"{part}.{index}.{number}.json"), json.dumps(seconds | {"clips": settings.batch_size})
        )
    workers.part()


if __name__ == "__main__":
    command.run(main, interrupted="nothing was written")
