"""Compiles the training step of a configuration for a TPU that is not there: what memory it takes, and what batch fits.

    python tools/compile_for_tpu.py --gin_file=gin/simone/objects_room.gin --topology=v5e:2x2 --batch_size=1

The step is lowered by TensorFlow (as by tools/lower_step.py) and compiled ahead of time by the compiler of libtpu: for
one core of the topology or, with --data_parallel, for all of them, the clips shared out and the state on each. Nothing
is executed and nothing leaves the machine. It needs `pip install jax libtpu`; the licence of libtpu is Google Cloud's.
"""

# isort: off
from simone_tf.cli import quiet_tensorflow  # noqa: F401  (before anything else imports TensorFlow)

# isort: on

import dataclasses
import importlib.util
import json
import pathlib
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from simone_tf.cli import command
from simone_tf.cli.console import say
from simone_tf.errors import UserError, first_line
from simone_tf.runs.build import build_step
from simone_tf.runs.lowered_step import input_dtype, input_shapes, lowered, measure_names, state_variables
from simone_tf.runs.settings import read_settings
from simone_tf.training.step import TrainingStep

COMPILER = pathlib.Path(__file__).with_name("tpu_compiler.py")
TOPOLOGIES = {
    "v4:2x2x1": 8,
    "v5e:1x1": 1,
    "v5e:2x2": 4,
    "v5e:2x4": 8,
    "v5p:2x2x1": 4,
    "v6e:1x1": 1,
    "v6e:2x2": 4,
    "v6e:2x4": 8,
    "cpu": 1,
}
"""Name -> number of cores; "cpu" is this machine's processor, by jax alone."""

_MOST_CLIPS = 2**16
_OUT_OF_MEMORY = "RESOURCE_EXHAUSTED"
_HEADER = ("clips", "arguments MiB", "temporaries MiB", "total MiB", "of memory", "GFLOP", "compile s", "collectives")


def main(argv: list[str] | None = None, compiler: Callable[..., dict[str, Any]] | None = None) -> None:
    """Reads flags, compiles and prints; `compiler` stands in for `compile_folder` in tests."""
    parser = command.argument_parser(__doc__.split("\n\n")[0])
    parser.add_argument("--topology", choices=tuple(TOPOLOGIES), default="v5e:2x2", help="kind of TPU and its shape")
    parser.add_argument("--batch_size", type=int, help="clips of a step, instead of the configuration's")
    parser.add_argument("--microbatch_size", type=int, help="clips held at a time (default: all of the step)")
    parser.add_argument("--data_parallel", action="store_true", help="for all cores, each with its share of the clips")
    parser.add_argument("--largest_batch", action="store_true", help="look for the largest batch that fits")
    flags = parser.parse_args(argv)
    cores = TOPOLOGIES[flags.topology] if flags.data_parallel else 1
    settings = read_settings(flags.gin_file, flags.gin_param, flags.run_dir)
    batch_size = settings.batch_size if flags.batch_size is None else flags.batch_size
    _check(flags, batch_size, cores)
    if compiler is None:
        check_installed(flags.topology)
        compiler = compile_folder
    # Whole, whatever the batch: its size is that of the arguments. A microbatch stays what it is.
    settings = dataclasses.replace(settings, jit_compile=False, batch_size=batch_size, microbatch_size=None)
    step = build_step(tf.distribute.get_strategy(), settings)
    step.microbatch_size = flags.microbatch_size
    table = Table(", ".join(flags.gin_file) or flags.run_dir, flags, settings)

    def fits(clips: int) -> bool:
        with tempfile.TemporaryDirectory() as folder:
            text = write_step(pathlib.Path(folder), step, dataclasses.replace(settings, batch_size=clips))
            told = compiler(folder, flags.topology, flags.data_parallel)
        table.add(clips, told, text)
        return "refused" not in told

    if not flags.largest_batch:
        fits(batch_size)
    else:
        unit = max(cores, flags.microbatch_size or 1)
        largest = largest_fitting(fits, batch_size, unit)
        if largest is None:
            raise UserError(
                f"Of {flags.topology} a core has too little memory for a batch of {unit}: choose a larger kind, or "
                "train.recompute = 'all'."
            )
        say(f"\nlargest batch that fits: {largest} clips")
    say("\nCompiled, never executed: that it runs there, and how fast, is not shown by this.")


def check_installed(topology: str) -> None:
    """Raises UserError where what compiles for a topology is not installed."""
    needed = ("jax",) if topology == "cpu" else ("jax", "libtpu")
    missing = [name for name in needed if importlib.util.find_spec(name) is None]
    if missing:
        raise UserError(
            f"--topology={topology} needs {' and '.join(missing)}, not installed here: pip install jax libtpu (the "
            "licence of libtpu is Google Cloud's)."
        )


def write_step(folder: pathlib.Path, step: TrainingStep, settings: Any) -> str:
    """Writes a step for `tpu_compiler.py` and returns its text.

    Raises:
        UserError: it cannot be lowered.
    """
    shapes = input_shapes(step, settings)
    text, order = lowered(step, shapes)
    state = state_variables(step)
    (folder / "step.mlir").write_text(text, encoding="utf-8")
    signature = {
        "inputs": [{"shape": list(shape), "dtype": input_dtype(name)} for name, shape in shapes.items()],
        "state": [{"shape": state[name].shape.as_list(), "dtype": state[name].dtype.name} for name in order],
        "measures": len(measure_names(step)),
    }
    (folder / "signature.json").write_text(json.dumps(signature), encoding="utf-8")
    return text


