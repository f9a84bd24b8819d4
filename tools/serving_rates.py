"""How fast an export segments batches of clips, beside the library in the same process; for `benchmark.py`.

The run is exported to a temporary folder and read back as a client would. Both get the same float32 clips, as many at a
time as the run's evaluation decodes, and both hand back segments as NumPy arrays. They take turns, so that what else
the machine does slows both. The share is that of the rates by the clock, and of the processor's time for a frame, which
other programs disturb least.
"""

import statistics
import tempfile
import time
from typing import Any

_ROUNDS = 15
_SECONDS = 1.0  # of each in a round


def measure(
    run_dir: str, batch_size: int | None = None, rounds: int = _ROUNDS, seconds: float = _SECONDS
) -> dict[str, Any]:
    """Measures `segment` of an export of a run.

    Args:
        run_dir: the run's folder.
        batch_size: clips at a time, None for what the run was evaluated with.
        rounds: how many times both are measured.
        seconds: of each in a round.

    Returns:
        dict of the median rates in frames/s (`library`, `export`), the export's `shares` of the library's rate by the
        `clock` and by the `processor` (a list over the rounds each), `batch_size`, and the `clip` in words.

    Raises:
        UserError: the run cannot be read.
    """
    import tensorflow as tf

    from simone_tf.runs.load import load_run
    from simone_tf.serving.saved_model import load_export
    from simone_tf.serving.sizes import sizes_of
    from simone_tf.serving.write_export import write_export

    run = load_run(run_dir)
    settings = run.settings
    num_frames, frame_size = settings.num_frames, settings.frame_size
    batch_size = batch_size or settings.evaluation_batch_size
    sizes = sizes_of(run.model, num_frames, frame_size)
    shapes = {"video": (num_frames, *frame_size, 3), **sizes.given_shapes}
    batch = {name: tf.random.stateless_uniform([batch_size, *shape], [0, 0]) for name, shape in shapes.items()}
    chunk_size = settings.evaluation_chunk_size
    decompose = tf.function(lambda batch: run.model.decompose(batch, chunk_size).segments, autograph=False)
    with tempfile.TemporaryDirectory() as folder:
        write_export(f"{folder}/1", run.model, sizes, {})
        export = load_export(f"{folder}/1", names=("segment",))
    calls = {
        "library": lambda: decompose(batch).numpy(),
        "export": lambda: export.loaded.signatures["segment"](**batch)["segments"].numpy(),
    }
    for call in calls.values():
        for _ in range(2):  # the first calls trace and optimize
            call()
    frames = batch_size * num_frames
    rates, costs = {name: [] for name in calls}, {name: [] for name in calls}
    for number in range(rounds):
        # Neither always goes first.
        for name in list(calls)[:: -1 if number % 2 else 1]:
            rate, cost = _measure(calls[name], seconds)
            rates[name].append(rate * frames)
            costs[name].append(cost / frames)
    return {
        **{name: statistics.median(values) for name, values in rates.items()},
        "shares": {
            "clock": [ours / librarys for ours, librarys in zip(rates["export"], rates["library"], strict=True)],
            "processor": [librarys / ours for ours, librarys in zip(costs["export"], costs["library"], strict=True)],
        },
        "batch_size": batch_size,
        "clip": f"{num_frames} frames of {frame_size[0]}x{frame_size[1]}",
    }


def _measure(call, seconds):
    """Calls per second, and the processor's seconds for one, all threads together."""
    count, begin, cpu_begin = 0, time.perf_counter(), time.process_time()
    while (passed := time.perf_counter() - begin) < seconds:
        call()
        count += 1
    return count / passed, (time.process_time() - cpu_begin) / count


def table(measured):
    """What `measure` gives as a title and rows of (name, value)."""
    rows = [(name, f"{measured[name]:.4g} frames/s") for name in ("library", "export")]
    for by, shares in measured["shares"].items():
        rounds = ", ".join(f"{share:.2f}" for share in shares)
        rows.append((f"share, by the {by}", f"{statistics.median(shares):.2f} of the library's (rounds: {rounds})"))
    return f"segment: batch of {measured['batch_size']}, clips of {measured['clip']}", rows
