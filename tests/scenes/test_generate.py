"""What a generated clip promises."""

import dataclasses
import math

import numpy as np
import pytest

from scenes.geometry import present
from simone_tf.errors import UserError
from simone_tf.scenes import generate
from simone_tf.scenes.presets import PRESETS

QUICKSTART, ROOM = PRESETS["quickstart"], PRESETS["objects_room"]


@pytest.fixture(scope="module")
def quickstart(processes):
    return list(processes.clips(QUICKSTART, 7, range(40)))


@pytest.mark.parametrize("name", PRESETS)
def test_fields_shapes_and_types(processes, name):
    preset = dataclasses.replace(PRESETS[name], frames=3)
    side, most, columns = preset.size, preset.num_objects[1], len(preset.attributes())
    for clip in processes.clips(preset, 7, range(2)):
        assert {field: (value.shape, value.dtype) for field, value in clip.items()} == {
            "video": ((3, side, side, 3), np.dtype(np.uint8)),
            "segments": ((3, side, side), np.dtype(np.uint8)),
            "camera": ((3, 7), np.dtype(np.float32)),
            "object_positions": ((3, most, 3), np.dtype(np.float32)),
            "object_visible": ((3, most), np.dtype(bool)),
            "object_moving": ((most,), np.dtype(bool)),
            "object_attributes": ((most, columns), np.dtype(np.float32)),
        }
        for column, values in zip(preset.attributes(), clip["object_attributes"].T, strict=True):
            if "values" in column:
                assert set(values) <= set(range(len(column["values"])))
            else:
                assert (values[: present(clip)] > 0).all()


@pytest.mark.parametrize(("frames", "size"), [(1, 32), (7, 33), (2, 128)])
@pytest.mark.parametrize("name", PRESETS)
def test_any_frame_count_and_size(processes, name, frames, size):
    (clip,) = processes.clips(dataclasses.replace(PRESETS[name], frames=frames).at_size(size), 1, [0])
    assert clip["video"].shape == (frames, size, size, 3)
    assert clip["segments"].shape == (frames, size, size)
    assert clip["video"].std() > 10
    assert clip["segments"].any()


@pytest.mark.parametrize("name", PRESETS)
def test_every_process_makes_the_same_clip(processes, name):
    preset = dataclasses.replace(PRESETS[name], frames=6).at_size(32)
    one, two, three = processes.clips(preset, 4, [1, 1, 0])
    for field, value in one.items():
        np.testing.assert_array_equal(value, two[field], err_msg=field)
    assert (one["video"] != three["video"]).any()


def test_a_clip_depends_on_preset_seed_and_index_only(processes, quickstart):
    backwards = list(processes.clips(QUICKSTART, 7, [9, 8, 7, 6, 5, 4]))
    for clip, again in zip(quickstart[4:10], reversed(backwards), strict=True):
        for name, value in clip.items():
            np.testing.assert_array_equal(value, again[name], err_msg=name)
    (other,) = processes.clips(QUICKSTART, 8, [0])
    assert (other["video"] != quickstart[0]["video"]).any()
    assert len({clip["video"].tobytes() for clip in quickstart}) == len(quickstart)


def test_quickstart_keeps_its_limits(quickstart):
    counts, fractions = [], []
    for clip in quickstart:
        segments = clip["segments"]
        counts.append(present(clip))
        assert set(np.unique(segments)) == set(range(counts[-1] + 1))
        fraction = (segments > 0).mean(axis=(1, 2))
        assert fraction.max() <= 0.25
        fractions.append(fraction.mean())
        for k in range(1, counts[-1] + 1):
            assert (segments == k).sum(axis=(1, 2)).min() >= 12
        assert not segments[:, [0, -1]].any()
        assert not segments[:, :, [0, -1]].any()
        yaw = np.unwrap(np.arctan2(clip["camera"][:, 3], clip["camera"][:, 4]))
        assert 20 <= math.degrees(abs(yaw[-1] - yaw[0])) <= 45.01
    assert set(counts) == {2, 3}
    assert 0.18 < np.mean(fractions) < 0.23


def test_limits_that_cannot_be_kept_are_told(monkeypatch):
    monkeypatch.setattr(generate, "MAX_ATTEMPTS", 3)
    with pytest.raises(UserError, match=r"'quickstart' at 4 frames of 24x24 .* in 3 attempts"):
        generate.generate_clip(dataclasses.replace(QUICKSTART, min_gap=9.0), 1, 0)


def test_rejection_rule():
    segments = np.zeros((2, 24, 24), np.uint8)
    segments[:, 2:8, 2:8] = 1
    segments[:, 10:16, 10:16] = 2
    assert generate.is_acceptable(QUICKSTART, segments, 2)
    assert not generate.is_acceptable(QUICKSTART, segments, 3)
    crowded = segments.copy()
    crowded[1, 2:14, 2:14] = 1
    assert not generate.is_acceptable(QUICKSTART, crowded, 2)
    hidden = segments.copy()
    hidden[1, 10:16, 10:16] = 0
    hidden[1, 10:13, 10:14] = 2
    assert generate.is_acceptable(QUICKSTART, hidden, 2)
    hidden[1, 10, 10] = 0
    assert not generate.is_acceptable(QUICKSTART, hidden, 2)
    outside = segments.copy()
    outside[0, 5, 0] = 1
    assert not generate.is_acceptable(QUICKSTART, outside, 2)
    assert generate.is_acceptable(dataclasses.replace(QUICKSTART, objects_inside_view=False), outside, 2)
