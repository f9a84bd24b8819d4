import numpy as np

from simone_tf.pictures.clip_sheet import clip_animation, clip_sheet
from simone_tf.pictures.colours import colour_segments


def clip(frames, height, width, value):
    video = np.full((frames, height, width, 3), value, np.uint8)
    video[..., 0] = np.arange(frames)[:, None, None]
    return {"video": video, "segments": np.full((frames, height, width), frames)}


def test_sheet_has_frames_over_segments_clip_under_clip():
    first, second = clip(3, 8, 8, 50), clip(20, 4, 8, 90)
    del second["segments"]
    sheet = clip_sheet([first, second], columns=4, tile_size=16)
    assert sheet.dtype == np.uint8
    # The first clip's three frames, twice as large, 4 apart, after a margin of 12.
    for index in range(3):
        left = 12 + index * 20
        assert (sheet[12:28, left : left + 16] == first["video"][index, 0, 0]).all()
        assert (sheet[32:48, left : left + 16] == colour_segments(np.array([[3]]))[0, 0]).all()
    # Four of the other's twenty, evenly.
    assert [int(sheet[64, 12 + index * 20, 0]) for index in range(4)] == [0, 6, 13, 19]
    assert (sheet[:, :12] == 255).all()


def test_animation_holds_the_last_frame_of_the_shorter():
    moving = clip_animation([clip(3, 8, 8, 50), clip(5, 8, 8, 90)], tile_size=8)
    assert len(moving) == 5
    assert moving[:, 12, 12, 0].tolist() == [0, 1, 2, 2, 2]
    assert moving[:, 12, 24, 0].tolist() == [0, 1, 2, 3, 4]


def test_large_frames_are_thinned():
    sheet = clip_sheet([clip(1, 300, 500, 7)], tile_size=100)
    assert sheet.shape[1] < 160
