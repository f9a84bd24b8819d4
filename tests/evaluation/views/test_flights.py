"""Scenes flown around, in a world where every view is known."""

import numpy as np
import pytest

from simone_tf.evaluation.views.flights import fly_around
from simone_tf.pictures.pixels import as_float

from view_world import TurningCamera, TurningEye, told, view, world_clips


@pytest.fixture(scope="module")
def clip():
    (clip,) = told(world_clips(1, 0, num_frames=3))
    return clip | {"video": as_float(clip["video"])}


def test_a_turn_is_drawn_as_it_is(clip):
    plain = next(world_clips(1, 0, num_frames=3))
    plain = plain | {"video": as_float(plain["video"])}
    flown = fly_around(TurningCamera(), plain, "yaw_pitch", num_yaws=7)
    assert (flown.first_name, flown.second_name) == ("yaw", "pitch")
    middle = np.degrees(np.arctan2(plain["camera"][1, 3], plain["camera"][1, 4]))
    colours = [plain["video"][plain["segments"] == slot][0] for slot in range(3)]
    truth = view(middle + flown.first, np.rint(np.array(colours) * 255))
    for row in range(len(flown.second)):  # Nothing in this world changes with the pitch.
        np.testing.assert_allclose(flown.reconstruction[row], as_float(truth["video"]), atol=1e-5)
        np.testing.assert_array_equal(flown.segments[row], truth["segments"])


def test_of_inferred_viewpoints_those_between_are_gone_through(clip):
    flown = fly_around(TurningEye(), clip, "yaw_pitch")
    assert flown.reconstruction.shape == (1, 17, 12, 12, 3)
    np.testing.assert_array_equal(flown.first, np.arange(17) / 8)
    assert (flown.first_name, flown.second_name) == ("frame", "")
    np.testing.assert_allclose(flown.reconstruction[0, ::8], clip["video"], atol=1e-5)
    codes = clip["video"][:, 0, 0, 0]
    np.testing.assert_allclose(flown.reconstruction[0, :, 0, 0, 0], np.interp(flown.first, [0, 1, 2], codes), atol=1e-5)


def test_cameras_of_unknown_meaning_cannot_be_made(clip):
    assert fly_around(TurningCamera(), clip, None) is None
