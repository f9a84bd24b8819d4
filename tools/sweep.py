"""Trains one gin file with several seeds and evaluates each run.

    python tools/sweep.py --gin_file=gin/quickstart.gin --sweep_dir=runs/quickstart --seeds=0,1,2

Runs go to <sweep_dir>/seed_<seed>, one after the other, or with --devices=0,1 one at a time on each of these GPUs. The
same command again goes on where it was ended: what is trained to the configured last step, and evaluated with the same
flags, is left as it is. A seed that fails is told and the others go on.
"""

import argparse
import inspect
import os
import queue
import subprocess
import sys
import threading

from simone_tf.cli import command
from simone_tf.cli.console import say
from simone_tf.errors import UserError, first_line
from simone_tf.files import read_json

MAX_METRICS_BYTES = 2**26
MAX_SEEDS = 1000
_WAIT_SECONDS = 60


class Sweep:
    """Trains and evaluates seeds, a worker for each device.

    Args:
        sweep_dir: folder of the runs.
        gin_files, gin_params: as for `simone_tf.train`.
        evaluate_flags: further flags for `simone_tf.evaluate`.
        devices: `CUDA_VISIBLE_DEVICES` of each worker; None for one worker on whatever there is.
        program: the command that runs Python.
    """

    def __init__(self, sweep_dir, gin_files, gin_params=(), evaluate_flags=(), devices=None, program=(sys.executable,)):
        self._sweep_dir = sweep_dir
        self._gin_files, self._gin_params = list(gin_files), list(gin_params)
        self._train_flags = [f"--gin_file={path}" for path in gin_files] + [f"--gin_param={one}" for one in gin_params]
        self._evaluate_flags = list(evaluate_flags)
        self._devices = [None] if devices is None else list(devices)
        self._program = list(program)
        self._children = set()
        self._lock = threading.Lock()
        self._ended = False

    def run(self, seeds):
        """Runs all seeds.

        Returns:
            dict of seed -> why it failed, of those that did.
        """
        waiting, failed = queue.Queue(), {}
        for seed in seeds:
            # Here and not by the workers: gin knows one configuration at a time.
            params = [*self._gin_params, f"train.seed = {seed}"]
            waiting.put((seed, trained_step(self.run_dir(seed), self._gin_files, params)))
        workers = [
            threading.Thread(target=self._work, args=(waiting, failed, device), daemon=True) for device in self._devices
        ]
        for worker in workers:
            worker.start()
        try:
            for worker in workers:
                while worker.is_alive():
                    worker.join(0.2)  # A wait without an end would keep Ctrl-C waiting too.
        except KeyboardInterrupt:
            self._end()
            raise
        return failed

    def run_dir(self, seed):
        """Where the run of a seed is."""
        return os.path.join(self._sweep_dir, f"seed_{seed}")

    def _work(self, waiting, failed, device):
        while not self._ended:
            try:
                seed, trained = waiting.get_nowait()
            except queue.Empty:
                return
            problem = self._run_seed(seed, trained, device)
            if problem and not self._ended:
                failed[seed] = problem
                say(f"seed {seed} failed: {problem}", sys.stderr)

    def _run_seed(self, seed, trained, device):
        """Trains, unless the run is `trained` to its last step, and evaluates; returns what went wrong, or None."""
        run_dir = self.run_dir(seed)
        log = os.path.join(self._sweep_dir, f"seed_{seed}.log")
        place = "" if device is None else f" on device {device}"
        if trained is None:
            say(f"seed {seed}: training in {run_dir}{place}, log {log}")
            before = _written(run_dir)
            flags = [*self._train_flags, f"--gin_param=train.seed = {seed}", f"--run_dir={run_dir}"]
            problem = self._call("simone_tf.train", flags, log, device)
            if problem:
                return problem
            if _written(run_dir) == before:
                return "it was told to end before its last step, and has saved what it had"
        evaluated = is_evaluated(run_dir, self._evaluate_flags)
        if trained is not None:
            say(f"seed {seed}: trained already (step {trained}){', evaluated already' if evaluated else ''}")
        if evaluated:
            return None
        say(f"seed {seed}: evaluating{place}")
        return self._call("simone_tf.evaluate", [f"--run_dir={run_dir}", *self._evaluate_flags], log, device)

    def _call(self, module, flags, log, device):
        environment = dict(os.environ)
        if device is not None:
            environment["CUDA_VISIBLE_DEVICES"] = device
        try:
            with open(log, "ab") as output:
                start = output.tell()
                with self._lock:
                    if self._ended:
                        return "ended"
                    child = subprocess.Popen(
                        [*self._program, "-m", module, *flags],
                        stdout=output,
                        stderr=subprocess.STDOUT,
                        env=environment,
                        stdin=subprocess.DEVNULL,
                    )
                    self._children.add(child)
                code = child.wait()
        except OSError as error:
            return f"{log} cannot be written or {module} not be started ({first_line(error)})"
        with self._lock:
            self._children.discard(child)
        return None if code == 0 else f"{module} ended with exit code {code}: {_last_words(log, start)}"

    def _end(self):
        """Ends the processes in order, as they save what they have when they are told."""
        with self._lock:
            self._ended = True
            children = list(self._children)
        for child in children:
            child.terminate()
        for child in children:
            try:
                child.wait(_WAIT_SECONDS)
            except subprocess.TimeoutExpired:
                child.kill()


