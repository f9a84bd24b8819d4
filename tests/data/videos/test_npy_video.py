"""Videos in .npy files: every kind that is read, and every hostile or mistaken file told in a sentence."""

import io
import struct

import numpy as np
import pytest

from simone_tf.data.videos.npy_video import open_npy_video, read_npy_frames
from simone_tf.errors import UserError


def frames_of(path):
    return np.stack(list(read_npy_frames(open_npy_video(str(path)))))


def refused(path):
    with pytest.raises(UserError) as caught:
        frames_of(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def header(text, version=(1, 0)):
    """The start of a .npy file, written by hand from the format's description."""
    body = text.encode()
    body += b" " * (-(len(body) + 11) % 64) + b"\n"
    return b"\x93NUMPY" + bytes(version) + struct.pack("<H" if version == (1, 0) else "<I", len(body)) + body


@pytest.fixture
def video():
    return np.random.default_rng(0).integers(0, 256, (5, 6, 8, 3), np.uint8)


def test_uint8_is_read_as_it_is(tmp_path, video):
    np.save(tmp_path / "a.npy", video)
    opened = open_npy_video(str(tmp_path / "a.npy"))
    assert (opened.num_frames, opened.frame_shape) == (5, (6, 8, 3))
    np.testing.assert_array_equal(frames_of(tmp_path / "a.npy"), video)


@pytest.mark.parametrize("dtype", ["<f2", "<f4", ">f4", "<f8"])
def test_floats_become_the_same_bytes(tmp_path, video, dtype):
    np.save(tmp_path / "a.npy", (video / 255).astype(dtype))
    np.testing.assert_array_equal(frames_of(tmp_path / "a.npy"), video)


def test_grey_alpha_and_single_pictures(tmp_path, video):
    cases = {
        "grey": (video[..., 0], np.repeat(video[..., :1], 3, -1)),
        "grey_channel": (video[..., :1], np.repeat(video[..., :1], 3, -1)),
        "picture": (video[0], video[:1]),
        "opaque": (np.concatenate([video, np.full_like(video[..., :1], 255)], -1), video),
        "clear": (np.concatenate([video, np.zeros_like(video[..., :1])], -1), np.zeros_like(video)),
        "half": (np.full((1, 2, 2, 4), [200, 100, 0, 51], np.uint8), np.full((1, 2, 2, 3), [40, 20, 0])),
    }
    for name, (array, wanted) in cases.items():
        np.save(tmp_path / f"{name}.npy", array)
        np.testing.assert_array_equal(frames_of(tmp_path / f"{name}.npy"), wanted, err_msg=name)


def test_format_two_is_read(tmp_path, video):
    text = "{'descr': '|u1', 'fortran_order': False, 'shape': (5, 6, 8, 3), }"
    (tmp_path / "a.npy").write_bytes(header(text, (2, 0)) + video.tobytes())
    np.testing.assert_array_equal(frames_of(tmp_path / "a.npy"), video)


def test_one_frame_is_read_at_a_time(tmp_path, video):
    """The last frame is wrong, and that is found only when it is reached."""
    floats = (video / 255).astype(np.float32)
    floats[-1, 0, 0, 0] = np.nan
    np.save(tmp_path / "a.npy", floats)
    frames = read_npy_frames(open_npy_video(str(tmp_path / "a.npy")))
    for _ in range(4):
        next(frames)
    with pytest.raises(UserError, match="frame 4 holds numbers from nan"):
        next(frames)


def test_pickles_are_never_run(tmp_path):
    class Trap:
        def __reduce__(self):
            return (pytest.fail, ("a pickle was run",))

    np.save(tmp_path / "trap.npy", np.array([Trap()] * 3, dtype=object))
    assert "Python objects" in refused(tmp_path / "trap.npy")


@pytest.mark.parametrize(
    "shape", ["(10**12, 64, 64, 3)", "(1000000000000, 64, 64, 3)", "(10, 100000, 100000, 3)", "(-1, 6, 8, 3)", "()"]
)
def test_claimed_sizes_are_not_believed(tmp_path, shape):
    text = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}"
    (tmp_path / "huge.npy").write_bytes(header(text) + bytes(100))
    with pytest.raises(UserError):  # before any frame is asked for
        open_npy_video(str(tmp_path / "huge.npy"))


@pytest.mark.parametrize(
    "text",
    [
        "{'descr': '|u1', 'fortran_order': False, 'shape': (4, 64",
        "(" * 3000,
        "-" * 9000 + "1",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (4, 64, 64, 3), 'x': __import__('os')}",
        "{'descr': ('|u1',), 'fortran_order': False, 'shape': (4, 64, 64, 3)}",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (" + "1, " * 2000 + ")}",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (1" + "0" * 4200 + ", 9000, 3000, 3)}",
    ],
)
def test_damaged_headers_are_told_and_not_quoted(tmp_path, text):
    (tmp_path / "bad.npy").write_bytes(header(text) + bytes(100))
    message = refused(tmp_path / "bad.npy")
    assert "damaged" in message
    assert "ast." not in message
    assert len(message) < 200 + len(str(tmp_path))


def test_other_arrays_are_refused(tmp_path, video):
    for name, array, words in (
        ("integers", video.astype(np.int64), "int64"),
        ("to_255", video.astype(np.float32), "divide"),
        ("negative", video / 255 - 0.5, "divide"),
        ("flat", np.zeros(7, np.uint8), "shape"),
        ("five", np.zeros((2, 2, 2, 2, 3), np.uint8), "shape"),
        ("two_channels", np.zeros((2, 4, 4, 2), np.uint8), "shape"),
        ("empty", np.zeros((0, 4, 4, 3), np.uint8), "shape"),
        ("columns", np.asfortranarray(video), "ascontiguousarray"),
    ):
        np.save(tmp_path / f"{name}.npy", array)
        assert words in refused(tmp_path / f"{name}.npy"), name


def test_damaged_files_are_refused(tmp_path, video):
    buffer = io.BytesIO()
    np.save(buffer, video)
    content = buffer.getvalue()
    path = tmp_path / "cut.npy"
    for cut in (0, 3, 9, 60, 127, 128, 200, len(content) - 1):
        path.write_bytes(content[:cut])
        refused(path)
    with pytest.raises(UserError, match="is cut off"):
        open_npy_video(str(path))
    path.write_bytes(b"hello world, this is text and no array")
    refused(path)
    path.write_bytes(header("__import__('os').system('true')"))
    refused(path)
    refused(tmp_path / "missing.npy")
