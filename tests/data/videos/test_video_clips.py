import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simone_tf.data.videos import video_clips as module
from simone_tf.data.videos.video_clips import ImportPlan, Source, video_clips
from simone_tf.errors import UserError

from made_videos import make, scene


@pytest.fixture
def numbered(monkeypatch):
    """Makes sources of frames that are all of their own number."""

    def make(count, height=4, width=4):
        monkeypatch.setattr(
            module, "read_frames", lambda path: (np.full((height, width, 3), t % 256, np.uint8) for t in range(count))
        )
        return Source("numbered", "numbered")

    return make


def starts_and_frames(source, plan):
    *clips, used = video_clips(source, plan)
    return [clip["video"][:, 0, 0, 0].tolist() for clip in clips], used


@given(
    count=st.integers(1, 40),
    frames=st.integers(1, 6),
    stride=st.integers(1, 4),
    hop=st.none() | st.integers(1, 9),
    start=st.integers(0, 5),
    length=st.none() | st.integers(0, 20),
)
def test_windows_are_those_of_slicing(count, frames, stride, hop, start, length):
    span = (frames - 1) * stride + 1
    end = None if length is None else start + span + length
    plan = ImportPlan(frames=frames, stride=stride, hop=hop, start=start, end=end)
    plan.check()
    used = list(range(count))[start:end]
    wanted = [
        used[first : first + span : stride]
        for first in range(0, len(used), hop or frames * stride)
        if len(used[first : first + span]) == span
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "read_frames", lambda path: (np.full((2, 2, 3), t, np.uint8) for t in range(count)))
        assert starts_and_frames(Source("n", "n"), plan) == (wanted, len(used))


def test_a_long_video_takes_no_more_memory(numbered):
    source = numbered(3000, 64, 64)
    tracemalloc.start()
    clips = sum(1 for _ in video_clips(source, ImportPlan(frames=4, size=(8, 8)))) - 1
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert clips == 750
    assert peak < 2**20  # the video has 37 MB


