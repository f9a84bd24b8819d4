"""Clips of which a model's loss is not a number, trained on by the command."""

import shutil

import numpy as np
import pytest
import tensorflow as tf

from simone_tf import train
from simone_tf.data.formats.write_records import shard_name, write_shard
from simone_tf.models.simone.model import SIMONe

from tiny_run import FRAMES, SIZE, arguments, fails, make_clips


@pytest.fixture
def black_clip(clips, tmp_path, monkeypatch):
    """Clips of which record 1 of the second file is black, and a model to which that is not a number."""
    folder = tmp_path / "black"
    shutil.copytree(clips, folder)
    black = {"video": np.zeros((FRAMES, SIZE, SIZE, 3), np.uint8), "segments": np.zeros((FRAMES, SIZE, SIZE), np.uint8)}
    write_shard(folder / shard_name("train", 1, 2), [*make_clips(1, 1), black])
    losses = SIMONe.losses

    def of_black_not_a_number(self, inputs, noise_seed, shared_seed):
        found = losses(self, inputs, noise_seed, shared_seed)
        brightest = tf.reduce_max(inputs["video"], axis=[1, 2, 3, 4])
        return found | {"loss": found["loss"] + tf.reduce_sum(tf.where(brightest > 0, 0.0, np.nan))}

    monkeypatch.setattr(SIMONe, "losses", of_black_not_a_number)
    return folder


def test_steps_that_are_not_finite_are_skipped_and_told(black_clip, tmp_path, capsys):
    train.main(arguments(tmp_path / "run", black_clip, "num_steps = 6"))
    told = [line for line in capsys.readouterr().out.splitlines() if line.endswith("the step is skipped.")]
    # Six batches of 2 of 5 clips: the black one came twice or three times.
    assert 2 <= len(told) <= 3
    assert told[0].endswith(": loss is nan, the step is skipped.")


def test_where_none_may_be_skipped_the_clip_is_named(black_clip, tmp_path, capsys):
    line = fails(capsys, arguments(tmp_path / "run", black_clip, "train.max_skipped_steps = 0"))
    path = black_clip / shard_name("train", 1, 2)
    assert f": loss is nan (at fault by itself: {path} record 1) and training stopped" in line
