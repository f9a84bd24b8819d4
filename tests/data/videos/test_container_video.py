"""Video files of every kind: whole ones are read whole, damaged ones are told or go on without what is damaged."""

import gc
import os
import pathlib
from fractions import Fraction

import numpy as np
import pytest

from simone_tf.data.videos.container_video import read_video
from simone_tf.data.videos.damage import Damage
from simone_tf.errors import UserError

from made_videos import WHOLE, Pipe, decoded, make, scene, whole

av = pytest.importorskip("av")

FAULTS = pathlib.Path(__file__).parents[1] / "files" / "faults"


def frames_of(path, damage=None):
    return list(read_video(str(path), damage))


def places(data, size):
    """Copies of the data with `size` zeros written over several places inside."""
    for share in (0.15, 0.3, 0.45, 0.6):
        start = int(len(data) * share)
        if any(data[start : start + size]):
            yield data[:start] + bytes(size) + data[start + size :]


@pytest.mark.parametrize("black", [False, True], ids=["scene", "black"])
@pytest.mark.parametrize("name", WHOLE)
def test_whole_videos_lose_nothing(tmp_path, name, black):
    path = tmp_path / name
    path.write_bytes(whole(name, black=black))
    frames = frames_of(path)
    assert len(frames) == 30
    np.testing.assert_array_equal(frames, decoded(path))
    assert abs(np.mean(frames) - (16 if name == "msmpeg4.avi" and black else np.mean(scene()) * (not black))) < 20


APPENDED = [
    "h264.mp4",
    "h264.mkv",
    "live.webm",
    "vp9.webm",
    "flv1.flv",
    "mpeg2.mpg",
    "mpeg2.ts",
    "mpeg4.avi",
    "wmv2.wmv",
]


@pytest.mark.parametrize(
    "tail", [b"\n# camera 1.2\nexposure: 3\n" * 5, bytes(700), b"\n"], ids=["text", "zeros", "line"]
)
@pytest.mark.parametrize("name", [*APPENDED, "fragments.mp4", "prores.mov", "h264.m2ts"])
def test_what_is_appended_is_no_damage(tmp_path, name, tail):
    path = tmp_path / name
    path.write_bytes(whole(name) + tail)
    if name.endswith("ts") and not any(tail):  # Nothing tells whether there were packets.
        with pytest.raises(UserError, match="is damaged at frame"):
            frames_of(path)
        return
    assert len(frames_of(path)) == 30


def test_text_after_an_mp4(tmp_path):
    frames = frames_of(FAULTS / "text_after.mp4")
    assert len(frames) == 32
    np.testing.assert_array_equal(frames, decoded(FAULTS / "text_after.mp4"))


@pytest.mark.parametrize(
    ("container", "codec", "pixels"),
    [
        ("avi", "mpeg4", "yuv420p"),
        ("avi", "mjpeg", "yuvj420p"),
        ("avi", "rawvideo", "bgr24"),
        ("matroska", "libx264", "yuv420p"),
        ("webm", "libvpx-vp9", "yuv420p"),
        ("flv", "libx264", "yuv420p"),
        ("mpegts", "libx264", "yuv420p"),
        ("mpeg", "mpeg2video", "yuv420p"),
    ],
)
def test_written_to_a_pipe(tmp_path, container, codec, pixels):
    pipe = make(Pipe(), scene(), codec, pixels, container=container)
    path = tmp_path / f"piped.{container}"
    path.write_bytes(pipe.content)
    assert len(frames_of(path)) == 30
    if container == "avi":
        assert pipe.content[4:8] == b"\xff" * 4
        pipe.content[4:8] = bytes(4)
        path.write_bytes(pipe.content)
        assert len(frames_of(path)) == 30
        # A cut inside a chunk is noticed all the same.
        path.write_bytes(pipe.content[:-10])
        with pytest.raises(UserError, match="damaged"):
            frames_of(path)


def test_times_of_any_kind(tmp_path):
    """Frames of unequal lengths: none is lost and none is made up."""
    for suffix, codec in ((".mp4", "libx264"), (".webm", "libvpx-vp9"), (".mkv", "mpeg4")):
        path = tmp_path / f"unequal{suffix}"
        with av.open(str(path), "w") as file:
            stream = file.add_stream(codec, rate=1000)
            stream.height, stream.width, stream.pix_fmt = 64, 80, "yuv420p"
            for index, image in enumerate(scene()):
                frame = av.VideoFrame.from_ndarray(image, format="rgb24")
                frame.pts = index * 40 + (index % 3) * 17 + (500 if index > 20 else 0)
                frame.time_base = Fraction(1, 1000)
                file.mux(stream.encode(frame))
            file.mux(stream.encode())
        assert len(frames_of(path)) == 30


def stream_copy(source, target, skip, keep_times=False):
    """Copies packets without those at the start, as cutting tools do."""
    with av.open(str(source)) as old, av.open(str(target), "w") as new:
        stream = new.add_stream_from_template(old.streams.video[0])
        first = None
        for index, packet in enumerate(old.demux(old.streams.video[0])):
            if packet.dts is None or index < skip:
                continue
            first = packet.dts if first is None else first
            if not keep_times:
                packet.dts -= first
                packet.pts -= first
            packet.stream = stream
            new.mux(packet)


