"""Masks that were smoothed are told; true ones of many instances are not."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from simone_tf.data.videos.mask_files import MaskFolder

GREYS = {count: np.linspace(255 // (count + 1) + 1, 255, count).astype(int).tolist() for count in (1, 3, 8, 40)}
COLOURS = [tuple(colour) for colour in np.random.default_rng(0).integers(40, 256, (60, 3)).tolist()]
# The first colours of the palette that many programs give to instances: some lie between others.
PALETTE = [(128 * (i & 1), 64 * (i & 2), 32 * (i & 4)) for i in range(1, 8)]
PALETTE += [(64 + r // 2, g, b) for r, g, b in PALETTE]


def scene(values, moment, side=48, scale=1):
    """Discs and boxes that move, [side * scale] squared."""
    rng = np.random.default_rng(len(values))
    image = Image.new("RGB" if isinstance(values[0], tuple) else "L", (side * scale, side * scale))
    draw = ImageDraw.Draw(image)
    for index, value in enumerate(values):
        radius = rng.uniform(2, max(3, 14 / len(values) ** 0.4))
        x, y = (rng.uniform(0, side, 2) + moment * rng.uniform(-1, 1, 2)) % side
        corners = [scale * edge for edge in (x - radius, y - radius, x + radius, y + radius)]
        (draw.ellipse if index % 2 else draw.rectangle)(corners, fill=value)
    return image


def told(folder, images, capsys):
    folder.mkdir()
    for index, image in enumerate(images):
        image.save(folder / f"{index}.png")
    masks = list(MaskFolder(str(folder)).read())
    return len(set(np.unique(masks)) - {0}), capsys.readouterr().err


SMOOTHED = {
    "drawn smoothly": lambda values: scene(values, 0, scale=4).resize((48, 48), Image.Resampling.BOX),
    "made smaller": lambda values: scene(values, 0).resize((31, 31), Image.Resampling.BILINEAR),
    "made larger": lambda values: scene(values, 0).resize((110, 110), Image.Resampling.BILINEAR),
    "made larger by cubes": lambda values: scene(values, 0).resize((96, 96), Image.Resampling.BICUBIC),
}


@pytest.mark.parametrize("how", SMOOTHED)
@pytest.mark.parametrize("values", [GREYS[1], GREYS[3], GREYS[8], COLOURS[:1], COLOURS[:3]], ids=str)
def test_smoothed_masks_are_told(tmp_path, capsys, how, values):
    count, text = told(tmp_path / "m", [SMOOTHED[how](values)], capsys)
    assert count > 2 * len(values)
    assert text.count("\n") == 1
    assert f"of the {count} instances of its masks (the first in {tmp_path / 'm' / '0.png'})" in text
    assert int(text.split(": ")[1].split(" of ")[0]) > count / 5
    assert "nearest neighbour" in text


@pytest.mark.parametrize("side", [24, 48, 200])
@pytest.mark.parametrize(
    "values",
    [GREYS[1], GREYS[8], GREYS[40], list(range(1, 41)), COLOURS[:3], COLOURS, PALETTE],
    ids=["one", "greys", "many greys", "1 to 40", "colours", "many colours", "palette"],
)
def test_true_masks_are_not(tmp_path, capsys, values, side):
    count, text = told(tmp_path / "m", [scene(values, moment, side) for moment in range(4)], capsys)
    assert text == ""
    assert count <= len(values)


def test_thin_and_tiny_instances_are_not(tmp_path, capsys):
    stripes = np.repeat(np.arange(30, dtype=np.uint8)[np.newaxis], 20, axis=0)
    stars = np.zeros((40, 40), np.uint8)
    stars[2::5, 2::5] = np.arange(1, 65).reshape(8, 8)
    wires = np.zeros((40, 40), np.uint8)
    wires[:20] = 200
    wires[:, ::4] = np.arange(10, 20)
    outlined = np.full((40, 40), 7, np.uint8)
    outlined[10:30, 10:30], outlined[12:28, 12:28] = 255, 9
    for name, mask in (("stripes", stripes), ("stars", stars), ("outlined", outlined)):
        assert told(tmp_path / name, [Image.fromarray(mask)], capsys)[1] == ""
    # Wires of ten numbers between two others are what no program can tell, in grey; in colour it can.
    rng = np.random.default_rng(1)
    colours = rng.integers(0, 256, (256, 3), np.uint8)
    assert told(tmp_path / "wires", [Image.fromarray(colours[wires])], capsys)[1] == ""


def test_what_is_seen_whole_in_another_frame_is_an_instance(tmp_path, capsys):
    first = np.zeros((20, 20), np.uint8)
    first[:, 10:] = 200
    for column, value in enumerate((40, 80, 120, 160)):
        first[4 * column + 1, 9:11] = value
    second = np.zeros((20, 20), np.uint8)
    for column, value in enumerate((40, 80, 120, 160)):
        second[:, 5 * column : 5 * column + 3] = value
    assert "4 of the 5 instances" in told(tmp_path / "a", [Image.fromarray(first)], capsys)[1]
    assert told(tmp_path / "b", [Image.fromarray(first), Image.fromarray(second)], capsys)[1] == ""
