"""Sheets and animations: what is drawn where."""

import numpy as np
import pytest

from simone_tf.pictures import colours, figures

T, H, W, K = 3, 6, 8, 4
SCALE = 3  # from tile_size=24 and the longer side


@pytest.fixture
def clip():
    """Parts of one clip in which every value differs from its neighbours; masks are one-hot."""
    rng = np.random.default_rng(0)
    segmentation = rng.integers(0, K, (T, H, W))
    return {
        "video": rng.random((T, H, W, 3)),
        "reconstruction": rng.random((T, H, W, 3)),
        "segmentation": segmentation,
        "slot_rgb": rng.random((K, T, H, W, 3)),
        "slot_masks": np.stack([segmentation == k for k in range(K)]).astype(np.float32),
    }


@pytest.fixture
def pair(clip):
    rng = np.random.default_rng(1)
    return {
        "video_a": clip["video"],
        "video_b": rng.random((T, H, W, 3)),
        "reconstruction": clip["reconstruction"],
        "segmentation": clip["segmentation"],
        "recomposed": rng.random((T, H, W, 3)),
        "recomposed_segmentation": rng.integers(0, K, (T, H, W)),
    }


def bytes_of(image):
    return np.rint(image * 255).astype(np.uint8)


def enlarged(image, scale=SCALE):
    return np.kron(image, np.ones((scale, scale, 1), np.uint8))


def find(picture, tile):
    """(row, column) of the one place where the tile stands in the picture, pixel by pixel."""
    windows = np.lib.stride_tricks.sliding_window_view(picture, tile.shape)[:, :, 0]
    corners = np.argwhere((windows[..., 0, 0, :] == tile[0, 0]).all(-1))
    places = [tuple(int(i) for i in corner) for corner in corners if np.array_equal(windows[tuple(corner)], tile)]
    assert len(places) == 1, f"{len(places)} places hold the tile"
    return places[0]


def assert_on_a_grid(places, gap=4):
    """Equal steps of one tile and its gap along both axes; returns the first row and column."""
    rows, columns = np.array(places)[..., 0], np.array(places)[..., 1]
    assert (np.diff(rows, axis=0) == H * SCALE + gap).all()
    assert (np.diff(columns, axis=1) == W * SCALE + gap).all()
    assert (rows == rows[:, :1]).all()
    assert (columns == columns[:1]).all()


def test_decomposition_has_a_row_per_part_and_a_column_per_frame(clip):
    segments = np.random.default_rng(2).integers(0, 3, (T, H, W))
    sheet = figures.decomposition_figure(**clip, segments=segments, tile_size=24)
    assert sheet.dtype == np.uint8
    slot_colours = colours.slot_colours(K, clip["segmentation"], segments)
    parts = [
        bytes_of(clip["video"]),
        bytes_of(clip["reconstruction"]),
        colours.colour_segments(segments),
        slot_colours[clip["segmentation"]],
    ]
    assert_on_a_grid([[find(sheet, enlarged(part[t])) for t in range(T)] for part in parts])


def test_margins_are_white_and_even(clip):
    sheet = figures.decomposition_figure(**clip, tile_size=24)
    inked = np.argwhere((sheet < 255).any(-1))
    (top, left), (bottom, right) = inked.min(0), inked.max(0) + 1
    assert bottom == sheet.shape[0] - 12
    assert right == sheet.shape[1] - 12
    assert abs(top - 12) <= 4
    assert abs(left - 12) <= 2


def test_slot_is_its_paint_where_its_mask_is_and_the_checker_elsewhere(clip):
    sheet = figures.decomposition_figure(**clip, tile_size=24, slots=[2], frames=[1])
    row, column = find(sheet, enlarged(bytes_of(clip["video"][1])))
    top = row + 3 * (H * SCALE + 4) + 10  # below input, reconstruction and segmentation, and the wider gap
    tile = sheet[top : top + H * SCALE, column : column + W * SCALE]
    mask = enlarged((clip["segmentation"][1] == 2)[..., np.newaxis].astype(np.uint8))[..., 0].astype(bool)
    np.testing.assert_array_equal(tile[mask], enlarged(bytes_of(clip["slot_rgb"][2, 1]))[mask])
    ground = tile[~mask]
    assert len(np.unique(ground)) == 2
    assert (ground == ground[:, :1]).all()
    assert ground.min() > 200


