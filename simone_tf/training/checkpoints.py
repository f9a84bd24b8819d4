"""Saving and restoring a run: the last N checkpoints and the best one, resumed only when everything matches."""

import contextlib
import math
import os
import shutil
from collections.abc import Iterator, Mapping
from typing import Any

import tensorflow as tf
from tensorflow.core.protobuf.trackable_object_graph_pb2 import TrackableObjectGraph

from simone_tf.errors import UserError, first_line
from simone_tf.files import LFS_POINTER, mend_folder, read_json, replacing_folder, write_json, write_text
from simone_tf.interrupts import held
from simone_tf.models.scene_model import SceneModel
from simone_tf.plain_paths import plain_folder
from simone_tf.training.averaging import WeightAverage
from simone_tf.training.checkpoint_folder import (
    check_room,
    look_into,
    open_for_writing,
    step_of,
    tell_not_whole,
    unwritable,
)
from simone_tf.training.checkpoint_index import NotWhole, check_whole

# The file in the folder of checkpoints that holds the last step at which the run was scored.
_EVALUATED = "evaluated"
# The file beside the best checkpoint that says how good it is.
_BEST, _MAX_BEST_BYTES = "best.json", 2**16


class Checkpoints:
    """Checkpoints of a run under `<run_dir>/checkpoints`, the best one under `<run_dir>/best`.

    Everything that is trained must exist, optimizer slots included, before this is created: restoring an unbuilt model
    leaves fresh weights in silence.

    Args:
        run_dir: the run's folder.
        parts: name -> trackable object (model, optimizer, step, ...); the names are part of the format on disk.
        keep: number of checkpoints kept besides the best.
        best_metric: name of the measure that decides which checkpoint is best; higher is better.

    Raises:
        UserError: if checkpoints that the folder lists are gone, or the folder cannot be read.
    """

    def __init__(
        self,
        run_dir: str | os.PathLike,
        parts: Mapping[str, Any],
        keep: int = 3,
        best_metric: str = "video_ari_foreground",
    ) -> None:
        self._checkpoint = tf.train.Checkpoint(**parts)
        self._num_bytes = sum(_num_bytes(part) for part in parts.values())
        self._folder = os.path.join(run_dir, "checkpoints")
        self._keep = keep
        self._best_dir = os.path.join(run_dir, "best")
        self._evaluated_path = os.path.join(self._folder, _EVALUATED)
        self.best_metric = best_metric
        try:
            self._newest = self._opened()
        except (tf.errors.OpError, OSError) as error:
            raise UserError(
                f"--run_dir={run_dir}: its checkpoints cannot be read or put in order ({first_line(error)}); make the "
                "folder readable and writable, or choose another --run_dir."
            ) from error

    def _opened(self) -> str | None:
        """The name of the newest checkpoint of the folder, which is put in order."""
        newest = open_for_writing(self._folder).newest
        mend_folder(self._best_dir)
        self.best_value()  # A best one that cannot be read is told now, not after the first evaluation.
        return newest

    @property
    def latest(self) -> str | None:
        """Path of the newest checkpoint, None when there is none."""
        return os.path.join(self._folder, self._newest) if self._newest else None

    def restore_latest(self) -> str | None:
        """Restores the newest checkpoint of the run; returns its path, or None when there is none.

        Raises:
            UserError: if the checkpoint is damaged or belongs to another model.
        """
        path = self.latest
        if path is not None:
            with _readable(path) as plain:
                self._checkpoint.restore(plain).assert_consumed()
        return path

    def save(self, step: int) -> None:
        """Saves the run at `step`; older checkpoints beyond `keep` are deleted only after that.

        Raises:
            UserError: if the disk is full or the folder cannot be written; earlier checkpoints stay as they were.
        """
        name = f"ckpt-{step}"
        if self._newest != name:
            with held():
                self._write(self._folder, step, self._keep, self._folder)
                self._newest = name

    def _write(self, folder: str, step: int, keep: int, named: str) -> None:
        """Writes a checkpoint into a folder, which messages call `named`."""
        plain = folder
        try:
            os.makedirs(folder, exist_ok=True)
            check_room(folder, self._num_bytes, named)
            with plain_folder(folder) as plain:
                tf.train.CheckpointManager(self._checkpoint, plain, keep).save(checkpoint_number=step)
        except (tf.errors.OpError, OSError) as error:
            raise unwritable(named, error, plain) from error

    def save_if_best(self, step: int, metrics: Mapping[str, float]) -> bool:
        """Keeps the present weights as the best if `metrics[best_metric]` exceeds the best so far; tells whether."""
        if not self._is_best(metrics):
            return False
        try:
            with replacing_folder(self._best_dir) as folder:
                self._write(folder, step, 1, self._best_dir)
                best = {"step": step, "metric": self.best_metric, "value": metrics[self.best_metric]}
                write_json(os.path.join(folder, _BEST), best)
        except OSError as error:
            raise unwritable(self._best_dir, error) from error
        return True

    def _is_best(self, metrics: Mapping[str, float]) -> bool:
        value = metrics.get(self.best_metric)
        return value is not None and value > self.best_value()

    def best_value(self) -> float:
        """The best value so far, minus infinity when there is none, or its checkpoint is not whole.

        Raises:
            UserError: there is one that cannot be read, so that nobody could tell whether another is better.
        """
        path = os.path.join(self._best_dir, _BEST)
        try:
            if not look_into(self._best_dir).whole:
                return float("-inf")
            return float(read_json(path, _MAX_BEST_BYTES)["value"])
        except (FileNotFoundError, KeyError, TypeError):
            return float("-inf")
        except OSError as error:
            raise UserError(f"{path} cannot be read ({first_line(error)}): check its permissions.") from error
        except ValueError as error:
            if str(error) == LFS_POINTER:
                raise UserError(f"{path}: {LFS_POINTER}.") from error
            return float("-inf")

    def return_to_best(self) -> int:
        """Takes the run back to its best checkpoint, which is restored, and is the only one from then on.

        Returns:
            The step it is back at; where there is no best one, the run stays where it is.

        Raises:
            UserError: the disk is full or the folder cannot be written; the checkpoints stay as they were.
        """
        best = look_into(self._best_dir).newest
        if best is not None and best != self._newest:
            try:
                with held(), replacing_folder(self._folder) as folder:
                    for name in os.listdir(self._best_dir):
                        if name != _BEST and not name.startswith("."):
                            shutil.copy2(os.path.join(self._best_dir, name), folder)
                    self._newest = best
            except OSError as error:
                raise unwritable(self._folder, error) from error
            self.restore_latest()
            self.note_evaluated(step_of(best))
        return step_of(self._newest) if self._newest else 0

    def note_evaluated(self, step: int) -> None:
        """Keeps in mind that the run was scored at `step`, so that a run that goes on need not make up for it.

        Raises:
            UserError: if the note cannot be written.
        """
        try:
            os.makedirs(os.path.dirname(self._evaluated_path), exist_ok=True)
            write_text(self._evaluated_path, f"{step}\n")
        except OSError as error:
            raise unwritable(self._folder, error) from error

    def evaluated_step(self) -> int | None:
        """The last step at which the run was scored, None when there is no such note."""
        try:
            with open(self._evaluated_path, encoding="utf-8") as file:
                return int(file.read(32))
        except (OSError, ValueError):
            return None


