"""The model's evidence of another scene, of hand-made windows."""

import numpy as np
import pytest

from simone_tf.long_videos.scene_change import Stretch, evidence, scene_changes
from simone_tf.long_videos.window_model import Posterior, Rendering, WindowModel
from simone_tf.models.scene_model import Latent
from simone_tf.serving.sizes import Sizes

T, SIZE = 4, (6, 6)
RED, GREEN, BLUE, GREY = (0.9, 0.1, 0.1), (0.1, 0.8, 0.1), (0.1, 0.1, 0.9), (0.5, 0.5, 0.5)


class HalfAndHalf(WindowModel):
    """Two slots, the left and the right half of a frame; a slot's latents are the colour of its half in mid-window.

    What is drawn is that colour in every frame: a window whose frames are not all alike is drawn badly, unless
    `draws_all`.
    """

    def __init__(self, draws_all=False, latents=True, num_frames=T, given=None, broken=False):
        kinds = {"object": Latent(("slot",), 3)} if latents else {"scene": Latent((), 1)}
        super().__init__(Sizes(num_frames, SIZE, 2, kinds, given or {}, False), "halves", self.encode, self.render)
        self.draws_all, self.broken, self.given_seen = draws_all, broken, []

    def encode(self, batch):
        video = self.video = batch["video"]
        self.given_seen.append({name: batch[name] for name in self.given})
        middle = video[:, video.shape[1] // 2]
        of_slots = np.stack([middle[:, 0, 0], middle[:, 0, -1]], axis=1)
        if "object" not in self.latents:
            return {"scene": Posterior(np.zeros((len(video), 1), np.float32), None)}
        return {"object": Posterior(of_slots + (np.nan if self.broken else 0), None)}

    def render(self, latents, given=None):
        video = self.video
        masks = np.zeros((len(video), 2, *video.shape[1:4]), np.float32)
        masks[:, 0, :, :, :3] = masks[:, 1, :, :, 3:] = 1
        held = np.repeat(video[:, video.shape[1] // 2, None], video.shape[1], axis=1)
        drawn = video if self.draws_all else held
        return Rendering(drawn, np.stack([drawn] * 2, axis=1), masks)


def stretch(*colours, length=T, camera=None):
    frame = np.zeros((*SIZE, 3), np.float32)
    frame[:, :3], frame[:, 3:] = colours
    return Stretch([frame] * length, {} if camera is None else {"camera": np.full((length, 1), camera, np.float32)})


def test_other_objects_are_another_scene():
    assert scene_changes(HalfAndHalf(), stretch(RED, GREEN), stretch(BLUE, GREY))
    assert scene_changes(HalfAndHalf(), stretch(RED, GREEN), stretch(BLUE, GREEN))


def test_the_same_objects_elsewhere_are_the_same_scene():
    """They change sides, so that every pixel differs, and the window of both is drawn badly."""
    assert evidence(HalfAndHalf(), stretch(RED, GREEN), stretch(GREEN, RED)) == pytest.approx(0, abs=1e-9)


def test_a_change_of_light_is_the_same_scene():
    before, after = stretch(RED, GREEN), stretch(tuple(0.85 * np.array(RED)), tuple(0.85 * np.array(GREEN)))
    assert not scene_changes(HalfAndHalf(), before, after)


def test_the_evidence_is_that_of_the_text():
    """Worked out by hand: of the joined window half the frames are wrong in one half, far more than counts."""
    worse = 10
    usual = (np.square(np.subtract(RED, GREEN)).sum() + np.square(np.subtract(BLUE, GREEN)).sum()) / 2
    moved = np.square(np.subtract(RED, BLUE)).sum()
    wanted = (worse - 0.8) * (moved / 2 / usual) * np.sqrt(moved)
    found = evidence(HalfAndHalf(), stretch(RED, GREEN), stretch(BLUE, GREEN))
    assert found == pytest.approx(wanted, rel=1e-4)
    # A colour that is little off: half the pixels of half the frames are wrong by 0.03 in each channel.
    lighter = tuple(np.array(RED) + 0.03)
    usual = (np.square(np.subtract(RED, GREEN)).sum() + np.square(np.subtract(lighter, GREEN)).sum()) / 2
    moved, worse = 3 * 0.03**2, 1 + 0.03**2 / 4 / 1e-4
    little = evidence(HalfAndHalf(), stretch(RED, GREEN), stretch(lighter, GREEN))
    assert little == pytest.approx((worse - 0.8) * (moved / 2 / usual) * np.sqrt(moved), rel=1e-3)
    # Of a model that draws even that window, the objects alone speak.
    drawn = evidence(HalfAndHalf(draws_all=True), stretch(RED, GREEN), stretch(BLUE, GREEN))
    assert drawn == pytest.approx(wanted * 0.2 / 9.2, rel=1e-4)


def test_stretches_shorter_than_a_window_are_held():
    long = evidence(HalfAndHalf(), stretch(RED, GREEN), stretch(BLUE, GREEN))
    short = evidence(HalfAndHalf(), stretch(RED, GREEN, length=1), stretch(BLUE, GREEN, length=2))
    assert short == pytest.approx(long, rel=1e-6)


def test_windows_of_one_frame_cannot_hold_both():
    assert scene_changes(HalfAndHalf(num_frames=1), stretch(RED, GREEN, length=1), stretch(BLUE, GREY, length=1))
    assert not scene_changes(HalfAndHalf(num_frames=1), stretch(RED, GREEN, length=1), stretch(GREEN, RED, length=1))


def test_a_model_without_latents_of_slots_is_judged_by_error_and_colours():
    assert scene_changes(HalfAndHalf(latents=False), stretch(RED, GREEN), stretch(BLUE, GREY))
    assert not scene_changes(HalfAndHalf(latents=False), stretch(RED, GREEN), stretch(GREEN, RED))
    # Worked out by hand, as above; a number of its own stands in the place of the latents' distance.
    found = evidence(HalfAndHalf(latents=False), stretch(RED, GREEN), stretch(BLUE, GREEN))
    assert found == pytest.approx((10 - 0.8) * 1.4 * np.linalg.norm(np.subtract(RED, BLUE)), rel=1e-4)


def test_what_is_given_goes_with_its_frames():
    model = HalfAndHalf(given={"camera": 1})
    scene_changes(model, stretch(RED, GREEN, camera=3), stretch(BLUE, GREEN, length=1, camera=5))
    seen = model.given_seen[0]["camera"][..., 0]
    np.testing.assert_array_equal(seen, [[3, 3, 3, 3], [5, 5, 5, 5], [3, 3, 5, 5]])


def test_numbers_that_are_not_finite_say_nothing():
    assert not scene_changes(HalfAndHalf(broken=True), stretch(RED, GREEN), stretch(BLUE, GREY))
