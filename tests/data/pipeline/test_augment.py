import collections
import itertools

import numpy as np
import pytest

from simone_tf.data.pipeline.batches import training_batches

from telling_clips import FRAMES, WIDTH, clip_numbers, take


def augmented(reader, cache, **switches):
    fields = ("video", "segments")
    batches = training_batches(reader, batch_size=40, num_frames=3, seed=1, cache=cache, fields=fields, **switches)
    taken = take(batches, 6)
    return np.rint(taken["video"] * 255).astype(int), taken["segments"]


@pytest.mark.parametrize("cache", [False, "memory"])
def test_random_windows_are_consecutive_and_start_everywhere(readers, cache):
    batches = training_batches(readers[4], batch_size=30, num_frames=3, seed=0, cache=cache, fields=("video", "camera"))
    taken = take(batches, 20)
    frames = np.rint(taken["video"][:, :, 0, 0, 1] * 255).astype(int) - 50
    np.testing.assert_array_equal(np.diff(frames, axis=1), 1)
    np.testing.assert_array_equal(taken["camera"][:, :, 1], frames)
    counts = np.bincount(frames[:, 0])
    assert len(counts) == FRAMES - 3 + 1
    assert counts.min() > 600 / 3 - 70  # 6 standard deviations.
    starts = frames[:, 0]
    assert all((starts[:-period] != starts[period:]).any() for period in range(1, 300))
    per_clip = collections.defaultdict(set)
    for number, start in zip(clip_numbers(taken["video"]), starts, strict=True):
        per_clip[number].add(start)
    assert all(len(seen) > 1 for seen in per_clip.values())


def test_windows_at_the_start(readers):
    taken = take(training_batches(readers[1], batch_size=23, num_frames=3, seed=0, window="start"), 2)
    np.testing.assert_array_equal(np.rint(taken["video"][:, :, 0, 0, 1] * 255), np.tile([50, 51, 52], (46, 1)))


@pytest.mark.parametrize("cache", [False, "memory"])
def test_each_augmentation_does_what_it_says_to_half_of_the_clips(readers, cache):
    plain, plain_segments = augmented(readers[4], cache)
    np.testing.assert_array_equal(plain[:, :, :, :, 2] - 100, np.broadcast_to(np.arange(WIDTH), plain.shape[:4]))

    for switch, axis in (("mirror", 3), ("reverse_time", 1)):
        video, segments = augmented(readers[4], cache, **{switch: True})
        flipped = np.flip(plain, axis)
        changed = np.array([np.array_equal(a, b) for a, b in zip(video, flipped, strict=True)])
        np.testing.assert_array_equal(video, np.where(changed[:, None, None, None, None], flipped, plain))
        np.testing.assert_array_equal(
            segments, np.where(changed[:, None, None, None], np.flip(plain_segments, axis), plain_segments)
        )
        assert 70 < changed.sum() < 170  # 240 clips, 6 standard deviations.

    video, segments = augmented(readers[4], cache, permute_colours=True)
    np.testing.assert_array_equal(segments, plain_segments)
    seen = collections.Counter()
    for got, had in zip(video, plain, strict=True):
        orders = [p for p in itertools.permutations(range(3)) if np.array_equal(got, had[..., list(p)])]
        assert len(orders) == 1
        seen[orders[0]] += 1
    assert len(seen) == 6
    assert min(seen.values()) > 10


def test_augmentations_are_independent_of_each_other(readers):
    mirrored, _ = augmented(readers[1], False, mirror=True)
    both, _ = augmented(readers[1], False, mirror=True, reverse_time=True)
    kept = np.array([np.array_equal(a, b) for a, b in zip(mirrored, both, strict=True)])
    np.testing.assert_array_equal(both, np.where(kept[:, None, None, None, None], mirrored, mirrored[:, ::-1]))
    was_mirrored = mirrored[:, 0, 0, 0, 2] != 100
    assert 0.2 < kept[was_mirrored].mean() < 0.8
    assert 0.2 < kept[~was_mirrored].mean() < 0.8


def test_colours_may_be_permuted_beside_a_camera(readers):
    fields = ("video", "camera")
    batches = training_batches(readers[1], batch_size=4, num_frames=5, seed=0, permute_colours=True, fields=fields)
    taken = take(batches, 3)
    reds = np.rint(taken["video"] * 255).min(axis=(1, 2, 3, 4))  # The clip's number is the least of its channels.
    np.testing.assert_array_equal(taken["camera"][:, 0, 0], reds)
