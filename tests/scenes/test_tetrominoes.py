"""Pictures of tetrominoes: what they are made of, and what their masks and factors say."""

import dataclasses
import itertools

import numpy as np
import pytest
import tensorflow as tf

from simone_tf.data.formats.records import ClipRecords
from simone_tf.errors import UserError
from simone_tf.scenes import dataset, generate
from simone_tf.scenes.dataset import SplitPlan, make_split
from simone_tf.scenes.generate import generate_clip
from simone_tf.scenes.preset import preset_to_json
from simone_tf.scenes.presets import ALL_PRESETS, PRESETS
from simone_tf.scenes.tetrominoes import COLORS, SHAPES

PRESET = ALL_PRESETS["tetrominoes"]


@pytest.fixture(scope="module")
def pictures():
    return [generate_clip(PRESET, 3, index) for index in range(60)]


def cells_of(mask, side):
    """The squares of a mask `[H, W]`, from the upper left corner of its bounding box; one truth for each."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    cut = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    cells = cut[::side, ::side]
    np.testing.assert_array_equal(np.kron(cells, np.ones((side, side), bool)), cut)
    return cells


def test_there_are_the_19_tetrominoes():
    """Every connected set of four squares, as grown square by square, up to where it lies."""
    grown = {frozenset([(0, 0)])}
    for _ in range(3):
        grown = {
            cells | {(row + down, column + right)}
            for cells in grown
            for row, column in cells
            for down, right in ((0, 1), (0, -1), (1, 0), (-1, 0))
            if (row + down, column + right) not in cells
        }

    def moved_to_the_corner(cells):
        top, left = min(row for row, _ in cells), min(column for _, column in cells)
        return frozenset((int(row - top), int(column - left)) for row, column in cells)

    assert {moved_to_the_corner(np.argwhere(squares)) for squares in SHAPES.values()} == set(
        map(moved_to_the_corner, grown)
    )
    assert len(SHAPES) == 19


def test_fields_have_the_documented_shapes(pictures):
    shapes = {name: value.shape for name, value in pictures[0].items()}
    assert shapes == {
        "video": (1, 35, 35, 3),
        "segments": (1, 35, 35),
        "object_visible": (1, 3),
        "object_moving": (3,),
        "object_attributes": (3, 4),
    }
    assert tuple(shapes) == PRESET.fields
    assert pictures[0]["video"].dtype == np.uint8


def test_three_whole_pieces_on_black_with_colours_that_differ(pictures):
    for clip in pictures:
        video, segments = clip["video"][0], clip["segments"][0]
        assert not video[segments == 0].any()
        assert set(np.unique(segments)) == {0, 1, 2, 3}
        told = set()
        for k, (shape, color, x, y) in enumerate(clip["object_attributes"], start=1):
            mask = segments == k
            assert mask.sum() == 4 * 5 * 5
            np.testing.assert_array_equal(cells_of(mask, 5), list(SHAPES.values())[int(shape)])
            expected = 255 * np.array(list(COLORS.values())[int(color)])
            np.testing.assert_array_equal(video[mask], np.broadcast_to(expected, (100, 3)))
            rows, columns = np.nonzero(mask)
            assert (x, y) == ((columns.min() + columns.max() + 1) / 2, (rows.min() + rows.max() + 1) / 2)
            told.add(int(color))
        assert len(told) == 3
        assert clip["object_visible"].all()
        assert not clip["object_moving"].any()


def test_everything_occurs(pictures):
    attributes = np.concatenate([clip["object_attributes"] for clip in pictures])
    assert set(attributes[:, 0]) == set(range(19))
    assert set(attributes[:, 1]) == set(range(6))
    # At any pixel, not only at those of a grid of squares; and up to the borders.
    corners = {(int(x * 2) % 5, int(y * 2) % 5) for x, y in attributes[:, 2:]}
    assert corners == set(itertools.product(range(5), range(5)))
    segments = np.concatenate([clip["segments"] for clip in pictures])
    assert all(side.any() for side in (segments[:, 0], segments[:, -1], segments[:, :, 0], segments[:, :, -1]))


def test_a_picture_depends_on_seed_and_index_only(pictures):
    for name, value in generate_clip(PRESET, 3, 7).items():
        np.testing.assert_array_equal(value, pictures[7][name])
    assert (generate_clip(PRESET, 4, 7)["video"] != pictures[7]["video"]).any()
    assert len({clip["video"].tobytes() for clip in pictures}) == len(pictures)


def test_other_sizes_and_more_frames():
    clip = generate_clip(dataclasses.replace(PRESET, frames=3).at_size(24), 1, 0)
    assert clip["video"].shape == (3, 24, 24, 3)
    assert (clip["segments"] > 0).sum() == 3 * 3 * 4 * 3 * 3
    for name in ("video", "segments"):
        np.testing.assert_array_equal(clip[name], np.repeat(clip[name][:1], 3, axis=0))
    with pytest.raises(UserError, match=r"'tetrominoes' cannot be drawn at 6x6 pixels.*at least 7"):
        PRESET.at_size(6)


def test_fewer_pieces_leave_zeros_in_the_last_places():
    clip = generate_clip(dataclasses.replace(PRESET, num_objects=(1, 3), squares=10), 1, 3)
    count = int(clip["segments"].max())
    assert count < 3
    np.testing.assert_array_equal(clip["object_visible"][0], np.arange(3) < count)
    assert not clip["object_attributes"][count:].any()


def test_pieces_that_find_no_room_are_told(monkeypatch):
    monkeypatch.setattr(generate, "MAX_ATTEMPTS", 5)
    with pytest.raises(UserError, match="'tetrominoes' at 1 frames of 35x35 pixels gave no clip"):
        generate_clip(dataclasses.replace(PRESET, num_objects=(6, 6), squares=4), 1, 0)


def test_there_are_no_views_from_all_around():
    with pytest.raises(UserError, match="'tetrominoes' has no views from all around"):
        generate.check_views(PRESET, 4)


def test_json_holds_the_settings():
    values = preset_to_json(PRESET)
    assert values["family"] == "tetrominoes"
    assert values.keys() - {"family"} == {field.name for field in dataclasses.fields(PRESET)}


def test_names_are_told_apart():
    assert {*PRESETS, "tetrominoes"} == set(ALL_PRESETS)
    assert all(preset.name == name for name, preset in ALL_PRESETS.items())


def test_a_split_is_made_without_a_renderer_and_reads_back(tmp_path, monkeypatch):
    class Processes(dataset.RenderProcesses):
        def check(self):
            pytest.fail("no renderer is needed")

    monkeypatch.setattr(dataset, "RenderProcesses", Processes)
    assert make_split(SplitPlan(PRESET, "train", seed=3, num_clips=4, clips_per_shard=4), str(tmp_path)) == 4
    reader = ClipRecords(str(tmp_path), "train")
    assert reader.fields == PRESET.fields
    assert reader.clip_shape() == (1, 35, 35)
    assert [attribute.name for attribute in reader.attributes] == ["shape", "color", "x", "y"]
    assert len(reader.attributes[0].values) == 19
    for index, record in enumerate(reader.files.serialized()):
        clip = generate_clip(PRESET, 3, index)
        for name, value in reader.parse(record, reader.fields).items():
            np.testing.assert_array_equal(value, clip[name], err_msg=name)
            assert value.dtype != tf.float32 or name == "object_attributes"
