import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simone_tf.errors import UserError
from simone_tf.long_videos.windows import cut_windows, default_overlap

SIZE = (2, 3)


def numbered(count):
    """Frames that tell their own number."""
    for index in range(count):
        yield np.full((*SIZE, 3), index, np.float32)


@st.composite
def lengths(draw):
    num_frames = draw(st.integers(1, 9))
    overlap = draw(st.integers(min(1, num_frames - 1), num_frames - 1))
    return draw(st.integers(1, 60)), num_frames, overlap


@given(lengths())
def test_windows_cover_the_video_and_overlap_as_asked(sizes):
    count, num_frames, overlap = sizes
    windows = list(cut_windows(numbered(count), num_frames, SIZE, overlap))
    starts = [window.start for window in windows]
    last = max(0, count - num_frames)
    assert starts == sorted({*range(0, last + 1, num_frames - overlap), last})
    for window in windows:
        shown = np.minimum(np.arange(window.start, window.start + num_frames), count - 1)
        np.testing.assert_array_equal(window.video[:, 0, 0, 0], shown)
        assert window.video.shape == (num_frames, *SIZE, 3)
        assert window.num_frames == min(num_frames, count)


def test_a_window_comes_as_soon_as_its_last_frame_does():
    read = []

    def frames():
        for index, frame in enumerate(numbered(9)):
            read.append(index)
            yield frame

    windows = cut_windows(frames(), 4, SIZE, 2)
    assert [(window.start, read[-1]) for window in windows] == [(0, 3), (2, 5), (4, 7), (5, 8)]


def test_bytes_become_numbers_in_0_to_1():
    (window,) = cut_windows([np.full((*SIZE, 3), 51, np.uint8)], 1, SIZE, 0)
    assert window.video.dtype == np.float32
    np.testing.assert_allclose(window.video, 0.2, rtol=1e-6)


def test_no_frame_at_all_is_refused():
    with pytest.raises(UserError, match="no frame"):
        list(cut_windows([], 4, SIZE, 2))


@pytest.mark.parametrize(("num_frames", "overlap"), [(4, 0), (4, 4), (4, -1), (1, 1), (4, 1.5)])
def test_an_overlap_that_does_not_suit_is_refused(num_frames, overlap):
    with pytest.raises(UserError, match=f"overlap of {overlap} frames"):
        list(cut_windows(numbered(8), num_frames, SIZE, overlap))


@pytest.mark.parametrize(
    "frame", [np.zeros((3, 3, 3), np.uint8), np.zeros((2, 3), np.uint8), np.zeros((2, 3, 3), np.int32)]
)
def test_a_frame_of_another_kind_is_refused(frame):
    with pytest.raises(ValueError, match="frame 1 is"):
        list(cut_windows([np.zeros((2, 3, 3), np.uint8), frame], 2, SIZE, 1))


def test_the_default_overlap_is_half_a_window():
    assert [default_overlap(num_frames) for num_frames in (1, 2, 4, 5, 16)] == [0, 1, 2, 2, 8]


def test_what_else_is_given_goes_with_its_frames():
    table = np.arange(14).reshape(7, 2)
    for window in cut_windows(numbered(7), 3, SIZE, 1, {"camera": table}):
        np.testing.assert_array_equal(window.given["camera"], table[window.start : window.start + 3])
    (short,) = cut_windows(numbered(2), 4, SIZE, 1, {"camera": table[:2]})
    np.testing.assert_array_equal(short.given["camera"], table[[0, 1, 1, 1]])


@pytest.mark.parametrize(("rows", "words"), [(6, "has 6 rows, the video has more"), (8, "has 8 rows, .* 7 frames")])
def test_rows_that_are_not_as_many_as_the_frames_are_told(rows, words):
    with pytest.raises(UserError, match=f"`camera` {words}"):
        list(cut_windows(numbered(7), 3, SIZE, 1, {"camera": np.zeros((rows, 2))}))


@given(lengths(), st.sets(st.integers(1, 59)))
def test_no_window_holds_two_scenes(sizes, cuts):
    """Every scene is cut as a video of its own, but for where it lies."""
    count, num_frames, overlap = sizes
    edges = [0, *sorted(cut for cut in cuts if cut < count), count]
    rows = np.arange(count, dtype=np.float32)[:, np.newaxis]
    windows = list(cut_windows(numbered(count), num_frames, SIZE, overlap, {"row": rows}, cuts))
    wanted = [
        (begin, begin + window.start, window.num_frames, window.video + begin)
        for begin, end in itertools.pairwise(edges)
        for window in cut_windows(numbered(end - begin), num_frames, SIZE, overlap)
    ]
    assert len(windows) == len(wanted)
    for window, (begin, start, shown, video) in zip(windows, wanted, strict=True):
        assert (window.scene_start, window.start, window.num_frames) == (begin, start, shown)
        np.testing.assert_array_equal(window.video, video)
        np.testing.assert_array_equal(window.given["row"][:, 0], video[:, 0, 0, 0])
