"""The bytes of a file decide who reads it, and what is said where it cannot be."""

import os
import shutil
import tempfile

import numpy as np
import pytest
from PIL import Image

from simone_tf.data.videos.camera_files import read_camera
from simone_tf.data.videos.file_kinds import is_picture
from simone_tf.data.videos.import_clips import find_sources
from simone_tf.data.videos.mask_files import MaskFolder
from simone_tf.data.videos.video_files import read_frames
from simone_tf.data.videos.video_source import VideoSource
from simone_tf.errors import UserError

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 12345\n"
NAMES = ("a.png", "a.jpg", "a.gif", "a.tif", "a.mp4", "a.webm")


def reader(kind):
    return {
        "frames": lambda path: list(read_frames(path)),
        "source": lambda path: list(VideoSource(path).frames()),
        "folder": lambda path: list(read_frames(os.path.dirname(path))),
        "masks": lambda path: list(MaskFolder(os.path.dirname(path)).read()),
        "camera": read_camera,
    }[kind]


READINGS = [
    *(("frames", name) for name in NAMES),
    *(("source", name) for name in (*NAMES, "a.npy")),
    *(("folder", "a.png"), ("masks", "a.png"), ("masks", "a.tif")),
    *(("camera", f"a{suffix}") for suffix in (".npy", ".csv", ".json")),
]


def refused(kind, path):
    with pytest.raises(UserError) as error:
        reader(kind)(str(path))
    text = str(error.value)
    assert str(path) in text
    assert "\n" not in text
    return text


@pytest.mark.parametrize(("kind", "name"), READINGS)
def test_git_lfs_pointers_are_named(tmp_path, kind, name):
    (tmp_path / name).write_bytes(POINTER)
    assert refused(kind, tmp_path / name).endswith("it is a Git LFS pointer, not the file itself: run git lfs pull.")


@pytest.fixture
def forbidden():
    """A folder that others may enter, and the right to read what nobody may given up."""
    folder = tempfile.mkdtemp()
    os.chmod(folder, 0o755)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield folder, (lambda: os.seteuid(0)) if root else (lambda: None)
    finally:
        if root:
            os.seteuid(0)
        shutil.rmtree(folder)


@pytest.mark.parametrize(("kind", "name"), READINGS)
def test_what_must_not_be_read_is_not_damaged(forbidden, kind, name):
    folder, _ = forbidden
    path = os.path.join(folder, name)
    user = os.geteuid()
    if user == 65534:
        os.seteuid(0)
    with open(path, "wb") as file:
        file.write(b"content")
    os.chmod(path, 0)
    os.seteuid(user)
    text = refused(kind, path)
    assert "cannot be opened (Permission denied): check its permissions" in text
    assert "damaged" not in text


@pytest.mark.parametrize(
    "start",
    [
        *(lambda path: list(read_frames(path)), VideoSource, MaskFolder),
        *(lambda path: read_camera(f"{path}.csv"), lambda path: find_sources([__file__], camera=path)),
    ],
)
def test_a_folder_that_must_not_be_entered_is_not_missing(forbidden, start):
    folder, _ = forbidden
    inner = os.path.join(folder, "inner")
    user = os.geteuid()
    if user == 65534:
        os.seteuid(0)
    os.mkdir(inner)
    os.chmod(inner, 0)
    os.seteuid(user)
    with pytest.raises(UserError, match=r"cannot be opened \(Permission denied\)"):
        start(os.path.join(inner, "a"))


def gif(path):
    images = [Image.new("L", (8, 6), 40 * index) for index in range(3)]
    images[0].save(path, format="GIF", save_all=True, append_images=images[1:], duration=40)


def mp4(path, form="mp4"):
    av = pytest.importorskip("av")
    with av.open(str(path), "w", format=form) as container:
        stream = container.add_stream("mpeg4", rate=25, width=16, height=16)
        stream.pix_fmt = "yuv420p"
        for index in range(4):
            frame = np.full((16, 16, 3), 40 * index, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())


@pytest.mark.parametrize("name", ["a.mp4", "a.webm", "a.png", "a.dat", "a"])
def test_a_gif_is_one_by_any_name(tmp_path, name):
    gif(tmp_path / name)
    assert [frame[0, 0, 0] for frame in read_frames(tmp_path / name)] == [0, 40, 80]
    source = VideoSource(tmp_path / name)
    assert source.rate == 25
    assert len(list(source.frames())) == 3


@pytest.mark.parametrize("name", ["a.gif", "a.png", "a.tiff", "a.apng", "a"])
@pytest.mark.parametrize("form", ["mp4", "matroska", "avi"])
def test_a_video_is_one_by_any_name(tmp_path, name, form):
    mp4(tmp_path / name, form)
    values = [int(frame[8, 8, 0]) for frame in read_frames(tmp_path / name)]
    np.testing.assert_allclose(values, [0, 40, 80, 120], atol=4)
    source = VideoSource(tmp_path / name)
    assert source.rate == 25
    assert len(list(source.frames())) == 4


def test_pictures_by_other_names(tmp_path):
    image = Image.new("RGB", (5, 4), (10, 20, 30))
    for form in ("PNG", "BMP", "TIFF", "PPM", "WEBP", "GIF", "JPEG"):
        image.save(tmp_path / "a.mp4", format=form, **({"lossless": True} if form == "WEBP" else {}))
        (frame,) = read_frames(tmp_path / "a.mp4")
        np.testing.assert_allclose(frame[0, 0], (10, 20, 30), atol=3, err_msg=form)


def test_text_is_no_bitmap_and_heic_is_named(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"BM is how this text begins, and it goes on.")
    assert not is_picture(str(tmp_path / "a.mp4"))
    (tmp_path / "a.jpg").write_bytes(b"\0\0\0\x18ftypheic" + bytes(60))
    assert "is a HEIC picture" in refused("frames", tmp_path / "a.jpg")