def _num_bytes(part: Any) -> int:
    """The bytes of the variables of a part of a checkpoint."""
    variables = [part] if isinstance(part, tf.Variable) else getattr(part, "variables", ())
    return sum(math.prod(variable.shape) * tf.as_dtype(variable.dtype).size for variable in variables)


@contextlib.contextmanager
def _readable(path: str) -> Iterator[str]:
    """Yields a checkpoint's path as TensorFlow finds it; turns what restoring it raises into one sentence."""
    folder, name = os.path.split(path)
    try:
        with plain_folder(folder) as plain:
            yield os.path.join(plain, name)
    except (AssertionError, ValueError, KeyError, tf.errors.InvalidArgumentError) as error:
        raise UserError(
            f"{path} was written by a model of another architecture than the one configured now; use the run "
            "folder's own config.gin, or another --run_dir."
        ) from error
    except NotWhole as error:
        raise UserError(
            f"{path} is damaged: {error}; put its files back, or train on, which goes on from the checkpoint before."
        ) from error
    except (tf.errors.OpError, OSError, IndexError) as error:
        if not _shows_bad_bytes(error):
            raise UserError(
                f"{path} cannot be read ({first_line(error)}), which says nothing against what is in it; make its "
                "files readable, or choose another --run_dir."
            ) from error
        raise UserError(
            f"{path} is damaged: its bytes are not those that were written ({type(error).__name__}); move the files "
            f"{name}.* out of its folder to go on from the checkpoint before, or choose another --run_dir."
        ) from error