@pytest.mark.parametrize(
    ("shape", "size", "crop"),
    [
        ((8, 8), (4, 4), np.s_[:, :]),
        ((8, 16), (4, 4), np.s_[:, 4:12]),
        ((16, 8), (4, 4), np.s_[4:12, :]),
        ((8, 16), (2, 4), np.s_[:, :]),
        ((12, 16), (2, 4), np.s_[2:10, :]),
    ],
)
def test_the_middle_is_cut_out_and_averaged(monkeypatch, shape, size, crop):
    rng = np.random.default_rng(0)
    frame = rng.integers(0, 256, (*shape, 3), np.uint8)
    mask = rng.integers(0, 9, shape).astype(np.int32)
    monkeypatch.setattr(module, "read_frames", lambda path: (image for image in [frame]))
    monkeypatch.setattr(module, "MaskFolder", lambda path: FakeMasks([mask]))
    clip, _ = video_clips(Source("n", "n", masks="m"), ImportPlan(frames=1, size=size))
    cut = frame[crop].astype(float)
    rows, columns = cut.shape[0] // size[0], cut.shape[1] // size[1]
    wanted = cut.reshape(size[0], rows, size[1], columns, 3).mean(axis=(1, 3))
    assert clip["video"].dtype == np.uint8
    np.testing.assert_allclose(clip["video"][0], wanted, atol=0.51)
    np.testing.assert_array_equal(clip["segments"][0], mask[crop][rows // 2 :: rows, columns // 2 :: columns])


class FakeMasks(list):
    paths = tuple(f"{index}.png" for index in range(30))

    def read(self):
        return iter(self)


def test_masks_and_camera_go_with_their_frames(numbered, monkeypatch):
    source = numbered(9)
    masks = FakeMasks(np.full((4, 4), 100 + t, np.int32) for t in range(9))
    monkeypatch.setattr(module, "MaskFolder", lambda path: masks)
    camera = np.arange(18, dtype=np.float32).reshape(9, 2)
    monkeypatch.setattr(module, "read_camera", lambda path: camera)
    source = Source(source.name, source.path, masks="m", camera="c")
    *clips, used = video_clips(source, ImportPlan(frames=2, stride=3, hop=2, start=1))
    assert used == 8
    for clip, times in zip(clips, ([1, 4], [3, 6], [5, 8]), strict=True):
        assert list(clip) == ["video", "segments", "camera"]
        assert clip["video"][:, 0, 0, 0].tolist() == times
        assert clip["segments"][:, 0, 0].tolist() == [100 + t for t in times]
        np.testing.assert_array_equal(clip["camera"], camera[times])


@pytest.mark.parametrize(
    ("masks", "rows", "words"),
    [(8, None, "has more frames"), (10, None, "10 masks"), (None, 8, "has more frames"), (None, 10, "10 rows")],
)
def test_other_numbers_of_masks_or_rows_are_refused(numbered, monkeypatch, masks, rows, words):
    numbered(9)
    monkeypatch.setattr(module, "MaskFolder", lambda path: FakeMasks([np.zeros((4, 4), np.int32)] * masks))
    monkeypatch.setattr(module, "read_camera", lambda path: np.zeros((rows, 1), np.float32))
    source = Source("n", "n", masks="m" if masks else None, camera="c" if rows else None)
    with pytest.raises(UserError, match=words):
        list(video_clips(source, ImportPlan(frames=2)))
    # What lies behind the end asked for is not missed.
    if words != "has more frames":
        list(video_clips(source, ImportPlan(frames=2, end=4)))


def test_sizes_that_do_not_fit_are_refused(numbered, monkeypatch):
    frames = [np.zeros((4, 4, 3), np.uint8), np.zeros((4, 6, 3), np.uint8)]
    monkeypatch.setattr(module, "read_frames", lambda path: (image for image in frames))
    with pytest.raises(UserError, match="frame 1 has 6 x 4 pixels, frame 0 has 4 x 4"):
        list(video_clips(Source("n", "n"), ImportPlan(frames=1)))
    source = numbered(2)
    monkeypatch.setattr(module, "MaskFolder", lambda path: FakeMasks([np.zeros((4, 5), np.int32)] * 2))
    with pytest.raises(UserError, match="5 x 4 pixels, its frame has 4 x 4"):
        list(video_clips(Source("n", "n", masks="m"), ImportPlan(frames=1)))
    monkeypatch.setattr(module, "MAX_CLIP_PIXELS", 31)
    with pytest.raises(UserError, match="more than the"):
        list(video_clips(source, ImportPlan(frames=2)))


def test_plans_out_of_range_are_refused():
    for changes in ({"frames": 0}, {"stride": 0}, {"hop": 0}, {"start": -1}, {"size": (0, 4)}, {"size": (4, 10**6)}):
        with pytest.raises(UserError):
            ImportPlan(**changes).check()
    with pytest.raises(UserError, match="leave 15 frames"):
        ImportPlan(start=5, end=20).check()
    ImportPlan(start=4, end=20).check()


@pytest.fixture
def torn(tmp_path):
    """A video of 30 numbered frames, a key frame each 10, of which frame 12 is damaged: 12 to 19 cannot be had."""
    av = pytest.importorskip("av")
    path = tmp_path / "torn.mkv"
    video = scene()
    video[:, :16, :16] = 8 * np.arange(30)[:, np.newaxis, np.newaxis, np.newaxis]
    make(path, video, "mpeg4", options={"g": "10", "qmin": "1", "qmax": "2"}, muxer={"write_crc32": "0"})
    with av.open(str(path)) as file:
        position, size = [(packet.pos, packet.size) for packet in file.demux(video=0) if packet.size][12]
    content = bytearray(path.read_bytes())
    content[position + size // 2 : position + size] = bytes(size - size // 2)
    path.write_bytes(content)
    return path


def test_no_clip_reaches_across_what_is_left_out(torn):
    told = []
    plan = ImportPlan(frames=4, hop=3, on_corrupt="skip")
    *clips, used = video_clips(Source("torn", str(torn)), plan, on_damage=told.append)
    assert used == 22
    numbers = [np.rint(clip["video"][:, 2:14, 2:14].mean(axis=(1, 2, 3)) / 8).astype(int).tolist() for clip in clips]
    assert numbers == [[t, t + 1, t + 2, t + 3] for t in (0, 3, 6, 20, 23, 26)]
    assert told == [f"{torn}: 8 damaged frames were left out"]


def test_damage_is_refused_by_default_and_with_what_goes_by_frame(torn, monkeypatch):
    with pytest.raises(UserError, match=r"torn\.mkv is damaged at frame 12 .*--on_corrupt=skip"):
        list(video_clips(Source("torn", str(torn)), ImportPlan(frames=4)))
    monkeypatch.setattr(module, "MaskFolder", lambda path: FakeMasks([np.zeros((64, 80), np.int32)] * 30))
    monkeypatch.setattr(module, "read_camera", lambda path: np.zeros((30, 1), np.float32))
    for masks, camera, words in (
        ("m", None, "its masks"),
        (None, "c", "its camera"),
        ("m", "c", "its masks and camera"),
    ):
        source = Source("torn", str(torn), masks, camera)
        with pytest.raises(UserError, match=f"damaged at frame 12 .*{words} could no longer"):
            list(video_clips(source, ImportPlan(frames=4, on_corrupt="skip")))


def test_the_choice_is_checked():
    with pytest.raises(UserError, match="on_corrupt is 'drop': choose raise or skip"):
        ImportPlan(on_corrupt="drop").check()
