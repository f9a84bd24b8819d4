"""The clip of a batch that makes a loss not finite is found again in its file, whatever was drawn of it."""

import functools
import types

import numpy as np
import pytest
import tensorflow as tf

from simone_tf.data.formats.records import ClipRecords
from simone_tf.data.formats.write_records import shard_name, write_shard
from simone_tf.data.pipeline.batches import training_batches
from simone_tf.runs.batch_faults import clips_at_fault

T, SIZE = 4, 6
BLACK = (1, 2)  # shard and record


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    rng = np.random.default_rng(0)
    for shard in range(2):
        clips = [{"video": rng.integers(1, 256, (T + 2, SIZE, SIZE, 3), dtype=np.uint8)} for _ in range(4)]
        if shard == BLACK[0]:
            clips[BLACK[1]]["video"][:] = 0
        write_shard(folder / shard_name("train", shard, 2), clips)
    return ClipRecords(str(folder), "train")


class Model:
    """Stands in for a `SceneModel`: a loss that a black clip makes infinite, or that no clip does."""

    def __init__(self, alone=True):
        weight = tf.Variable(1.0)
        self.trainable_variables = [types.SimpleNamespace(value=weight)]
        self.alone = alone

    def losses(self, inputs, noise_seed, shared_seed):
        del noise_seed, shared_seed
        bright = tf.reduce_max(inputs["video"], axis=[1, 2, 3, 4])
        loss = self.trainable_variables[0].value * tf.reduce_mean(1.0 / bright if self.alone else bright)
        return {"loss": loss, "other": loss * 2.0}


def batches(reader, **options):
    augmented = {"window": "random", "mirror": True, "permute_colours": True, "reverse_time": True}
    return functools.partial(training_batches, reader, batch_size=2, num_frames=T, seed=3, **(augmented | options))


def step_of_the_black_clip(read):
    for step, batch in enumerate(read()):
        if (batch["video"].numpy().max(axis=(1, 2, 3, 4)) == 0).any():
            return step
    return None


@pytest.mark.parametrize("cache", [False, "memory"])
def test_the_clip_at_fault_is_named(reader, cache):
    def read(start_step=0, **options):
        return batches(reader, cache=cache)(start_step=start_step, **options)

    step = step_of_the_black_clip(read)
    found = clips_at_fault(Model(), read, step, 1, [reader], T)
    assert found.words == f"at fault by itself: {reader.files.shards()[1]} record 2"
    assert not found.is_of_weights


def test_where_every_clip_is_at_fault_the_weights_are(reader):
    model = Model()
    model.trainable_variables[0].value.assign(np.inf)
    found = clips_at_fault(model, batches(reader), 0, 1, [reader], T)
    assert found == ("as it is with every clip of the batch, and with noise", True)


def test_where_all_clips_of_a_batch_are_at_fault_they_are_named(tmp_path):
    black = {"video": np.zeros((T, SIZE, SIZE, 3), np.uint8)}
    write_shard(tmp_path / shard_name("train", 0, 1), [black, black])
    reader = ClipRecords(str(tmp_path), "train")
    found = clips_at_fault(Model(), batches(reader), 0, 1, [reader], T)
    assert found.words.startswith(f"at fault by itself: {reader.files.shards()[0]} record ")
    assert not found.is_of_weights


def test_of_several_replicas_all_batches_are_looked_at(reader):
    read = batches(reader)
    step = step_of_the_black_clip(read)
    found = clips_at_fault(Model(), read, step - step % 2, 2, [reader], T)
    assert found.words.endswith(f"{reader.files.shards()[1]} record 2")


def test_where_no_clip_is_at_fault_by_itself_the_batch_is_named(reader):
    words, is_of_weights = clips_at_fault(Model(alone=False), batches(reader), 0, 2, [reader], T)
    assert not is_of_weights
    assert words.startswith("no clip by itself, the batch has: ")
    assert words.count(" record ") == 3
    assert words.endswith(" and 1 more")


def test_clips_of_other_files_are_not_named(reader, tmp_path):
    write_shard(tmp_path / shard_name("train", 0, 1), [{"video": np.ones((T, SIZE, SIZE, 3), np.uint8)}])
    other = ClipRecords(str(tmp_path), "train")
    assert clips_at_fault(Model(), batches(reader), 0, 1, [other], T) is None