def compile_folder(folder: str, topology: str, data_parallel: bool) -> dict[str, Any]:
    """What `tpu_compiler.py` says of a written step, in a process of its own.

    Raises:
        UserError: the compiler refused the step for another reason than memory, or died.
    """
    line = [sys.executable, str(COMPILER), folder, f"--topology={topology}"]
    line += ["--data_parallel"] if data_parallel else []
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no word"])[-1]
        raise UserError(
            f"The compiler for {topology} ended with code {done.returncode} ({first_line(ValueError(last))})."
        )
    told = json.loads(done.stdout.splitlines()[-1])
    if "refused" in told and _OUT_OF_MEMORY not in told["refused"]:
        said = first_line(ValueError(told["refused"]))
        raise UserError(f"The compiler for {topology} cannot compile the step ({said}).")
    return told


def largest_fitting(fits: Callable[[int], bool], first: int, unit: int) -> int | None:
    """The largest multiple of `unit` that fits, by doubling from `first` and halving the rest; None if none does."""
    fitting, too_large = 0, None
    clips = first
    while too_large is None and clips <= _MOST_CLIPS:
        if fits(clips):
            fitting, clips = clips, 2 * clips
        else:
            too_large = clips
    if too_large is None:
        return fitting
    while too_large - fitting > unit:
        clips = fitting + (too_large - fitting) // (2 * unit) * unit or unit
        if fits(clips):
            fitting = clips
        else:
            too_large = clips
    return fitting or None


def calls_in(text: str) -> tuple[list[str], list[str]]:
    """The custom calls of a lowered step, and of these and its other operations those that ask the host."""
    custom = sorted(set(re.findall(r"custom_call @([\w.]+)", text)))
    host = [name for name in custom if re.search("callback|host|py_func", name, re.IGNORECASE)]
    return custom, host + sorted(set(re.findall(r"stablehlo\.(infeed|outfeed|send|recv)\b", text)))


class Table:
    """Prints a line for every compile, what they have in common before the first."""

    def __init__(self, name: str, flags: Any, settings: Any) -> None:
        clip = f"{settings.num_frames} frames of {settings.frame_size[0]}x{settings.frame_size[1]}"
        held = "" if flags.microbatch_size is None else f", {flags.microbatch_size} at a time"
        again = "" if settings.recompute is None else f", recomputes {settings.recompute}"
        self._head = f"{name}: clips of {clip}{held}, {settings.precision}{again}"
        self._topology = flags.topology
        self._begun = False

    def add(self, clips: int, told: dict[str, Any], text: str) -> None:
        if not self._begun:
            self._begin(told, text)
        if "refused" in told:
            wanted = re.search(r"\(([\d.]+[KMGT])\) exceeds", told["refused"])
            say(f"{clips:5}  does not fit" + (f": {wanted[1]}iB of temporaries alone" if wanted else ""))
            return
        sizes = {part: told[part] / 2**20 for part in ("argument", "output", "alias", "temp", "generated_code")}
        total = sum(sizes.values()) - 2 * sizes["alias"]
        share = f"{total * 2**20 / told['memory']:.1%}" if told["memory"] else "-"
        found = told["collectives"]
        collectives = "?" if found is None else ", ".join(f"{count} {name}" for name, count in found.items()) or "none"
        cells = (
            str(clips),
            _short(sizes["argument"]),
            _short(sizes["temp"]),
            _short(total),
            share,
            "?" if told["flops"] is None else _short(told["flops"] / 1e9),
            f"{told['seconds']:.0f}",
            collectives,
        )
        say("  ".join(cell.rjust(len(name)) for cell, name in zip(cells, _HEADER, strict=True)))

    def _begin(self, told: dict[str, Any], text: str) -> None:
        self._begun = True
        custom, host = calls_in(text)
        memory = f", {told['memory'] / 2**30:.2f} GiB each" if told["memory"] else ""
        say(self._head)
        say(f"{self._topology}: {told['devices']} x {told['kind']}{memory}")
        say(f"custom calls: {', '.join(custom) or 'none'}; calls of the host: {', '.join(host) or 'none'}\n")
        say("  ".join(_HEADER))


def _short(number: float) -> str:
    return f"{number:.3g}" if number < 100 else f"{number:.0f}"


def _check(flags: Any, batch_size: int, cores: int) -> None:
    for name in ("batch_size", "microbatch_size"):
        if getattr(flags, name) is not None and getattr(flags, name) < 1:
            raise UserError(f"--{name}={getattr(flags, name)} is out of range: choose 1 or more.")
    if batch_size % cores:
        raise UserError(f"--batch_size={batch_size} cannot be shared by {cores} cores: choose a multiple of {cores}.")
    if flags.microbatch_size and batch_size % flags.microbatch_size:
        raise UserError(f"--microbatch_size={flags.microbatch_size} does not divide --batch_size={batch_size}.")
    if flags.microbatch_size and cores > 1:
        raise UserError("--microbatch_size divides the batch of one core: leave out --data_parallel.")


if __name__ == "__main__":
    command.run(main, "nothing was written")
