import io

import numpy as np
import pytest
from PIL import Image

from simone_tf.scenes.textures import SIDE, TEXTURES, texture_png

RED, BLUE = (1.0, 0.0, 0.0), (0.0, 0.0, 1.0)


def pixels(name, seed=0):
    return np.asarray(Image.open(io.BytesIO(texture_png(name, RED, BLUE, seed)))).astype(int)


@pytest.mark.parametrize("name", TEXTURES)
def test_texels_lie_between_the_two_colors(name):
    image = pixels(name)
    assert image.shape == (SIDE, SIDE, 3)
    assert (image[..., 1] == 0).all()
    assert (abs(image[..., 0] + image[..., 2] - 255) <= 1).all()


def test_patterns():
    assert (pixels("flat") == [255, 0, 0]).all()
    checker = pixels("checker")[..., 2] == 255
    assert checker.mean() == 0.5
    assert checker[0, 0] == checker[-1, -1] != checker[0, -1]
    stripes = pixels("stripes")[..., 2] == 255
    assert (stripes == stripes[0]).all()
    assert np.abs(np.diff(stripes[0].astype(int))).sum() == 3


def test_noise_is_the_seeds_and_repeats_without_seams():
    assert (pixels("noise", 1) == pixels("noise", 1)).all()
    assert (pixels("noise", 1) != pixels("noise", 2)).any()
    share = pixels("noise", 3)[..., 2]
    within = max(np.abs(np.diff(share, axis=axis)).max() for axis in (0, 1))
    assert np.abs(share[0] - share[-1]).max() <= within
    assert np.abs(share[:, 0] - share[:, -1]).max() <= within
