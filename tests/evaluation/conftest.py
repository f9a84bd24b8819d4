"""Models for the tests of the evaluation."""

import keras
import pytest

from colour_mixture import ColourMixture


@pytest.fixture
def colour_model():
    """The second model, for 2 frames of 4x4 pixels and a camera of 5 numbers."""
    keras.utils.set_random_seed(3)
    model = ColourMixture()
    model.build((None, 2, 4, 4, 3))
    return model
