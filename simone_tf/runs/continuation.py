"""Going on with a run: what of its configuration may have changed since, and what would make it another run."""

import fnmatch
import glob
import inspect
import os
import zlib

import simone_tf
from simone_tf.cli.console import say
from simone_tf.config import bindings, gin_files
from simone_tf.errors import UserError, first_line

MAY_CHANGE = (
    # How far, how fast, and what is seen of it.
    "train.num_steps",
    "train.max_minutes",
    "train.clip_norm",
    "train.max_skipped_steps",
    "train.*_every",
    "train.keep_checkpoints",
    "train.num_pictures",
    "train.num_held_out_clips",
    "train.evaluation_batch_size",
    "train.evaluation_chunk_size",
    "Adam.*",
    "Muon.*",
    "WarmupCosine.*",
    # What fits the machine; the noise of later steps may be other noise of the same kind.
    "train.steps_per_loop",
    "train.jit_compile",
    "train.microbatch_size",
    "train.recompute",
    "training_batches.cache",
    "training_batches.shuffle_buffer",
    # Where the same data lies now, and what is done at a damaged record.
    "*.data_dir",
    "*.stand_in",
    "nats_per_pixel_of.*",
    "*.on_corrupt",
)
"""Patterns of the bindings that a run may go on with when they have changed; all others belong to what it is.

So does `train.best_metric`: the best checkpoint that is there was chosen by the old one."""


def check_continuation(run_dir):
    """Compares the configuration that is in use now with the one that a run folder was trained with.

    To be called when everything that is configured was built, by the owner of the folder's lock, and before anything
    is written. A run is what has been started: it has its summaries before its first checkpoint. A `config.gin` by
    itself is no run.

    Args:
        run_dir: the run's folder, which may not exist.

    Raises:
        UserError: a binding differs that is not among `MAY_CHANGE`; names it and both values.
    """
    stored_path = os.path.join(run_dir, gin_files.CONFIG_FILE)
    folder = glob.escape(run_dir)
    traces = ("checkpoints/ckpt-*", "best*/ckpt-*", "events.out.tfevents.*")
    started = any(glob.glob(os.path.join(folder, *trace.split("/"))) for trace in traces)
    if not started or not os.path.isfile(stored_path):
        return
    try:
        with open(stored_path, encoding="utf-8") as file:
            before = bindings.resolved(bindings.read_bindings(file.read()))
    except OSError as error:
        raise UserError(f"{stored_path} cannot be read ({first_line(error)}); check its permissions.") from error
    except (ValueError, SyntaxError) as error:
        raise UserError(
            f"{stored_path} cannot be read ({first_line(error)}); restore it, or move it away if the configuration "
            "given is that of this run."
        ) from error
    now = bindings.resolved(bindings.read_bindings(gin_files.operative_config()))
    # What both name comes first: a part that was exchanged brings arguments of its own along.
    for name in sorted(now, key=lambda name: (name not in before, name)):
        # An argument that the library did not have then had the value that is its default now.
        old = before[name] if name in before else gin_files.default_value(name)
        if old is inspect.Parameter.empty or _plain(old) == _plain(now[name]):
            continue
        if not any(fnmatch.fnmatchcase(name, pattern) for pattern in MAY_CHANGE):
            raise UserError(
                f"The run in {run_dir} was started with {name} = {old!r}, now it is {now[name]!r}: go on with the old "
                "value, or choose another --run_dir."
            )
        if name.endswith(".data_dir"):
            say(f"Going on with other data: {name} was {old!r}, it is {now[name]!r}.")


# Bindings that may differ between the workers that train together: where each has its data.
_OF_ONE_WORKER = ("*.data_dir", "training_batches.cache")


def check_alike(workers):
    """Makes sure that several workers were started with the same configuration and version of the library.

    Without that they would wait for each other in different places.

    Args:
        workers: `Workers`, all of which call this.

    Raises:
        UserError: they were not.
    """
    if workers.count == 1:
        return
    bound = gin_files.configured()
    common = [name for name in bound if not any(fnmatch.fnmatchcase(name, each) for each in _OF_ONE_WORKER)]
    said = repr([(name, _plain(bound[name])) for name in sorted(common)] + [simone_tf.__version__])
    if not workers.is_alike(float(zlib.crc32(said.encode()))):
        raise UserError(
            "The workers were started with different configurations or versions: start the same command on all of "
            f"them; only {' and '.join(_OF_ONE_WORKER)} may differ."
        )


def _plain(value):
    """Lists and tuples compare alike."""
    return tuple(map(_plain, value)) if isinstance(value, list | tuple) else value