def _written(run_dir):
    """When the measures of a run were written, which a training that was told to end does not do; None before."""
    try:
        return os.stat(os.path.join(run_dir, "metrics.json")).st_mtime_ns
    except OSError:
        return None


def trained_step(run_dir, gin_files, gin_params):
    """The step of a run that is trained to its configuration's last one; None where training has something to do.

    Also None where the configuration cannot be read or is another than the run's: the training says what is wrong.
    """
    step = _read(run_dir, "metrics.json").get("step")
    if not isinstance(step, int) or not os.path.isfile(os.path.join(run_dir, "checkpoints", f"ckpt-{step}.index")):
        return None
    # TensorFlow comes with it: only for runs that there are.
    from simone_tf.cli import quiet_tensorflow  # noqa: F401, I001  (before anything else imports TensorFlow)

    import gin

    from simone_tf.config import bindings
    from simone_tf.config import gin_files as config

    try:
        config.parse_config(gin_files, gin_params)
        now = bindings.resolved(bindings.read_bindings(gin.config_str()))
        with open(os.path.join(run_dir, config.CONFIG_FILE), encoding="utf-8") as file:
            before = bindings.resolved(bindings.read_bindings(file.read()))
        for name, value in before.items():
            given = _bound(now, name, config.default_value(name))
            if given is not inspect.Parameter.empty and _plain(given) != _plain(value):
                return None
        return step if step == now.get("train.num_steps") else None
    except (UserError, OSError, ValueError, SyntaxError):
        return None


def _bound(bindings, name, default):
    """What gin gives an argument: bindings of its scope, or of one around it, or its default."""
    scope, _, argument = name.rpartition("/")
    while scope:
        if f"{scope}/{argument}" in bindings:
            return bindings[f"{scope}/{argument}"]
        scope = scope.rpartition("/")[0]
    return bindings.get(argument, default)


def _plain(value):
    """Lists and tuples compare alike."""
    return tuple(map(_plain, value)) if isinstance(value, list | tuple) else value


def is_evaluated(run_dir, flags=()):
    """Whether a run was evaluated with these flags since its last checkpoint."""
    run = _read(run_dir, "evaluation", "metrics.json").get("run")
    best = "--best" in flags
    step = _read(run_dir, *(("best", "best.json") if best else ("metrics.json",))).get("step")
    if not isinstance(run, dict) or run.get("flags") != list(flags) or run.get("step") != step:
        return False
    try:
        evaluated = os.stat(os.path.join(run_dir, "evaluation", "metrics.json")).st_mtime_ns
        return evaluated > os.stat(os.path.join(run_dir, "checkpoints", "checkpoint")).st_mtime_ns
    except OSError:
        return False