def _shows_bad_bytes(error: Exception) -> bool:
    """Whether a checksum or a length denies the bytes, where the index is whole and the data file long enough."""
    bad = isinstance(error, tf.errors.DataLossError | tf.errors.OutOfRangeError | IndexError)
    return bad or "checksum" in str(error).lower()  # which has no class of its own where TensorFlow reads text


def restore_weights(
    run_dir: str | os.PathLike, model: SceneModel, average: WeightAverage | None = None, best: bool = False
) -> tuple[str, int]:
    """Restores what evaluating a run needs, without an optimizer; writes nothing.

    Args:
        run_dir: the run's folder.
        model: built model; holds the averaged weights afterwards where there is an average.
        average: `WeightAverage` of the model, None for a run that kept none.
        best: the best checkpoint instead of the newest.

    Returns:
        (path of the checkpoint, its training step).

    Raises:
        UserError: if there is none, it is damaged, or it belongs to another model.
    """
    folder = os.path.join(run_dir, "best" if best else "checkpoints")
    found = look_into(folder, data=False)
    # What was whole once, as the list says, and is damaged now is told and not passed over: measures of another step
    # than the last would be taken for those. What was never finished is in no list.
    newest = found.named[-1] if found.named and found.named[-1] in found.not_whole else found.newest
    if newest == found.newest:
        tell_not_whole(folder, found)
    if newest is None:
        raise UserError(f"{folder} holds no checkpoint that can be read: train first, or name another --run_dir.")
    path = os.path.join(folder, newest)
    with _readable(path):
        check_whole(path)
    step = tf.Variable(0, dtype=tf.int64, trainable=False)
    parts = {"model": model, "step": step} | ({} if average is None else {"average": average})
    with _readable(path) as plain:
        status = tf.train.Checkpoint(**parts).restore(plain)
        status.expect_partial()  # The optimizer is left where it is.
        status.assert_existing_objects_matched()
        stored = _count_stored(plain, "model")
        if stored != len(model.variables):
            raise ValueError(f"{stored} variables are stored, the model has {len(model.variables)}.")
    if average is not None:
        average.assign_to(model)
    return path, int(step.numpy())


def _count_stored(path: str, part: str) -> int:
    """The number of variables that a checkpoint holds of one of its parts."""
    graph = TrackableObjectGraph.FromString(tf.train.load_checkpoint(path).get_tensor("_CHECKPOINTABLE_OBJECT_GRAPH"))
    found, waiting = set(), [child.node_id for child in graph.nodes[0].children if child.local_name == part]
    while waiting:
        number = waiting.pop()
        if number not in found:
            found.add(number)
            waiting += [child.node_id for child in graph.nodes[number].children]
    return sum(len(graph.nodes[number].attributes) for number in found)
