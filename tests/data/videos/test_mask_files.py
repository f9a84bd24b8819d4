import numpy as np
import pytest
from PIL import Image, ImageOps

from simone_tf.data.videos import mask_files
from simone_tf.data.videos.mask_files import MaskFolder
from simone_tf.errors import UserError


def save(folder, *images):
    folder.mkdir(exist_ok=True)
    for index, image in enumerate(images):
        (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(folder / f"{index}.png")
    return MaskFolder(str(folder))


def refused(masks):
    with pytest.raises(UserError) as error:
        list(masks.read())
    return str(error.value)


def test_numbers_are_kept(tmp_path):
    ids = np.array([[0, 1, 2], [7, 255, 0]], np.uint8)
    palette = Image.fromarray(ids)
    palette.putpalette(list(np.random.default_rng(0).integers(0, 256, 768)))
    masks = save(tmp_path / "a", ids, palette, (ids > 0).astype(np.uint16) * 60000)
    assert len(masks) == 3
    grey, from_palette, wide = masks.read()
    assert grey.dtype == np.int32
    np.testing.assert_array_equal(grey, ids)
    np.testing.assert_array_equal(from_palette, ids)
    np.testing.assert_array_equal(wide, (ids > 0) * 60000)


def test_a_bilevel_picture_counts_like_grey(tmp_path):
    # What an optimiser makes of a mask of 0 and 255.
    (mask,) = save(tmp_path / "a", np.array([[True, False]])).read()
    np.testing.assert_array_equal(mask, [[255, 0]])


def test_colours_are_numbered_alike_in_every_frame(tmp_path):
    red, blue, green = (255, 0, 0), (0, 0, 255), (0, 9, 0)
    black = (0, 0, 0)
    first = np.array([[black, red], [blue, black]], np.uint8)
    second = np.array([[green, blue], [black, red]], np.uint8)
    one, two = save(tmp_path / "a", first, second).read()
    np.testing.assert_array_equal(one, [[0, 1], [2, 0]])
    np.testing.assert_array_equal(two, [[3, 2], [0, 1]])


def test_transparent_is_background(tmp_path):
    colours = np.array([[(9, 9, 9, 255), (9, 9, 9, 0)]], np.uint8)
    greys = np.array([[(9, 255), (9, 0)]], np.uint8)
    (mask,) = save(tmp_path / "a", colours).read()
    np.testing.assert_array_equal(mask, [[1, 0]])
    (mask,) = save(tmp_path / "b", Image.fromarray(greys, "LA")).read()
    np.testing.assert_array_equal(mask, [[9, 0]])


def test_faults_are_told(tmp_path, monkeypatch):
    grey, colour = np.zeros((2, 2), np.uint8), np.ones((2, 2, 3), np.uint8)
    assert "mixes" in refused(save(tmp_path / "mixed", grey, colour))
    (tmp_path / "large").mkdir()
    Image.fromarray(np.full((2, 2), 70000, np.int32)).save(tmp_path / "large" / "0.tif")
    assert "70000" in refused(MaskFolder(str(tmp_path / "large")))
    (tmp_path / "lossy").mkdir()
    Image.fromarray(colour).save(tmp_path / "lossy" / "0.jpg")
    assert "JPEG" in refused(MaskFolder(str(tmp_path / "lossy")))
    monkeypatch.setattr(mask_files, "MAX_COLOURS", 20)
    noise = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    assert "smoothed edges" in refused(save(tmp_path / "noise", noise))
    with pytest.raises(UserError, match="does not exist"):
        MaskFolder(str(tmp_path / "nowhere"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="holds no picture"):
        MaskFolder(str(tmp_path / "empty"))


def test_a_transparent_number_is_background(tmp_path):
    ids = np.array([[0, 1, 2], [7, 255, 0]], np.uint8)
    palette = Image.fromarray(ids)
    palette.putpalette(list(np.random.default_rng(0).integers(0, 256, 768)))
    for name, image, transparency, wanted in (
        ("one", palette, 7, np.where(ids == 7, 0, ids)),
        ("listed", palette, bytes([255, 0, 128, *[255] * 252, 0]), np.where((ids == 1) | (ids == 255), 0, ids)),
        ("short", palette, bytes([0, 0]), np.where(ids == 1, 0, ids)),
        ("grey", Image.fromarray(ids), 2, np.where(ids == 2, 0, ids)),
        ("wide", Image.fromarray(ids.astype(np.uint16) * 200), 1400, np.where(ids == 7, 0, ids.astype(int) * 200)),
    ):
        (tmp_path / name).mkdir()
        image.save(tmp_path / name / "0.png", transparency=transparency)
        (mask,) = MaskFolder(str(tmp_path / name)).read()
        np.testing.assert_array_equal(mask, wanted, err_msg=name)
    colours = np.array([[(9, 9, 9), (8, 8, 8), (7, 7, 7)]], np.uint8)
    (tmp_path / "rgb").mkdir()
    Image.fromarray(colours).save(tmp_path / "rgb" / "0.png", transparency=(8, 8, 8))
    (mask,) = MaskFolder(str(tmp_path / "rgb")).read()
    np.testing.assert_array_equal(mask, [[1, 0, 2]])


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["L", "P", "RGB", "RGBA", "LA", "I;16"])
def test_masks_are_turned_as_frames_are(tmp_path, orientation, kind):
    ids = np.arange(1, 7, dtype=np.uint8).reshape(2, 3)
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = Image.fromarray(ids.astype(np.uint16)) if kind == "I;16" else Image.fromarray(ids)
    if kind == "P":
        image.putpalette(list(range(18)))
    (image if kind in ("P", "I;16") else image.convert(kind)).save(tmp_path / "0.png", exif=exif)
    (mask,) = MaskFolder(str(tmp_path)).read()
    plain = Image.fromarray(ids)
    plain.getexif()[0x0112] = orientation
    shown = np.asarray(ImageOps.exif_transpose(plain))
    if kind.startswith("RGB"):
        # Colours are numbered as they are met.
        shown = 1 + np.arange(6).reshape(shown.shape)
    np.testing.assert_array_equal(mask, shown)


@pytest.mark.parametrize("maximum", [6, 20, 254, 255, 300, 4095, 65535])
def test_numbers_of_a_pgm_are_those_stored(tmp_path, maximum):
    ids = np.array([[0, 1, 2], [3, 6, min(maximum, 6)]])
    ids[1, 2] = maximum
    stored = ids.astype(">u2" if maximum > 255 else np.uint8).tobytes()
    for folder, content in (
        ("binary", f"P5\n3 2\n{maximum}\n".encode() + stored),
        ("text", f"P2 3 2 {maximum}\n{' '.join(map(str, ids.ravel()))}\n".encode()),
    ):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "0.pgm").write_bytes(content)
        (mask,) = MaskFolder(str(tmp_path / folder)).read()
        np.testing.assert_array_equal(mask, ids)


def test_a_jpeg_with_a_preview_is_one_too(tmp_path):
    images = [Image.new("RGB", (8, 8), (200, 0, 0))] * 2
    images[0].save(tmp_path / "0.jpg", format="MPO", save_all=True, append_images=images[1:])
    assert "JPEG" in refused(MaskFolder(str(tmp_path)))
