"""Measures what a configuration costs on this machine: operations, time and memory of a training step and evaluation.

    python tools/benchmark.py --gin_file=gin/quickstart.gin

`--gin_file`, `--gin_param` and `--run_dir` are those of `python -m simone_tf.train`; nothing is written. Training,
evaluation and the input pipeline are each measured in a process of their own, so that each peak of memory is its own.
The step is timed on random video, which costs the same as any other, and alternately with large matrix products: the
share of their rate that the step reaches then also holds on a machine that is busy with other things.
"""

import dataclasses
import json
import os
import statistics
import subprocess
import sys
import time

# The process that starts the others needs no TensorFlow: what needs it is imported where it is used.
from simone_tf.cli import command
from simone_tf.cli.peak_memory import peak_bytes
from simone_tf.errors import UserError

# [m, k] @ [k, n]: the decoder's own widths at the paper's setting, and a square one. The better of the two counts.
_PRODUCTS = ((8192, 512, 512), (2048, 2048, 2048))
_PRODUCT_FLOPS = 30_000_000_000  # per shape and round
_ROUNDS = 7
_SECONDS = 20.0  # of timed steps, unless --steps says how many
_PIPELINE_SECONDS = 4.0


def main(arguments=None):
    """Measures and prints; with `--part`, measures one part and prints it as JSON (how the tool calls itself)."""
    arguments = sys.argv[1:] if arguments is None else arguments
    parser = command.argument_parser(__doc__.split("\n\n")[0])
    parser.add_argument("--steps", type=int, help="timed training steps (default: about 20 seconds of them)")
    parser.add_argument("--batch_size", type=int, help="clips per step, instead of the configuration's")
    parser.add_argument(
        "--input", action="store_true", help="measure the reader alone, beside the bare cost of reading the same bytes"
    )
    parser.add_argument(
        "--serving", action="store_true", help="measure `segment` of the run's export beside the library's own rate"
    )
    parser.add_argument(
        "--memory", action="store_true", help="measure what microbatches and recomputation make of a step's memory"
    )
    parser.add_argument("--part", choices=tuple(_PARTS), help="measure this alone and print it as JSON")
    flags = parser.parse_args(arguments)
    for name in ("steps", "batch_size"):
        if getattr(flags, name) is not None and getattr(flags, name) < 1:
            raise UserError(f"--{name}={getattr(flags, name)} is out of range: choose 1 or more.")
    if flags.part:
        # Also an unset value is an error in one sentence, which the process that started this one reads.
        from simone_tf.config import gin_files

        with gin_files.errors_in_one_sentence():
            print(json.dumps(_PARTS[flags.part](flags)))
        return
    for part in ("input", "serving"):
        if getattr(flags, part):
            title, rows = _in_own_process(part, arguments)
            print(f"{title}, CPU ({os.cpu_count()} cores)\n")
            for row in rows:
                _print_row(*row)
            return
    if flags.memory:
        _print_memory(arguments if flags.steps else [*arguments, "--steps=2"])
        return
    training = _in_own_process("training", arguments)
    _print_training(training)
    evaluation = _in_own_process("evaluation", arguments)
    _print_row(
        "evaluation, peak memory",
        f"{_gibibytes(evaluation)} (one clip of {training['clip']}, {evaluation['slots']} slots, in chunks of "
        f"{evaluation['chunk_size']} queries, {_seconds(evaluation['seconds'])})",
    )
    try:
        pipeline = _in_own_process("pipeline", arguments)
    except UserError as error:
        _print_row("input pipeline", f"not measured: {error}")
        return
    ratio = pipeline["clips_per_second"] / training["clips_per_second"]
    _print_row(
        "input pipeline",
        f"{pipeline['clips_per_second']:.4g} clips/s alone, {ratio:.1f} x what the step consumes; peak memory "
        f"{_gibibytes(pipeline)}",
    )


