"""Saving and restoring a run: the last N checkpoints and the best one, resumed only when everything matches."""

import json
import os
import shutil

import tensorflow as tf

from simone_tf.errors import UserError


class Checkpoints:
    """Checkpoints of a run under `<run_dir>/checkpoints`, the best one under `<run_dir>/best`.

    Everything that is trained must exist, optimizer slots included, before this is created: restoring an unbuilt model
    leaves fresh weights in silence.

    Args:
        run_dir: the run's folder.
        parts: name -> trackable object (model, optimizer, step, ...); the names are part of the format on disk.
        keep: number of checkpoints kept besides the best.
        best_metric: name of the measure that decides which checkpoint is best; higher is better.
    """

    def __init__(self, run_dir, parts, keep=3, best_metric="video_ari_foreground"):
        self._checkpoint = tf.train.Checkpoint(**parts)
        self._latest = tf.train.CheckpointManager(self._checkpoint, os.path.join(run_dir, "checkpoints"), keep)
        self._best_dir = os.path.join(run_dir, "best")
        self.best_metric = best_metric

    def restore_latest(self):
        """Restores the newest checkpoint of the run; returns its path, or None when there is none.

        Raises:
            UserError: if the checkpoint is damaged or belongs to another model.
        """
        path = self._latest.latest_checkpoint
        if path is not None:
            self._restore(path)
        return path

    def restore_best(self):
        """Restores the best checkpoint; returns its path, or None when none was kept."""
        path = tf.train.latest_checkpoint(self._best_dir)
        if path is not None:
            self._restore(path)
        return path

    def save(self, step):
        """Saves the run at `step`; older checkpoints beyond `keep` are deleted only after that.

        Raises:
            UserError: if the disk is full or the folder cannot be written; earlier checkpoints stay as they were.
        """
        if self._latest.latest_checkpoint and self._latest.latest_checkpoint.endswith(f"-{step}"):
            return
        try:
            self._latest.save(checkpoint_number=step)
        except (tf.errors.OpError, OSError) as error:
            raise _unwritable(self._latest.directory, error) from error

    def save_if_best(self, step, metrics):
        """Keeps the present weights as the best if `metrics[best_metric]` exceeds the best so far; tells whether."""
        value = metrics.get(self.best_metric)
        if value is None or value != value or value <= self.best_value():
            return False
        # A new folder takes the place of the old one at once: a kill in between leaves one of the two.
        new_dir = f"{self._best_dir}.new"
        try:
            shutil.rmtree(new_dir, ignore_errors=True)
            tf.train.CheckpointManager(self._checkpoint, new_dir, 1).save(checkpoint_number=step)
            with open(os.path.join(new_dir, "best.json"), "w", encoding="utf-8") as file:
                json.dump({"step": step, "metric": self.best_metric, "value": value}, file)
            old_dir = f"{self._best_dir}.old"
            shutil.rmtree(old_dir, ignore_errors=True)
            if os.path.isdir(self._best_dir):
                os.replace(self._best_dir, old_dir)
            os.replace(new_dir, self._best_dir)
            shutil.rmtree(old_dir, ignore_errors=True)
        except (tf.errors.OpError, OSError) as error:
            raise _unwritable(self._best_dir, error) from error
        return True

    def best_value(self):
        """The best value so far, minus infinity when there is none."""
        try:
            with open(os.path.join(self._best_dir, "best.json"), encoding="utf-8") as file:
                return float(json.load(file)["value"])
        except (OSError, ValueError, KeyError):
            return float("-inf")

    def _restore(self, path):
        try:
            self._checkpoint.restore(path).assert_consumed()
        except (AssertionError, ValueError, KeyError) as error:
            raise UserError(
                f"{path} was written by a model of another architecture than the one configured now; use the run "
                "folder's own config.gin, or another --run_dir."
            ) from error
        except tf.errors.OpError as error:
            raise UserError(
                f"{path} is damaged and cannot be restored ({type(error).__name__}); delete the files of this "
                "checkpoint and its line in the file 'checkpoint' to go on from the one before."
            ) from error


def _unwritable(folder, error):
    reason = str(error).strip().splitlines()[0][:200]
    return UserError(
        f"{folder}: the checkpoint could not be written ({reason}); free space or choose another --run_dir."
    )
