"""Saving and restoring a run: the last N checkpoints and the best one, resumed only when everything matches."""

import contextlib
import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

import tensorflow as tf
from tensorflow.core.protobuf.trackable_object_graph_pb2 import TrackableObjectGraph

from simone_tf.errors import UserError, first_line
from simone_tf.files import LFS_POINTER, mend_folder, read_json, replacing, replacing_folder, write_json, write_text
from simone_tf.models.scene_model import SceneModel
from simone_tf.training.averaging import WeightAverage

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
        folder = os.path.join(run_dir, "checkpoints")
        self._best_dir = os.path.join(run_dir, "best")
        self._evaluated_path = os.path.join(folder, _EVALUATED)
        self.best_metric = best_metric
        try:
            _mend_list(folder)
            self._latest = tf.train.CheckpointManager(self._checkpoint, folder, keep)
            mend_folder(self._best_dir)
        except (tf.errors.OpError, OSError) as error:
            raise UserError(
                f"--run_dir={run_dir}: its checkpoints cannot be read or put in order ({first_line(error)}); make the "
                "folder readable and writable, or choose another --run_dir."
            ) from error

    @property
    def latest(self) -> str | None:
        """Path of the newest checkpoint, None when there is none."""
        return self._latest.latest_checkpoint

    def restore_latest(self) -> str | None:
        """Restores the newest checkpoint of the run; returns its path, or None when there is none.

        Raises:
            UserError: if the checkpoint is damaged or belongs to another model.
        """
        path = self.latest
        if path is not None:
            with _told(path):
                self._checkpoint.restore(path).assert_consumed()
        return path

    def save(self, step: int) -> None:
        """Saves the run at `step`; older checkpoints beyond `keep` are deleted only after that.

        Raises:
            UserError: if the disk is full or the folder cannot be written; earlier checkpoints stay as they were.
        """
        if self.latest and self.latest.endswith(f"-{step}"):
            return
        try:
            self._latest.save(checkpoint_number=step)
        except (tf.errors.OpError, OSError) as error:
            raise _unwritable(self._latest.directory, error) from error

    def save_if_best(self, step: int, metrics: Mapping[str, float]) -> bool:
        """Keeps the present weights as the best if `metrics[best_metric]` exceeds the best so far; tells whether."""
        value = metrics.get(self.best_metric)
        if value is None or value != value or value <= self.best_value():
            return False
        try:
            with replacing_folder(self._best_dir) as folder:
                tf.train.CheckpointManager(self._checkpoint, folder, 1).save(checkpoint_number=step)
                best = {"step": step, "metric": self.best_metric, "value": value}
                write_json(os.path.join(folder, _BEST), best)
        except (tf.errors.OpError, OSError) as error:
            raise _unwritable(self._best_dir, error) from error
        return True

    def best_value(self) -> float:
        """The best value so far, minus infinity when there is none.

        Raises:
            UserError: there is one that cannot be read, so that nobody could tell whether another is better.
        """
        path = os.path.join(self._best_dir, _BEST)
        try:
            return float(read_json(path, _MAX_BEST_BYTES)["value"])
        except (FileNotFoundError, KeyError, TypeError):
            return float("-inf")
        except OSError as error:
            raise UserError(f"{path} cannot be read ({first_line(error)}): check its permissions.") from error
        except ValueError as error:
            if str(error) == LFS_POINTER:
                raise UserError(f"{path}: {LFS_POINTER}.") from error
            return float("-inf")

    def note_evaluated(self, step: int) -> None:
        """Keeps in mind that the run was scored at `step`, so that a run that goes on need not make up for it.

        Raises:
            UserError: if the note cannot be written.
        """
        try:
            os.makedirs(os.path.dirname(self._evaluated_path), exist_ok=True)
            write_text(self._evaluated_path, f"{step}\n")
        except OSError as error:
            raise _unwritable(self._latest.directory, error) from error

    def evaluated_step(self) -> int | None:
        """The last step at which the run was scored, None when there is no such note."""
        try:
            with open(self._evaluated_path, encoding="utf-8") as file:
                return int(file.read(32))
        except (OSError, ValueError):
            return None


@contextlib.contextmanager
def _told(path: str) -> Iterator[None]:
    """Turns what restoring a checkpoint raises into one sentence."""
    try:
        yield
    except (AssertionError, ValueError, KeyError) as error:
        raise UserError(
            f"{path} was written by a model of another architecture than the one configured now; use the run "
            "folder's own config.gin, or another --run_dir."
        ) from error
    except (tf.errors.OpError, IndexError) as error:
        raise UserError(
            f"{path} is damaged and cannot be restored ({type(error).__name__}); delete the files {path}.* to go "
            "on from the checkpoint before, or choose another --run_dir."
        ) from error


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
    present, listed = _present(folder), _listed(folder)
    if not present:
        raise UserError(f"{folder} holds no checkpoint that can be read: train first, or name another --run_dir.")
    # The list may be damaged, or name what its owner has deleted.
    path = os.path.join(folder, listed[-1] if listed and listed[-1] in present else present[-1])
    step = tf.Variable(0, dtype=tf.int64, trainable=False)
    parts = {"model": model, "step": step} | ({} if average is None else {"average": average})
    with _told(path):
        status = tf.train.Checkpoint(**parts).restore(path)
        status.expect_partial()  # The optimizer is left where it is.
        status.assert_existing_objects_matched()
        stored = _count_stored(path, "model")
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


def _listed(folder: str) -> list[str]:
    """Names of the checkpoints in TensorFlow's list, the newest last; none where the list is damaged."""
    try:
        state = tf.train.get_checkpoint_state(folder)
    except (ValueError, tf.errors.OpError):
        state = None
    return [os.path.basename(path) for path in state.all_model_checkpoint_paths] if state else []


def _present(folder: str) -> list[str]:
    """Names of the checkpoints that are there, the one of the last step last."""
    names = os.listdir(folder) if os.path.isdir(folder) else []
    return sorted((name[:-6] for name in names if re.fullmatch(r"ckpt-\d+\.index", name)), key=lambda n: int(n[5:]))


def _mend_list(folder: str) -> None:
    """Writes the folder's list of checkpoints anew where it does not say what is there.

    TensorFlow starts afresh in silence when its list, the file `checkpoint`, is gone or damaged. An index file is
    written last, so that a checkpoint is complete if it has one.
    """
    listed, present = _listed(folder), _present(folder)
    if listed and not present:
        raise UserError(
            f"{os.path.join(folder, listed[-1])} is damaged, its index file is gone; put the checkpoint back, or "
            "choose another --run_dir to start afresh."
        )
    if set(listed) <= set(present) and (listed or not present):
        return
    kept = [name for name in listed if name in present] or present
    path = os.path.join(folder, "checkpoint")
    try:
        with replacing(path) as temporary, open(temporary, "w", encoding="utf-8") as file:
            file.write(f'model_checkpoint_path: "{kept[-1]}"\n')
            for name in kept:
                # Without its time a checkpoint would never be deleted.
                seconds = os.path.getmtime(os.path.join(folder, f"{name}.index"))
                file.write(f'all_model_checkpoint_paths: "{name}"\nall_model_checkpoint_timestamps: {seconds}\n')
    except OSError as error:
        raise _unwritable(folder, error) from error


def _unwritable(folder: str, error: Exception) -> UserError:
    return UserError(
        f"{folder}: the checkpoint could not be written ({first_line(error)}); free space or choose another --run_dir."
    )
