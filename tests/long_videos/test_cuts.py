"""Cuts found by the shipped model in clips of the embedded set; and what is looked at, with a model that is told."""

import numpy as np
import pytest

from simone_tf.data.formats.records import ClipRecords
from simone_tf.data.pipeline.batches import evaluation_batches
from simone_tf.long_videos import cuts as cuts_module
from simone_tf.long_videos.cuts import CutFinder
from simone_tf.long_videos.decomposition import VideoDecomposition
from simone_tf.long_videos.window_model import of_run_model
from simone_tf.runs.load import load_pretrained

from square_world import SquareModel


@pytest.fixture(scope="module")
def quickstart():
    return of_run_model(load_pretrained("quickstart").model, 4, (24, 24), "quickstart")


@pytest.fixture(scope="module")
def clips():
    reader = ClipRecords("package:quickstart", "test")
    batches = evaluation_batches(reader, batch_size=64, num_frames=4, num_clips=64)
    return next(iter(batches.as_numpy_iterator()))["video"]  # [64, 4, 24, 24, 3]


def cuts_of(model, *parts):
    frames = np.concatenate(parts).astype(np.float32)
    finder = CutFinder(model, frames, {})
    np.testing.assert_array_equal(np.stack(list(finder)), frames)
    return sorted(finder.cuts)


def held(frame, count):
    return np.repeat(frame[np.newaxis], count, axis=0)


def mixed(first, second, count):
    """`count` frames on the way from one to the other."""
    shares = np.linspace(0, 1, count + 2)[1:-1, None, None, None]
    return first * (1 - shares) + second * shares


def test_two_clips_are_two_scenes(quickstart, clips):
    for first, second in zip(clips, np.roll(clips, 7, axis=0), strict=True):
        assert cuts_of(quickstart, first, second) == [4]


def test_most_cuts_between_clips_that_look_alike_are_found(quickstart, clips):
    means = clips.mean(axis=1).reshape(len(clips), -1)
    apart = np.abs(means[:, np.newaxis] - means).mean(axis=-1) + np.eye(len(clips))
    found = [cuts_of(quickstart, clip, clips[other]) for clip, other in zip(clips, apart.argmin(axis=1), strict=True)]
    assert {(*cuts,) for cuts in found} <= {(4,), ()}
    assert found.count([4]) >= 58


def test_the_camera_jumps_and_the_scene_stays(quickstart, clips):
    """From a clip's first view to its last, 21 to 45 degrees away, and from the last back to the first."""
    for clip in clips:
        assert cuts_of(quickstart, held(clip[0], 5), held(clip[3], 5)) == []
        assert cuts_of(quickstart, clip, clip, clip) == []


def test_a_jump_and_a_cut_in_one_video(quickstart, clips):
    a, b = clips[0], clips[7]
    assert cuts_of(quickstart, held(a[0], 5), held(a[3], 5), b, b[::-1]) == [10]


def test_several_cuts_and_scenes_shorter_than_a_window(quickstart, clips):
    a, b, c, d = clips[:4]
    assert cuts_of(quickstart, a, a[::-1], b, c[:2], d[:3], a) == [8, 12, 14, 17]
    assert cuts_of(quickstart, a[:1], b[:1]) == [1]
    assert cuts_of(quickstart, a[:2], b[:2], a[2:]) == [2, 4]


def test_a_single_odd_frame_is_no_scene(quickstart, clips):
    a, b, c = clips[0], clips[7], clips[8]
    white = np.ones_like(a[:1])
    assert cuts_of(quickstart, a, white, a[::-1]) == []
    assert cuts_of(quickstart, a, 0 * white, a[::-1]) == []
    assert cuts_of(quickstart, a, c[:1], a[::-1]) == []
    assert cuts_of(quickstart, a, white, a[::-1], b) == [9]


def test_a_single_odd_frame_at_a_cut_counts_to_the_scene_that_it_resembles(quickstart, clips):
    a, b = clips[0], clips[7]
    near_a, near_b = 0.8 * a[3:] + 0.2 * b[:1], 0.4 * a[3:] + 0.6 * b[:1]
    assert cuts_of(quickstart, a, near_a, b) == [5]
    assert cuts_of(quickstart, a, near_b, b) == [4]


def test_a_fade_is_no_cut(quickstart, clips):
    a, b = clips[0], clips[7]
    assert cuts_of(quickstart, held(a[3], 4), mixed(a[3], b[0], 8), held(b[0], 4)) == []
    black = np.zeros_like(a[0])
    assert cuts_of(quickstart, a, mixed(a[3], black, 8), mixed(black, a[3], 8), a[::-1]) == []


def test_another_light_is_no_cut(quickstart, clips):
    for clip in clips[:3]:
        for light in (clip * 0.7, np.clip(clip * 1.3, 0, 1), clip * 0.8 + 0.15, clip * [0.9, 0.7, 1.1]):
            assert cuts_of(quickstart, clip, light[::-1]) == []


