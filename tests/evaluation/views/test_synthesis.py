"""Views drawn without having been seen, in a world where all are known."""

import numpy as np
import pytest
import tensorflow as tf

from simone_tf.data.clip import as_float
from simone_tf.evaluation.views.synthesis import (
    ViewSynthesizer,
    interpolates,
    interpolation_weights,
    not_synthesized,
)
from simone_tf.evaluation.views.tasks import ViewTask, view_tasks

from colour_mixture import ColourMixture
from one_scene import OneScene
from small_models import SMALL_MODELS
from view_world import TurningCamera, TurningEye, told, world_clips


def batch_of(clips):
    clips = list(clips)
    return as_float({name: tf.constant(np.stack([clip[name] for clip in clips])) for name in clips[0]})


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5])
def test_a_model_that_is_given_the_truth_s_cameras_draws_the_truth(count):
    batch = batch_of(world_clips(2, 0, num_frames=9, sweep=6))
    tasks = view_tasks(9, 5, count, sweep_frames=6)
    assert [task.name for task in tasks] == ["between", "beyond", "sweep"][count == 1 :]
    for task in tasks:
        views = ViewSynthesizer(TurningCamera(), None)(batch, task)
        for drawn, frames in ((views.context, task.context), (views.unseen, task.unseen)):
            np.testing.assert_allclose(drawn.reconstruction, batch["video"].numpy()[:, frames], atol=1e-5)
            np.testing.assert_array_equal(drawn.segments, batch["segments"].numpy()[:, frames])
        assert views.context_nats is views.unseen_nats is None
        assert set(views.posteriors) == {"object"}


def test_viewpoints_between_two_are_those_of_the_latents_between():
    """The world's camera turns evenly, and so does the latent that tells where it looks."""
    batch = batch_of(told(world_clips(3, 1, num_frames=7)))
    for count in (2, 3, 4):
        (task,) = view_tasks(7, 4, count, by_camera=False)
        views = ViewSynthesizer(TurningEye(), None)(batch, task)
        np.testing.assert_allclose(views.unseen.reconstruction, batch["video"].numpy()[:, task.unseen], atol=1e-5)
        np.testing.assert_allclose(views.context.reconstruction, batch["video"].numpy()[:, task.context], atol=1e-5)
        np.testing.assert_array_equal(views.unseen.segments, batch["segments"].numpy()[:, task.unseen])


@pytest.mark.parametrize("model", [TurningCamera(), TurningEye()])
def test_nothing_of_an_unseen_frame_is_looked_at(model):
    batch = batch_of(told(world_clips(2, 2, num_frames=5)))
    task = ViewTask("between", (0, 2, 4), (1, 3))
    draw = ViewSynthesizer(model, None)
    other = batch["video"].numpy()
    other[:, list(task.unseen)] = 0.5
    expected = draw(batch, task).unseen.reconstruction
    np.testing.assert_array_equal(draw(batch | {"video": tf.constant(other)}, task).unseen.reconstruction, expected)


def test_when_the_frames_are_is_told_the_model():
    told_moments = {}

    class Telling(TurningCamera):
        def encode(self, batch):
            told_moments["seen"] = batch["moments"]
            return super().encode(batch)

        def render(self, latents, given, frame_size, chunk_size=None):
            told_moments.setdefault("drawn", []).append(given["moments"])
            return super().render(latents, given, frame_size, chunk_size)

    tf.config.run_functions_eagerly(True)
    try:
        batch = batch_of(world_clips(2, 3, num_frames=4, sweep=2))
        ViewSynthesizer(Telling(), None)(batch, ViewTask("sweep", (0, 3), (4, 5)), (1.5, 1.5))
    finally:
        tf.config.run_functions_eagerly(False)
    np.testing.assert_array_equal(told_moments["seen"], [[0, 3]] * 2)
    np.testing.assert_array_equal(told_moments["drawn"][0], [[0, 3]] * 2)
    np.testing.assert_array_equal(told_moments["drawn"][1], [[1.5, 1.5]] * 2)


def test_the_weights_are_those_of_numpy_s_interpolation():
    values = np.random.default_rng(0).normal(size=4)
    found = interpolation_weights(4, 3) @ values
    np.testing.assert_allclose(found, np.interp(np.arange(12) / 3, np.arange(4), values))


def test_frames_that_were_seen_are_drawn_as_of_their_clip_alone():
    """SIMONe's decoder is told the time: frames keep theirs though there are others between."""
    model = SMALL_MODELS["SIMONe"]()
    model.build((None, 2, 8, 16, 3))
    model.mask_normalization = None  # whose statistics are those of all frames that are drawn together
    video = tf.random.stateless_uniform([2, 3, 8, 16, 3], (1, 2))
    views = ViewSynthesizer(model, 100)({"video": video}, ViewTask("between", (0, 2), (1,)))
    alone = model.decompose(tf.gather(video, [0, 2], axis=1))
    np.testing.assert_allclose(views.context.reconstruction, alone.reconstruction, atol=1e-5)
    nats = tf.reduce_mean(model.log_prob(tf.gather(video, [0, 2], axis=1), alone), [2, 3])
    np.testing.assert_allclose(views.context_nats, nats, rtol=1e-4)
    assert views.unseen_nats.shape == (2, 1)


def test_which_models_draw_unseen_views():
    built = SMALL_MODELS["SIMONe"]()
    built.build((None, 2, 8, 16, 3))
    assert interpolates(built)
    assert interpolates(TurningEye())
    assert not interpolates(TurningCamera())
    for model in (built, TurningEye(), TurningCamera()):
        assert not_synthesized(model) is None
    assert not_synthesized(ColourMixture()).startswith("This model has no scene apart from its frames")
    assert not_synthesized(OneScene()).startswith("This model knows no viewpoints")