@pytest.mark.parametrize("skip", [1, 4, 13])
@pytest.mark.parametrize(
    "name", ["h264.mp4", "open_gop.mp4", "hevc.mp4", "mpeg4.mp4", "vp9.webm", "vp8.webm", "flv1.flv"]
)
def test_clips_cut_out_between_key_frames(tmp_path, name, skip):
    """What players show is read: from the next key frame on at the latest."""
    (tmp_path / name).write_bytes(whole(name))
    target = tmp_path / f"cut{(tmp_path / name).suffix}"
    stream_copy(tmp_path / name, target, skip)
    frames = frames_of(target)
    assert len(frames) >= (10 if skip > 10 else 18)
    if name.startswith("vp"):
        # The decoder of VP8 and VP9 stops at the first packets, and so would this program.
        np.testing.assert_array_equal(frames, decoded(tmp_path / name)[-len(frames) :])
    else:
        np.testing.assert_array_equal(frames, decoded(target))


def test_an_edit_list(tmp_path):
    (tmp_path / "a.mp4").write_bytes(whole("h264.mp4"))
    stream_copy(tmp_path / "a.mp4", tmp_path / "b.mp4", 10, keep_times=True)
    frames = frames_of(tmp_path / "b.mp4")
    np.testing.assert_array_equal(frames, decoded(tmp_path / "b.mp4"))
    assert len(frames) == 20


SAID = [
    "h264.mp4", "open_gop.mp4", "h264.mkv", "h264.mov", "h264.ts", "h264.flv", "h264.avi", "hevc.mp4", "mpeg4.mp4",
    "mpeg4.avi", "mpeg4.mkv", "vp8.webm", "vp9.webm", "vp9.mp4", "ffv1.mkv", "ffv1.avi", "mpeg1.mpg", "mpeg2.mpg",
    "mpeg2.ts", "flv1.flv", "prores.mov", "qtrle.mov", "png.mov", "msmpeg4.avi", "live.mkv", "fragments.mp4",
    "raw.h264",
]  # fmt: skip


@pytest.mark.parametrize("size", [64, 1500])
@pytest.mark.parametrize("name", SAID)
def test_zeros_inside_are_told_or_left_out(tmp_path, name, size):
    """Every copy that does not decode as the whole video is refused; with "skip" no wrong frame is given."""
    path = tmp_path / name
    path.write_bytes(whole(name))
    right = {frame.tobytes() for frame in frames_of(path)}
    for data in places(whole(name), size):
        path.write_bytes(data)
        try:
            as_is = decoded(path)
        except av.FFmpegError:
            as_is = []
        if len(as_is) == 30 and all(frame.tobytes() in right for frame in as_is):
            continue
        with pytest.raises(UserError, match=r"damaged|no frames") as error:
            frames_of(path)
        assert str(path) in str(error.value)
        damage = Damage(path, "skip")
        try:
            frames = frames_of(path, damage)
        except UserError:
            continue  # Nothing can be read of it at all.
        assert damage.told()
        wrong = sum(frame.tobytes() not in right for frame in frames)
        # Where FFmpeg joins frames from small packets, the one before the gap may lack its end unseen.
        assert wrong <= (8 if name.endswith((".mpg", ".ts")) else 0)
        assert len(frames) < 30


