"""Which pictures in one file are the frames: animations, TIFF pages, previews."""

import pathlib
import zlib

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from simone_tf.data.videos.mask_files import MaskFolder
from simone_tf.data.videos.video_files import read_frames
from simone_tf.data.videos.video_source import VideoSource
from simone_tf.errors import UserError

FAULTS = pathlib.Path(__file__).parents[1] / "files" / "faults"
COLOURS = [(250, 0, 0), (0, 250, 0), (0, 0, 250), (90, 90, 90)]


def pictures(*sizes, mode="RGB"):
    sizes = sizes or [(6, 4)] * 4
    return [Image.new("RGB", size, colour).convert(mode) for size, colour in zip(sizes, COLOURS, strict=False)]


def save(path, images, **options):
    images[0].save(path, save_all=True, append_images=images[1:], **options)
    return path


def colours(path):
    return [tuple(frame[0, 0].tolist()) for frame in read_frames(path)]


def refused(path):
    with pytest.raises(UserError) as error:
        list(read_frames(path))
    assert str(path) in str(error.value)
    return str(error.value)


def test_a_hidden_default_picture_is_no_frame(tmp_path):
    av = pytest.importorskip("av")
    frames = list(read_frames(FAULTS / "apng_hidden_default.apng"))
    with av.open(str(FAULTS / "apng_hidden_default.apng")) as container:
        others = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(frames) == len(others) == 3
    np.testing.assert_array_equal(frames, others)
    for name in ("a.png", "a.apng"):
        path = save(tmp_path / name, pictures(), format="PNG", default_image=True)
        assert colours(path) == COLOURS[1:]
    # One frame behind the hidden picture is the video.
    assert colours(save(tmp_path / "b.png", pictures()[:2], default_image=True)) == COLOURS[1:2]
    # Shown, the first picture is a frame.
    assert colours(save(tmp_path / "c.png", pictures())) == COLOURS


def test_pages_of_a_tiff_are_frames(tmp_path):
    assert colours(save(tmp_path / "a.tif", pictures())) == COLOURS
    assert colours(save(tmp_path / "b.tiff", pictures(), compression="tiff_lzw")) == COLOURS
    grey = [Image.new("I;16", (5, 4), value * 256) for value in (1, 2, 200)]
    assert colours(save(tmp_path / "c.tif", grey)) == [(1,) * 3, (2,) * 3, (200,) * 3]


@pytest.mark.parametrize("tag", [{254: 1}, {254: 4}, {254: 5}, {255: 2}])
def test_previews_and_masks_in_a_tiff_are_no_frames(tmp_path, tag):
    with TiffImagePlugin.AppendingTiffWriter(str(tmp_path / "a.tif"), new=True) as writer:
        for image, tags in zip(pictures((6, 4), (3, 2), (6, 4)), ({}, tag, {254: 2}), strict=False):
            info = TiffImagePlugin.ImageFileDirectory_v2()
            for key, value in tags.items():
                info[key] = value
            image.save(writer, format="TIFF", tiffinfo=info)
            writer.newFrame()
    assert colours(tmp_path / "a.tif") == [COLOURS[0], COLOURS[2]]


def test_pages_that_are_no_frames_of_one_video_are_refused(tmp_path):
    assert "page 3 has 8 x 4" in refused(save(tmp_path / "sizes.tif", pictures((6, 4), (6, 4), (8, 4))))
    mixed = [pictures()[0], pictures()[1].convert("L")]
    assert "page 2 has 6 x 4 (L)" in refused(save(tmp_path / "modes.tif", mixed))
    for text, words in (("channels=2\nframes=2", "2 channels"), ("slices=2\nframes=2", "2 slices")):
        info = {270: f"ImageJ=1.53t\nimages=4\n{text}\nunit=pixel\n"}
        assert words in refused(save(tmp_path / "stack.tif", pictures(), tiffinfo=info))
    for text in ("frames=4", "slices=4"):
        info = {270: f"ImageJ=1.53t\nimages=4\n{text}\n"}
        assert colours(save(tmp_path / "stack.tif", pictures(), tiffinfo=info)) == COLOURS


def test_an_animation_among_pictures_is_refused(tmp_path):
    for name, options in (("1.png", {}), ("1.webp", {"lossless": True}), ("1.tif", {})):
        folder = tmp_path / name[2:]
        folder.mkdir()
        pictures()[0].save(folder / f"0.{name[2:]}", **options)
        save(folder / name, pictures(), **options)
        frames = read_frames(folder)
        assert next(frames)[0, 0].tolist() == list(COLOURS[0])
        with pytest.raises(UserError, match=f"{name} holds 4 frames"):
            next(frames)
        with pytest.raises(UserError, match=f"{name} holds 4 frames"):
            list(MaskFolder(str(folder)).read())


def test_an_animation_without_a_number_of_frames_is_damaged_and_nothing_leaks(tmp_path, recwarn):
    whole = save(tmp_path / "a.png", pictures()).read_bytes()
    start = whole.index(b"acTL") + 4
    for name, content in (
        ("none.png", whole[:start] + bytes(4) + whole[start + 4 :]),
        ("many.apng", whole[:start] + b"\xff" * 4 + whole[start + 4 :]),
    ):
        # The checksum of this chunk is not looked at by all who read it; here it is right.
        end = start + 8
        chunk = content[start - 4 : end]
        (tmp_path / name).write_bytes(content[:end] + zlib.crc32(chunk).to_bytes(4, "big") + content[end + 4 :])
        assert VideoSource(tmp_path / name).num_frames is None
        assert "damaged or cut off (it says that it is animated" in refused(tmp_path / name)
    assert [str(w.message) for w in recwarn.list] == []


def test_pictures_one_after_the_other_in_a_file_are_refused(tmp_path):
    wide = b"P5 2 1 4095\n" + np.array([9, 4000], ">u2").tobytes()
    for name, picture in (("a.ppm", b"P6 2 1 255\nabcdef"), ("a.pgm", b"P5 2 1 255\nab"), ("b.pgm", wide)):
        (tmp_path / name).write_bytes(picture)
        assert len(list(read_frames(tmp_path / name))) == 1
        (tmp_path / name).write_bytes(picture + b"\n")
        assert len(list(read_frames(tmp_path / name))) == 1
        (tmp_path / name).write_bytes(picture * 3)
        assert "several pictures" in refused(tmp_path / name)


def test_a_stream_of_jpegs_is_not_its_first(tmp_path):
    pytest.importorskip("av")
    pictures()[0].save(tmp_path / "a.jpg")
    content = (tmp_path / "a.jpg").read_bytes()
    (tmp_path / "one.mjpeg").write_bytes(content)
    assert len(list(read_frames(tmp_path / "one.mjpeg"))) == 1
    (tmp_path / "a.mjpeg").write_bytes(content * 3)
    assert "is no video of a kind that is read, or damaged" in refused(tmp_path / "a.mjpeg")
