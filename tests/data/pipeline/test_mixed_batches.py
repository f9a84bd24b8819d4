"""Training batches out of several sets: shares, order, resuming, and what does not go together."""

import numpy as np
import pytest
import tensorflow as tf

from simone_tf.data.formats.records import ClipRecords
from simone_tf.data.formats.write_records import shard_name, write_shard
from simone_tf.data.pipeline.batches import training_batches
from simone_tf.data.pipeline.mixture import Mixture
from simone_tf.errors import UserError

from telling_clips import FRAMES, clip_numbers, make_clip, take

SIZES = {"few": range(5), "many": range(100, 117)}


@pytest.fixture(scope="module")
def mixture(tmp_path_factory):
    """Clips 0 to 4 of one set for every two of clips 100 to 116 of another."""
    folder = tmp_path_factory.mktemp("sets")
    for name, clips in SIZES.items():
        write_shard(folder / name / shard_name("train", 0, 1), map(make_clip, clips))
    return Mixture([ClipRecords(folder / name, "train") for name in SIZES], weights=(1, 2))


def drawn(mixture, batches, **options):
    options = {"batch_size": 4, "num_frames": FRAMES, "seed": 0} | options
    return clip_numbers(take(training_batches(mixture, **options), batches)["video"])


@pytest.mark.parametrize("cache", [False, "memory"])
def test_every_set_has_its_share_and_every_clip_its_turn(mixture, cache):
    numbers = drawn(mixture, 60, cache=cache)  # 240 clips: 80 of the small set, which is 16 epochs of it
    rounds = np.reshape(numbers, [-1, 3])
    assert ((rounds < 100).sum(axis=1) == 1).all()
    small = [number for number in numbers if number < 100]
    large = [number for number in numbers if number >= 100]
    assert (np.sort(np.reshape(small, [-1, 5]), axis=1) == list(SIZES["few"])).all()
    assert np.bincount(small).tolist() == [16] * 5
    assert sorted(large[:17]) == list(SIZES["many"])
    assert small[:5] != small[5:10]


@pytest.mark.parametrize("cache", [False, "memory"])
@pytest.mark.parametrize("start_step", [1, 7, 40])
def test_a_run_that_goes_on_sees_what_it_would_have_seen(mixture, cache, start_step):
    options = {"cache": cache, "num_frames": 2, "mirror": True, "permute_colours": True}
    whole = training_batches(mixture, batch_size=4, seed=3, **options)
    resumed = training_batches(mixture, batch_size=4, seed=3, start_step=start_step, **options)
    expected = take(whole.skip(start_step), 5)["video"]
    np.testing.assert_array_equal(take(resumed, 5)["video"], expected)


def test_shapes_are_static_and_pipelines_share_the_clips(mixture):
    pipelines = [
        training_batches(
            mixture, batch_size=3, num_frames=2, seed=0, num_input_pipelines=2, input_pipeline_id=i, window="start"
        )
        for i in range(2)
    ]
    assert pipelines[0].element_spec["video"] == tf.TensorSpec([3, 2, 2, 3, 3], tf.float32)
    seen = [set(clip_numbers(take(batches, 60)["video"])) for batches in pipelines]
    assert seen[0] | seen[1] == {*SIZES["few"], *SIZES["many"]}
    assert not seen[0] & seen[1]


def test_another_seed_is_another_order(mixture):
    assert drawn(mixture, 5) != drawn(mixture, 5, seed=1)
    assert drawn(mixture, 5) == drawn(mixture, 5)


def test_what_does_not_fit_is_told(mixture, tmp_path):
    with pytest.raises(UserError, match="data_service do not go together"):
        drawn(mixture, 1, data_service="grpc://localhost:1")
    write_shard(tmp_path / "wide" / shard_name("train", 0, 1), [make_clip(0, width=5)])
    wide = Mixture([mixture.readers[0], ClipRecords(tmp_path / "wide", "train")])
    with pytest.raises(UserError, match=r"video of a clip is \[5, 2, 3, 3\] in few, \[5, 2, 5, 3\] in wide"):
        drawn(wide, 1)
    with pytest.raises(UserError, match=r"wide.*has frames of 2x5"):
        drawn(wide, 1, frame_size=(2, 3))
    absent = Mixture([mixture.readers[0], ClipRecords(tmp_path / "none", "train")])
    with pytest.raises(UserError, match="none"):
        drawn(absent, 1)