def _in_own_process(part, arguments):
    """Calls this tool for one part and returns what it measured.

    Raises:
        UserError: what the part said of the user's mistake, or that the process died.
    """
    duration = "three to four minutes" if part == "input" else "about a minute"
    print(f"measuring: {part} ({duration}) ...", file=sys.stderr, flush=True)
    environment = {"TF_CPP_MIN_LOG_LEVEL": "2", **os.environ}
    line = [sys.executable, os.path.abspath(__file__), *arguments, f"--part={part}"]
    done = subprocess.run(line, env=environment, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return json.loads(done.stdout.splitlines()[-1])
    mistakes = [line.removeprefix("Error: ") for line in done.stderr.splitlines() if line.startswith("Error: ")]
    if mistakes:
        raise UserError(mistakes[-1])
    print(done.stderr, file=sys.stderr)
    raise UserError(f"The measurement of {part} ended with code {done.returncode} (-9: out of memory).")


def _print_memory(arguments):
    import step_memory

    own = [argument for argument in arguments if argument != "--memory"]
    print(f"{', '.join(argument for argument in own if not argument.startswith('--steps'))}\n")

    def measure(further):
        return _in_own_process("training", [*own, *further])

    for row in step_memory.rows(measure):
        _print_row(*row)


def _print_training(training):
    print(f"{training['configuration']}\n")
    _print_row("parameters", f"{training['parameters']:,}")
    total = sum(training["flops"].values())
    _print_row("operations per step", f"{total / 1e9:.4g} GFLOP (3 x forward; matrix products and convolutions)")
    for part, flops in training["flops"].items():
        _print_row(f"  {part}", f"{flops / 1e9:.4g} GFLOP, {flops / total:.1%}")
    _print_row("step time", f"{_seconds(training['step_seconds'])} (median, {training['steps']} steps after warm-up)")
    _print_row("clips/s", f"{training['clips_per_second']:.4g}")
    _print_row("achieved", f"{total / training['step_seconds'] / 1e9:.4g} GFLOP/s")
    _print_row("large matrix products", f"{training['product_rate'] / 1e9:.4g} GFLOP/s (float32, between the steps)")
    _print_row("share of their rate", f"{training['share']:.1%}")
    _print_row("training, peak memory", f"{_gibibytes(training)} (without the input pipeline)")


def _print_row(name, value):
    print(f"{name:30} {value}", flush=True)


def _gibibytes(measured):
    return f"{measured['peak_bytes'] / 2**30:.2f} GiB"


def _seconds(seconds):
    return f"{seconds:.3g} s" if seconds >= 1 else f"{seconds * 1e3:.3g} ms"


def _measure_training(flags):
    import tensorflow as tf

    from simone_tf.models.parts.flops import forward_flops
    from simone_tf.models.parts.recomputation import recompute
    from simone_tf.runs.build import build_step
    from simone_tf.training.distribution import make_strategy

    settings = _read_settings(flags)
    strategy = make_strategy()
    step = build_step(strategy, settings)
    batch_size, replicas = settings.batch_size, strategy.num_replicas_in_sync
    batch = noise(step.model, settings, batch_size // replicas)
    iterator = iter(
        strategy.distribute_datasets_from_function(lambda context: tf.data.Dataset.from_tensors(batch).repeat())
    )
    built_bytes = peak_bytes()
    step.run(iterator, 1)  # traces
    num_steps = flags.steps or max(3, round(_SECONDS / _timed(step, iterator, 1)))
    rounds = min(num_steps, _ROUNDS)
    steps_per_round = -(-num_steps // rounds)

    recompute(step.model, None)  # Of a loop it would count one round; the steps are traced by now.
    forward = forward_flops(step.model, {name: (batch_size, *value.shape[1:]) for name, value in batch.items()})
    flops = {part: 3 * count for part, count in forward.items()}
    product_rate = _product_rates()
    next(product_rate)
    seconds, rates, shares = [], [], []
    for _ in range(rounds):
        rates.append(next(product_rate))
        seconds.append(_timed(step, iterator, steps_per_round))
        shares.append(sum(flops.values()) / seconds[-1] / rates[-1])
    step_seconds = statistics.median(seconds)
    device = "GPU" if tf.config.list_logical_devices("GPU") else f"CPU ({os.cpu_count()} cores)"
    clip = f"{settings.num_frames} frames of {settings.frame_size[0]}x{settings.frame_size[1]}"
    return {
        "configuration": f"{', '.join(flags.gin_file) or flags.run_dir}: batch of {batch_size}, clips of {clip}, "
        f"{settings.precision}, {replicas} x {device}",
        "clip": clip,
        "parameters": sum(variable.shape.num_elements() for variable in step.model.trainable_variables),
        "flops": flops,
        "steps": rounds * steps_per_round,
        "step_seconds": step_seconds,
        "clips_per_second": batch_size / step_seconds,
        "product_rate": statistics.median(rates),
        "share": statistics.median(shares),
        "built_bytes": built_bytes,
        "peak_bytes": peak_bytes(),
    }


def noise(model, settings, count):
    """Clips of noise, with all that the model is given."""
    import tensorflow as tf

    shapes = {"video": (*settings.frame_size, 3), **{name: (size,) for name, size in model.given.items()}}
    return {
        name: tf.random.stateless_uniform([count, settings.num_frames, *shape], [0, number])
        for number, (name, shape) in enumerate(shapes.items())
    }


def _timed(step, iterator, num_steps):
    begin = time.perf_counter()
    step.run(iterator, num_steps)
    return (time.perf_counter() - begin) / num_steps


def _product_rates():
    """Endlessly measures the rate of large float32 matrix products, in operations per second."""
    import tensorflow as tf

    pairs = [(tf.random.normal([m, k]), tf.random.normal([k, n])) for m, k, n in _PRODUCTS]

    def rate(left, right):
        flops = 2 * left.shape[0] * left.shape[1] * right.shape[1]
        repeats = -(-_PRODUCT_FLOPS // flops)
        begin = time.perf_counter()
        for _ in range(repeats):
            product = tf.matmul(left, right)
        product[0, 0].numpy()  # waits for a device that works on its own
        return repeats * flops / (time.perf_counter() - begin)

    while True:
        yield max(rate(*pair) for pair in pairs)


def _measure_evaluation(flags):
    import tensorflow as tf

    from simone_tf.runs.build import build_model
    from simone_tf.training.distribution import make_strategy

    settings = _read_settings(flags)
    with make_strategy().scope():
        model = build_model(settings)
    chunk_size = settings.evaluation_chunk_size
    decompose = tf.function(lambda batch: model.decompose(batch, chunk_size), autograph=False)
    batch = noise(model, settings, 1)
    for _ in range(2):  # the first call also traces
        begin = time.perf_counter()
        decompose(batch).segments.numpy()
        seconds = time.perf_counter() - begin
    return {
        "slots": model.num_slots,
        "chunk_size": chunk_size,
        "seconds": seconds,
        "peak_bytes": peak_bytes(),
    }


def _measure_pipeline(flags):
    import tensorflow as tf

    settings = _read_settings(flags)
    batches = settings.batches(
        settings.clips,
        batch_size=settings.batch_size,
        num_frames=settings.num_frames,
        frame_size=settings.frame_size,
        seed=settings.seed,
    )
    iterator = iter(batches)

    @tf.function
    def take(count):
        for _ in tf.range(count):
            next(iterator)

    take(tf.constant(10))  # fills caches and buffers
    num_batches, begin = 0, time.perf_counter()
    while (seconds := time.perf_counter() - begin) < _PIPELINE_SECONDS:
        take(tf.constant(10))
        num_batches += 10
    return {"clips_per_second": num_batches * settings.batch_size / seconds, "peak_bytes": peak_bytes()}


def _measure_input(flags):
    import input_rates

    return input_rates.table(input_rates.measure(_read_settings(flags)))


def _measure_serving(flags):
    import serving_rates

    if not flags.run_dir or flags.gin_file:
        raise UserError("--serving measures a trained run: name its folder with --run_dir, and no --gin_file.")
    return serving_rates.table(serving_rates.measure(flags.run_dir, batch_size=flags.batch_size))


_PARTS = {
    "input": _measure_input,
    "training": _measure_training,
    "evaluation": _measure_evaluation,
    "pipeline": _measure_pipeline,
    "serving": _measure_serving,
}


def _read_settings(flags):
    from simone_tf.runs.settings import read_settings

    settings = read_settings(flags.gin_file, flags.gin_param, flags.run_dir)
    if flags.batch_size is None:
        return settings
    microbatch_size = min(settings.microbatch_size or flags.batch_size, flags.batch_size)
    return dataclasses.replace(settings, batch_size=flags.batch_size, microbatch_size=microbatch_size)


if __name__ == "__main__":
    command.run(main, interrupted="nothing was written")
