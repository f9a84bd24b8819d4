"""The schedule of the pixels' scale: a straight line, then the likelihood's own."""

import numpy as np
import pytest

from simone_tf.errors import UserError
from simone_tf.models.gqn.annealed_scale import AnnealedScale


def test_a_straight_line_that_ends():
    annealing = AnnealedScale(2.0, 4)
    annealing.build()
    scales = []
    for _ in range(6):
        scales.append(float(annealing.scale(0.4)))
        annealing.advance()
    np.testing.assert_allclose(scales, [2.0, 1.6, 1.2, 0.8, 0.4, 0.4], rtol=1e-6)


@pytest.mark.parametrize(("option", "value"), [("initial_scale", 0), ("num_steps", 0)])
def test_a_wrong_value_is_told(option, value):
    with pytest.raises(UserError, match=f"^AnnealedScale.{option} is "):
        AnnealedScale(**{option: value})