def test_identities_are_new_after_a_cut_and_kept_after_a_jump(quickstart, clips):
    a, b = clips[0], clips[7]
    cut = VideoDecomposition(quickstart, np.concatenate([a, a[::-1], b, b[::-1]]))
    parts = list(cut)
    assert cut.cuts == [8]
    before, after = ({*np.concatenate([part.object_ids for part in parts[at]])} for at in (slice(8), slice(8, 16)))
    count = quickstart.num_slots
    assert (before, after) == ({*range(count)}, {*range(count, 2 * count)})
    latents = cut.latents()
    assert latents["window_starts"].tolist() == [0, 2, 4, 8, 10, 12]
    assert latents["window_num_frames"].tolist() == [4] * 6
    # What is known of a scene is what is known of it alone.
    for frames, numbers in (
        (np.concatenate([a, a[::-1]]), slice(count)),
        (np.concatenate([b, b[::-1]]), slice(count, 2 * count)),
    ):
        alone = VideoDecomposition(quickstart, frames)
        list(alone)
        ours = latents["merged_object_means"][numbers]
        np.testing.assert_allclose(ours, alone.latents()["merged_object_means"], atol=1e-4)

    jump = VideoDecomposition(quickstart, np.concatenate([held(a[0], 5), held(a[3], 5)]))
    parts = list(jump)
    assert jump.cuts == []
    assert {*np.concatenate([part.object_ids for part in parts])} == {*range(count)}
    assert "window_num_frames" not in jump.latents()


def test_the_same_numbers_come_out_of_a_video_without_cuts_whether_they_are_sought_or_not(quickstart, clips):
    video = np.concatenate([held(clips[0][0], 5), held(clips[0][3], 5)])
    found, plain = (VideoDecomposition(quickstart, video, find_cuts=find) for find in (True, False))
    for part, other in zip(found, plain, strict=True):
        for value, other_value in zip(part, other, strict=True):
            np.testing.assert_array_equal(value, other_value)
    for name, value in plain.latents().items():
        np.testing.assert_array_equal(found.latents()[name], value)


def test_cuts_can_be_left_alone(quickstart, clips):
    decomposition = VideoDecomposition(quickstart, np.concatenate([clips[0], clips[7]]), find_cuts=False)
    parts = list(decomposition)
    assert decomposition.cuts == []
    assert decomposition.latents()["window_starts"].tolist() == [0, 2, 4]
    assert parts[0].object_ids.min() == 0


# What is looked at, with a "model" that is told what to say.


@pytest.fixture
def asked(monkeypatch):
    """Every question is answered by yes; the stretches that were compared."""
    questions = []

    def changes(model, before, after):
        del model
        questions.append((before, after))
        return True

    monkeypatch.setattr(cuts_module, "scene_changes", changes)
    return questions


def grey(*values):
    return np.float32(values)[:, None, None, None] * np.ones((1, 8, 16, 3), np.float32)


def test_the_model_is_asked_where_frames_differ_suddenly_only(asked):
    rising = np.arange(20) * 0.08  # as much from one frame to the next throughout
    assert cuts_of(SquareModel(), grey(*rising)) == []
    assert not asked
    assert cuts_of(SquareModel(), grey(*[0.1] * 6, *[0.14] * 6)) == []  # little
    assert not asked
    some = grey(*[0.1] * 12)
    some[6:, :, :4] = 0.9  # a quarter of the pixels
    assert cuts_of(SquareModel(), some) == []
    assert not asked
    some[6:, :, :5] = 0.9
    assert cuts_of(SquareModel(), some) == [6]


def test_stretches_hold_one_scene_each_with_what_is_given(asked):
    video, camera = grey(*[0.1] * 6, 0.9, 0.9, *[0.3] * 9), np.arange(17, dtype=np.float32)[:, None]
    finder = CutFinder(SquareModel(), video, {"camera": camera})
    list(finder)
    assert finder.cuts == {6, 8}
    frames = [[[float(frame[0, 0, 0]) for frame in stretch.frames] for stretch in pair] for pair in asked]
    np.testing.assert_allclose(frames[0][0], [0.1] * 4)
    np.testing.assert_allclose(frames[0][1], [0.9] * 2)
    np.testing.assert_allclose(frames[1][0], [0.9] * 2)
    np.testing.assert_allclose(frames[1][1], [0.3] * 4)
    rows = [[stretch.given["camera"][:, 0].tolist() for stretch in pair] for pair in asked]
    assert rows == [[[2, 3, 4, 5], [6, 7]], [[6, 7], [8, 9, 10, 11]]]


def test_no_more_than_two_windows_are_read_ahead(asked):
    read = []

    def frames():
        for index in range(400):
            read.append(index)
            yield grey(0.1 + 0.8 * (index // 3 % 2))[0]

    for index, _ in enumerate(CutFinder(SquareModel(), frames(), {})):
        assert len(read) <= index + 1 + 2 * 4
    assert len(asked) > 100


def test_too_few_rows_are_told_as_ever(asked):
    with pytest.raises(Exception, match="has 9 rows, the video has more frames"):
        list(_with_camera(grey(*[0.1] * 6, *[0.9] * 6), np.zeros((9, 2), np.float32)))


def _with_camera(video, camera):
    from simone_tf.long_videos.windows import cut_windows

    finder = CutFinder(SquareModel(), video, {"camera": camera})
    return cut_windows(finder, 4, (8, 16), 2, {"camera": camera}, finder.cuts)