def test_soft_masks_blend(clip):
    clip["slot_masks"] = np.full((K, T, H, W), 0.25, np.float32)
    clip["slot_rgb"] = np.zeros((K, T, H, W, 3))
    sheet = figures.decomposition_figure(**clip, tile_size=24, slots=[0], frames=[0])
    row, column = find(sheet, enlarged(bytes_of(clip["video"][0])))
    tile = sheet[row + 3 * (H * SCALE + 4) + 10 :, column : column + W * SCALE][: H * SCALE]
    assert set(np.unique(tile)) == {round(0.75 * 214), round(0.75 * 238)}


def test_slots_and_frames_can_be_chosen(clip):
    slots, whole = [3, 1], figures.decomposition_figure(**clip, tile_size=24)
    fewer = figures.decomposition_figure(**clip, tile_size=24, slots=slots, frames=[2, 0])
    assert whole.shape[0] - fewer.shape[0] == 2 * (H * SCALE + 4)
    assert whole.shape[1] - fewer.shape[1] == W * SCALE + 4
    first, second = (find(fewer, enlarged(bytes_of(clip["video"][t]))) for t in (2, 0))
    assert first < second
    none = figures.decomposition_figure(**clip, tile_size=24, slots=[])
    assert whole.shape[0] - none.shape[0] == 4 * (H * SCALE + 4) + 10


def test_frames_down_is_the_same_turned_round(clip):
    sheet = figures.decomposition_figure(**clip, tile_size=40, frames_down=True)
    places = [
        [find(sheet, enlarged(bytes_of(clip[part][t]), 5)) for part in ("video", "reconstruction")] for t in range(T)
    ]
    rows, columns = np.array(places)[..., 0], np.array(places)[..., 1]
    assert (np.diff(rows, axis=0) == H * 5 + 4).all()
    assert (np.diff(columns, axis=1) == W * 5 + 4).all()


def test_long_clips_show_eight_frames_first_and_last_among_them():
    rng = np.random.default_rng(3)
    long = {
        "video": rng.random((16, 4, 4, 3)),
        "reconstruction": np.zeros((16, 4, 4, 3)),
        "segmentation": np.zeros((16, 4, 4), int),
        "slot_rgb": np.zeros((1, 16, 4, 4, 3)),
        "slot_masks": np.ones((1, 16, 4, 4)),
    }
    sheet = figures.decomposition_figure(**long, tile_size=60)
    columns = [find(sheet, enlarged(bytes_of(long["video"][t]), 15))[1] for t in (0, 15)]
    assert columns[1] - columns[0] == 7 * (60 + 4)


def test_recomposition_shows_both_clips_and_a_in_both_views(pair):
    sheet = figures.recomposition_figure(**pair, num_slots=K, tile_size=24)
    palette = colours.slot_colours(K)
    first = [bytes_of(pair["video_a"]), bytes_of(pair["reconstruction"]), palette[pair["segmentation"]]]
    second = [bytes_of(pair["video_b"]), bytes_of(pair["recomposed"]), palette[pair["recomposed_segmentation"]]]
    for group in (first, second):
        assert_on_a_grid([[find(sheet, enlarged(part[t])) for t in range(T)] for part in group])
    assert find(sheet, enlarged(second[0][0]))[0] - find(sheet, enlarged(first[0][0]))[0] == 3 * (H * SCALE + 4) + 10


def test_slots_keep_their_colours_in_the_other_view(pair):
    segments = (pair["segmentation"] + 1) % K
    pair["recomposed_segmentation"] = pair["segmentation"][::-1]
    sheet = figures.recomposition_figure(**pair, segments=segments, tile_size=24)
    find_both = colours.colour_segments(segments)  # found perfectly, so both views show the true colours
    windows = [
        np.array_equal(find_both[0], colours.slot_colours(K, pair["segmentation"], segments)[pair["segmentation"][0]])
    ]
    assert all(windows)
    tile = enlarged(find_both[1])  # the middle frame is in both views
    view = np.lib.stride_tricks.sliding_window_view(sheet, tile.shape)[:, :, 0]
    assert (
        sum(np.array_equal(view[r, c], tile) for r, c in np.argwhere((view[..., 0, 0, :] == tile[0, 0]).all(-1))) == 2
    )


