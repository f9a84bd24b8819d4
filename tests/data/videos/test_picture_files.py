"""Pictures upright, of every depth and transparency, and whole."""

import itertools
import pathlib

import numpy as np
import pytest
from PIL import Image, ImageOps

from simone_tf.data.videos.picture_files import upright
from simone_tf.data.videos.video_files import read_frames
from simone_tf.errors import UserError

FAULTS = pathlib.Path(__file__).parents[1] / "files" / "faults"

# What EXIF says of each value: where the first row and the first column of the stored picture are when it is shown.
SIDES = {
    **{1: ("top", "left"), 2: ("top", "right"), 3: ("bottom", "right"), 4: ("bottom", "left")},
    **{5: ("left", "top"), 6: ("right", "top"), 7: ("right", "bottom"), 8: ("left", "bottom")},
}
EDGES = {"top": np.s_[0], "bottom": np.s_[-1], "left": np.s_[:, 0], "right": np.s_[:, -1]}
STORED = np.arange(6, dtype=np.uint8).reshape(2, 3) * 40 + 10


def with_orientation(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


@pytest.mark.parametrize("orientation", SIDES)
def test_upright_is_what_exif_says(orientation):
    shown = upright(STORED, orientation)
    row, column = SIDES[orientation]
    assert sorted(shown[EDGES[row]]) == sorted(STORED[0])
    assert sorted(shown[EDGES[column]]) == sorted(STORED[:, 0])


@pytest.mark.parametrize("orientation", SIDES)
@pytest.mark.parametrize(
    ("kind", "suffix"),
    [("RGB", "png"), ("RGBA", "png"), ("LA", "png"), ("I;16", "png"), ("P", "png"), ("RGB", "tif"), ("RGBA", "webp")],
)
def test_every_kind_of_picture_is_turned(tmp_path, orientation, kind, suffix):
    wide = kind == "I;16"
    image = Image.fromarray(STORED.astype(np.uint16) * 256) if wide else Image.fromarray(STORED).convert(kind)
    options = {"lossless": True} if suffix == "webp" else {}
    image.save(tmp_path / f"a.{suffix}", exif=with_orientation(orientation), **options)
    (frame,) = read_frames(tmp_path / f"a.{suffix}")
    plain = Image.fromarray(STORED)
    plain.getexif()[0x0112] = orientation
    np.testing.assert_array_equal(frame, np.stack([np.asarray(ImageOps.exif_transpose(plain))] * 3, -1))


def test_a_turned_picture_with_alpha_is_upright():
    (frame,) = read_frames(FAULTS / "orientation_6_alpha.png")
    stored = np.asarray(Image.open(FAULTS / "orientation_6_alpha.png")).astype(float)
    on_black = stored[..., :3] * stored[..., 3:] / 255
    assert frame.shape == (48, 64, 3)
    np.testing.assert_allclose(frame, np.rot90(on_black, -1), atol=1)


def test_every_frame_of_a_turned_animation_is_turned(tmp_path):
    frames = [STORED, STORED + 1, STORED + 2]
    images = [Image.fromarray(frame).convert("RGB") for frame in frames]
    for name, options in (("a.png", {}), ("a.webp", {"lossless": True}), ("a.tif", {})):
        exif = with_orientation(6)
        images[0].save(tmp_path / name, save_all=True, append_images=images[1:], exif=exif, **options)
        shown = list(read_frames(tmp_path / name))
        if name == "a.tif":
            # Pillow states the orientation in its first page only.
            shown, frames = shown[:1], frames[:1]
        np.testing.assert_array_equal(np.stack(shown)[..., 0], [np.rot90(frame, -1) for frame in frames])


def test_16_bit_pgm_is_read_by_its_maximum(tmp_path):
    for maximum in (65535, 4095, 1023, 300):
        values = np.array([[0, 1, maximum // 2, maximum]])
        header = f"P5\n# a comment\n4 1\n{maximum}\n".encode()
        (tmp_path / "a.pgm").write_bytes(header + values.astype(">u2").tobytes())
        (tmp_path / "b.pgm").write_text(f"P2 4 1 {maximum}\n" + " ".join(map(str, values[0])) + "\n")
        for name in ("a.pgm", "b.pgm"):
            (frame,) = read_frames(tmp_path / name)
            assert frame.shape == (1, 4, 3)
            np.testing.assert_allclose(frame[..., 0], values / maximum * 255, atol=1)
            assert frame[0, -1].tolist() == [255] * 3


def test_8_bit_pgm_and_colours_of_16_bits(tmp_path):
    (tmp_path / "a.pgm").write_bytes(b"P5 3 1 100\n" + bytes([0, 50, 100]))
    (frame,) = read_frames(tmp_path / "a.pgm")
    np.testing.assert_allclose(frame[0, :, 0], [0, 127.5, 255], atol=1)
    (tmp_path / "a.ppm").write_bytes(b"P6 1 1 4095\n" + np.array([4095, 0, 2047], ">u2").tobytes())
    (frame,) = read_frames(tmp_path / "a.ppm")
    np.testing.assert_allclose(frame[0, 0], [255, 0, 127.5], atol=1)


def random_pictures():
    rng = np.random.default_rng(0)
    return [Image.fromarray(rng.integers(0, 256, (7, 9, 3), np.uint8)) for _ in range(3)]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.png", {}),
        ("a.apng", {"format": "PNG"}),
        ("hidden.apng", {"format": "PNG", "default_image": True}),
        ("a.jpg", {}),
        ("progressive.jpg", {"progressive": True}),
        ("a.webp", {"lossless": True}),
        ("one.webp", {}),
        ("a.tif", {}),
        ("one.tif", {"compression": "tiff_lzw"}),
        ("a.gif", {}),
    ],
)
def test_every_cut_is_refused_or_loses_nothing(tmp_path, name, options):
    """A GIF may end where one of its pictures does."""
    first, *others = random_pictures()
    many = {} if name.startswith("one") or name.endswith("jpg") else {"save_all": True, "append_images": others}
    first.save(tmp_path / name, **many, **options)
    content = (tmp_path / name).read_bytes()
    whole = np.stack(list(read_frames(tmp_path / name)))
    lost = []
    step = max(1, len(content) // 150)
    for cut in {*range(1, len(content), step), *range(len(content) - 20, len(content))}:
        (tmp_path / f"cut_{name}").write_bytes(content[:cut])
        try:
            frames = np.stack(list(read_frames(tmp_path / f"cut_{name}")))
        except UserError:
            continue
        if not np.array_equal(frames, whole):
            lost.append(cut)
            np.testing.assert_array_equal(frames, whole[: len(frames)])
    assert len(lost) <= (2 if name.endswith("gif") else 0)


@pytest.mark.parametrize("name", ["gif_no_trailer.gif", "gif_54_bytes_after.gif"])
def test_complete_gifs_are_read_whole(name):
    frames = list(read_frames(FAULTS / name))
    av = pytest.importorskip("av")
    with av.open(str(FAULTS / name)) as container:
        others = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(frames) == len(others) == 3
    np.testing.assert_array_equal(frames, others)


def test_a_cut_gif_is_refused():
    with pytest.raises(UserError, match=r"gif_really_cut\.gif is cut off"):
        list(read_frames(FAULTS / "gif_really_cut.gif"))


def test_gifs_without_end_or_with_more_behind_it(tmp_path):
    first, *others = random_pictures()
    first.save(tmp_path / "whole.gif", save_all=True, append_images=others)
    content = (tmp_path / "whole.gif").read_bytes()
    whole = list(read_frames(tmp_path / "whole.gif"))
    assert content.endswith(b"\0;")
    for name, changed in itertools.chain(
        (("ends.gif", content[:-1]), ("zeros.gif", content[:-1] + bytes(60)), ("line.gif", content + b"\r\n")),
        (("text.gif", content + b"<html>" * 40), ("twice.gif", content + content)),
    ):
        (tmp_path / name).write_bytes(changed)
        np.testing.assert_array_equal(list(read_frames(tmp_path / name)), whole, err_msg=name)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_grey_tiffs_without_compression_are_upright(tmp_path, dtype, orientation):
    pixels = np.random.default_rng(orientation).integers(0, 256, (20, 30)).astype(dtype) << (8 * (dtype == np.uint16))
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(pixels).save(tmp_path / "a.tif", exif=exif)
    (frame,) = read_frames(tmp_path / "a.tif")
    shown = upright(np.asarray(pixels >> (8 * (dtype == np.uint16))), orientation)
    np.testing.assert_array_equal(frame[..., 0], shown)