def test_the_frame_is_named_and_the_others_are_kept(tmp_path):
    """Frames 12 to 19 of ten each are drawn from the damaged frame 12; 20 is a key frame."""
    path = tmp_path / "a.mkv"
    make(path, scene(), "mpeg4", options={"g": "10"}, muxer={"write_crc32": "0"})
    with av.open(str(path)) as file:
        packets = [(packet.pos, packet.size) for packet in file.demux(video=0) if packet.size]
    right = frames_of(path)
    data = bytearray(path.read_bytes())
    position, size = packets[12]
    data[position + size // 2 : position + size] = bytes(size - size // 2)
    path.write_bytes(data)
    with pytest.raises(UserError, match=r"a\.mkv is damaged at frame 12 \(.*on_corrupt=skip"):
        frames_of(path)
    damage = Damage(path, "skip")
    frames = frames_of(path, damage)
    np.testing.assert_array_equal(frames, right[:12] + right[20:])
    assert (damage.left_out, damage.holes) == (8, 0)
    assert damage.told() == f"{path}: 8 damaged frames were left out"


def test_frames_shown_before_the_damaged_one_but_drawn_from_it(tmp_path):
    """B-frames come out first; they are left out too."""
    path = tmp_path / "a.mp4"
    make(path, scene(), "libx264", options={"g": "30", "bf": "3", "x264-params": "b-adapt=0:scenecut=0"})
    with av.open(str(path)) as file:
        packets = [(packet.pos, packet.size, packet.pts) for packet in file.demux(video=0) if packet.size]
    right = frames_of(path)
    order = sorted(packet[2] for packet in packets)
    damaged = next(packet for packet in packets[3:] if order.index(packet[2]) - packets.index(packet) >= 2)
    number = order.index(damaged[2])
    data = bytearray(path.read_bytes())
    data[damaged[0] + 8 : damaged[0] + damaged[1]] = bytes(damaged[1] - 8)
    path.write_bytes(data)
    damage = Damage(path, "skip")
    frames = frames_of(path, damage)
    assert 0 < len(frames) < number
    np.testing.assert_array_equal(frames, right[: len(frames)])
    assert damage.left_out == 30 - len(frames)


def test_a_file_without_its_end(tmp_path):
    path = tmp_path / "a.mkv"
    path.write_bytes(whole("mpeg4.mkv")[:-1500])
    with pytest.raises(UserError, match="cut off"):
        frames_of(path)
    damage = Damage(path, "skip")
    assert 5 < len(frames_of(path, damage)) < 30
    assert "frames are missing" in damage.told()
    with pytest.raises(UserError, match="cut off"):
        frames_of(path, Damage(path, "skip", "its masks"))


def test_what_goes_with_frames_by_number_forbids_leaving_some_out(tmp_path):
    path = tmp_path / "a.webm"
    path.write_bytes(next(places(whole("vp9.webm"), 512)))
    with pytest.raises(UserError, match=r"and its camera could no longer"):
        frames_of(path, Damage(path, "skip", "its camera"))


def test_transparency_lies_on_black(tmp_path):
    """Of every codec that has it: half of the frame is transparent, a quarter half so."""
    picture = np.full((5, 48, 64, 4), (200, 100, 50, 255), np.uint8)
    picture[:, :, 32:] = (255, 0, 255, 0)
    picture[:, 24:, :32, 3] = 128
    kinds = {
        "a.mov": ("qtrle", "argb"),
        "b.mov": ("png", "rgba"),
        "c.mov": ("prores_ks", "yuva444p10le"),
        "d.mkv": ("ffv1", "bgra"),
        "e.webm": ("libvpx-vp9", "yuva420p"),
        "f.webm": ("libvpx", "yuva420p"),
        "g.avi": ("utvideo", "gbrap"),
    }
    for name, (codec, pixels) in kinds.items():
        change = {"change": lambda stream: stream.metadata.update(alpha_mode="1")} if name.endswith("webm") else {}
        options = {"auto-alt-ref": "0", "b": "2M"} if name.endswith("webm") else {}
        make(tmp_path / name, picture, codec, pixels, options, **change)
        frames = np.stack(frames_of(tmp_path / name)).astype(int)
        assert frames.shape == (5, 48, 64, 3)
        exact = name[0] in "abdg"
        assert np.abs(frames[:, :20, :28] - (200, 100, 50)).max() <= (0 if exact else 8), name
        assert np.abs(frames[:, 28:, :28] - (100, 50, 25)).max() <= (1 if exact else 8), name
        assert frames[:, :, 36:].max() <= (0 if exact else 8), name
    for name in ("alpha_ffv1.mkv", "alpha_qtrle.mov"):
        for frame in frames_of(FAULTS / name):
            assert not frame[:, 32:].any()
            assert (frame[0, 0] == (200, 100, 50)).all()


def test_what_only_looks_transparent_is_shown(tmp_path):
    """The fourth byte of uncompressed AVI means nothing, and programs leave it at zero."""
    picture = np.full((2, 16, 16, 4), (200, 100, 50, 0), np.uint8)
    make(tmp_path / "a.avi", picture, "rawvideo", "bgra")
    for frame in frames_of(tmp_path / "a.avi"):
        assert (frame == (200, 100, 50)).all()


@pytest.mark.parametrize("name", ["locked.mp4", "locked.y4m"])
def test_missing_permission_is_not_told_as_damage(tmp_path, monkeypatch, name):
    path = tmp_path / name
    path.write_bytes(b"x" * 100)

    def refuse(*args, **options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(av, "open", refuse)
    with pytest.raises(UserError, match="check its permissions"):
        frames_of(path)


def test_sound_and_cover_pictures_alone_are_named(tmp_path):
    path = tmp_path / "sound.m4a"
    with av.open(str(path), "w") as file:
        stream = file.add_stream("aac", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.rate = 8000
        file.mux(stream.encode(frame))
        file.mux(stream.encode())
    with pytest.raises(UserError, match="holds sound and no video"):
        frames_of(path)


def test_frames_and_their_threads_are_freed_at_once(tmp_path):
    """Without waiting for the garbage collector: memory must not grow with the length of a video."""
    path = tmp_path / "a.mp4"
    path.write_bytes(whole("h264.mp4"))
    frames_of(path)
    gc.collect()
    gc.disable()
    try:
        threads = len(os.listdir("/proc/self/task"))
        for _ in range(3):
            frames_of(path)
        assert len(os.listdir("/proc/self/task")) - threads < 15
    finally:
        gc.enable()