def test_animated_decomposition_moves_in_every_panel(clip):
    frames = figures.decomposition_frames(**clip, tile_size=24)
    assert frames.dtype == np.uint8
    assert frames.shape[0] == T
    for part in (
        bytes_of(clip["video"]),
        bytes_of(clip["reconstruction"]),
        colours.slot_colours(K)[clip["segmentation"]],
    ):
        assert len({find(frames[t], enlarged(part[t])) for t in range(T)}) == 1


@pytest.mark.parametrize("num_slots", [1, 5, 16, 33])
def test_any_number_of_slots_can_be_animated(num_slots):
    rng = np.random.default_rng(4)
    rgb = rng.random((num_slots, 2, 4, 4, 3))
    frames = figures.decomposition_frames(
        rgb[0], rgb[0], np.zeros((2, 4, 4), int), rgb, np.ones((num_slots, 2, 4, 4)), tile_size=40
    )
    slots = [find(frames[1], enlarged(bytes_of(rgb[k, 1]), 10)) for k in range(1, num_slots)]
    assert len(set(slots)) == num_slots - 1


def test_animated_recomposition_has_a_row_for_each_view(pair):
    frames = figures.recomposition_frames(**pair, tile_size=60)
    assert frames.shape[0] == T
    scale = round(60 / W)
    places = {
        name: find(frames[1], enlarged(bytes_of(pair[name][1]), scale)) for name in pair if "segmentation" not in name
    }
    assert places["video_a"][0] == places["reconstruction"][0] < places["video_b"][0] == places["recomposed"][0]
    assert places["video_a"][1] == places["video_b"][1] < places["reconstruction"][1] == places["recomposed"][1]


def test_values_beyond_the_range_are_clipped_and_bytes_pass(clip):
    clip["reconstruction"] = np.where(clip["reconstruction"] > 0.5, 3.0, -2.0)
    clip["video"] = bytes_of(clip["video"])
    sheet = figures.decomposition_figure(**clip, tile_size=24)
    find(sheet, enlarged(np.where(clip["reconstruction"][0] > 0, 255, 0).astype(np.uint8)))
    find(sheet, enlarged(clip["video"][0]))


@pytest.mark.parametrize("part", ["reconstruction", "segmentation", "slot_rgb", "slot_masks"])
def test_wrong_shapes_are_named(clip, part):
    clip[part] = clip[part][..., :-1, :]
    with pytest.raises(ValueError, match=part):
        figures.decomposition_figure(**clip)


def test_a_comparison_has_the_clip_above_and_each_model_below(clip):
    segments = np.random.default_rng(2).integers(0, 3, (T, H, W))
    rng = np.random.default_rng(3)
    other = (rng.random((T, H, W, 3)), rng.integers(0, 2, (T, H, W)))
    models = {"ours": (clip["reconstruction"], clip["segmentation"]), "theirs": other}
    sheet = figures.comparison_figure(clip["video"], models, segments=segments, tile_size=24)
    rows = [bytes_of(clip["video"]), colours.colour_segments(segments)]
    for reconstruction, segmentation in models.values():
        painted = colours.slot_colours(segmentation.max() + 1, segmentation, segments)
        rows += [bytes_of(reconstruction), painted[segmentation]]
    places = [[find(sheet, enlarged(row[t])) for t in range(T)] for row in rows]
    for group in range(3):
        assert_on_a_grid(places[2 * group : 2 * group + 2])
    assert sorted(row[0][0] for row in places) == [row[0][0] for row in places]


def test_a_comparison_refuses_a_model_of_another_clip(clip):
    with pytest.raises(ValueError, match="reconstruction of theirs"):
        figures.comparison_figure(clip["video"], {"theirs": (clip["reconstruction"][:1], clip["segmentation"])})