def _read(*path):
    """The JSON object in a file; an empty one where there is none."""
    try:
        return read_json(os.path.join(*path), MAX_METRICS_BYTES)
    except (OSError, ValueError):
        return {}


def parse_seeds(text):
    """`0,1,2` or `0-4` or both mixed -> list of seeds, each once; UserError for anything else."""
    seeds = {}
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()) or len(first + last) > 9:
            raise UserError(f"--seeds={text} is no list of seeds: write for example 0,1,2 or 0-4.")
        part_seeds = range(int(first), int(last or first) + 1)
        if not part_seeds:
            raise UserError(f"--seeds={text}: {part.strip()} names no seed; write the smaller number first.")
        # A range of any length is no list yet.
        if len(part_seeds) <= MAX_SEEDS:
            seeds |= dict.fromkeys(part_seeds)
        if max(len(part_seeds), len(seeds)) > MAX_SEEDS:
            raise UserError(f"--seeds={text} names more than {MAX_SEEDS:,} seeds: name fewer.")
    return list(seeds)


def parse_devices(text):
    """`0,1` -> list of devices, each once, and None -> None; UserError for anything else."""
    if text is None:
        return None
    devices = [device.strip() for device in text.split(",")]
    if not all(devices) or len(set(devices)) < len(devices):
        raise UserError(f"--devices={text} is no list of devices: write for example 0,1.")
    return devices


def _last_words(log, start):
    """The last line that a process wrote, without the name of its error."""
    with open(log, "rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(start, size - 4096))
        lines = [line for line in file.read().decode(errors="replace").splitlines() if line.strip()]
    return lines[-1].removeprefix("Error: ")[:400] if lines else f"nothing was said, see {log}"


def main(arguments=None):
    """Parses flags, runs the seeds."""
    parser = argparse.ArgumentParser(prog="sweep", description=__doc__.split("\n\n")[0])
    parser.add_argument("--gin_file", action="append", default=[], help="as for simone_tf.train; repeatable")
    parser.add_argument("--gin_param", action="append", default=[], help="as for simone_tf.train; repeatable")
    parser.add_argument("--sweep_dir", help="folder of the runs")
    parser.add_argument("--seeds", default="0,1,2", help="for example 0,1,2 or 0-4")
    parser.add_argument("--devices", help="GPUs, a run at a time on each, for example 0,1 (default: one run at a time)")
    parser.add_argument(
        "--evaluate_flag", action="append", default=[], help="flag for simone_tf.evaluate, --evaluate_flag=--best"
    )
    flags = parser.parse_args(arguments)
    if not flags.gin_file or not flags.sweep_dir:
        missing = "--sweep_dir" if flags.gin_file else "--gin_file"
        raise UserError(f"{missing} is missing, for example --gin_file=gin/quickstart.gin --sweep_dir=runs/quickstart.")
    seeds = parse_seeds(flags.seeds)
    devices = parse_devices(flags.devices)
    try:
        os.makedirs(flags.sweep_dir, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"{flags.sweep_dir} cannot be made ({first_line(error)}): choose another --sweep_dir."
        ) from error
    sweep = Sweep(flags.sweep_dir, flags.gin_file, flags.gin_param, flags.evaluate_flag, devices)
    failed = sweep.run(seeds)
    if failed:
        raise UserError(
            f"{len(failed)} of {len(seeds)} seeds failed ({', '.join(map(str, sorted(failed)))}): mend what their logs "
            "say, then run the same command again."
        )
    say(f"{len(seeds)} seeds are done; compare them: python tools/compare_runs.py --group=seeds={flags.sweep_dir}")


if __name__ == "__main__":
    command.run(main)
