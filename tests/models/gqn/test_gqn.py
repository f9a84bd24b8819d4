"""GQN against its loss by hand, what a step is shown and draws, and its schedule over steps."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from simone_tf.errors import UserError
from simone_tf.models.gqn.annealed_scale import AnnealedScale
from simone_tf.models.gqn.conv_draw import ConvDraw
from simone_tf.models.gqn.model import GQN
from simone_tf.models.gqn.tower import Tower
from simone_tf.models.parts.camera_vector import CameraVector
from simone_tf.models.parts.likelihood import PixelMixture
from simone_tf.models.parts.objective import Geco

from posed_clips import posed_clips

T, H, W = 4, 8, 16
SEEDS = tf.constant([1, 5]), tf.constant([2, 5])


def make(frames=T, **settings):
    keras.utils.set_random_seed(0)
    generator = ConvDraw(2, hidden_channels=5, latent_channels=2, canvas_channels=4, kernel_size=3)
    model = GQN(Tower(4), generator, PixelMixture(0.3), **settings)
    model.build((None, frames, H, W, 3))
    return model


def clips(seed=0, count=T):
    return posed_clips(seed, count, (H, W))


def spied(monkeypatch, model, batch, seed):
    """Weights of the frames that a step was shown, those frames, and the frames that it drew."""
    seen, encode, draw = {}, model._encode, model._drawn

    def keep_encoded(part, weights):
        seen["shown"] = part["video"].numpy(), None if weights is None else weights.numpy()
        return encode(part, weights)

    def keep_drawn(latents, camera, images, noise_seed):
        seen["drawn"] = tf.reshape(images, [2, -1, H, W, 3]).numpy()
        return draw(latents, camera, images, noise_seed)

    monkeypatch.setattr(model, "_encode", keep_encoded)
    monkeypatch.setattr(model, "_drawn", keep_drawn)
    model.losses(batch, SEEDS[0], tf.constant([seed, 7]))
    return seen


def numbers_of(frames, video):
    """Which frames of a video they are."""
    return [int(np.flatnonzero((video == frame).all((1, 2, 3)))[0]) for frame in frames]


def test_loss_is_the_negative_elbo_of_a_view_by_hand(monkeypatch):
    model, batch, seen = make(beta=0.7, num_target_frames=2), clips(), {}
    monkeypatch.setattr(
        model, "_drawn", lambda *arguments, draw=model._drawn: seen.setdefault("views", draw(*arguments))
    )
    losses = model.losses(batch, *SEEDS)
    views = seen["views"]
    video = batch["video"].numpy().astype(np.float64)
    order = np.argsort(tf.random.stateless_uniform([T], tf.random.split(SEEDS[1], 2)[0]).numpy())
    images = video[:, order[-2:]].reshape(4, H, W, 3)
    errors = (images - views.rgb.numpy()) / 0.3
    nats = (-0.5 * errors**2 - np.log(0.3 * np.sqrt(2 * np.pi))).sum(-1)
    kl = 0.0
    for posterior, prior in zip(views.posteriors, views.priors, strict=True):
        (mean, log), (wanted_mean, wanted_log) = ([v.numpy().astype(np.float64) for v in g] for g in (posterior, prior))
        variance, wanted = np.exp(2 * log), np.exp(2 * wanted_log)
        kl += (wanted_log - log + (variance + (mean - wanted_mean) ** 2) / (2 * wanted) - 0.5).sum((1, 2, 3)).mean()
    np.testing.assert_allclose(losses["nats_per_pixel"], nats.mean(), rtol=1e-4)
    np.testing.assert_allclose(losses["view_kl"], kl, rtol=1e-4)
    np.testing.assert_allclose(losses["loss"], -nats.mean() + 0.7 * kl / (H * W), rtol=1e-4)
    assert list(losses) == list(model.loss_terms)


def test_the_scene_is_the_sum_over_its_views():
    model, batch = make(), clips()
    whole = model.encode(batch)["scene"].mean
    parts = [{name: value[:, frame : frame + 1] for name, value in batch.items()} for frame in range(T)]
    np.testing.assert_allclose(whole, tf.add_n([model.encode(part)["scene"].mean for part in parts]), atol=1e-5)


def test_a_step_is_shown_a_random_number_of_frames_and_draws_others(monkeypatch):
    batch, counts, drawn = clips(), set(), set()
    video = batch["video"][0].numpy()
    for seed in range(25):
        with monkeypatch.context() as context:
            seen = spied(context, make(min_context_frames=1, max_context_frames=3), batch, seed)
        frames, weights = seen["shown"]
        count = int(weights.sum())
        np.testing.assert_array_equal(weights, [1.0] * count + [0.0] * (3 - count))
        shown, target = numbers_of(frames[0], video), numbers_of(seen["drawn"][0], video)
        assert len(set(shown + target)) == 4
        counts.add(count)
        drawn |= set(target)
    assert counts == {1, 2, 3}
    assert drawn == set(range(T))


def test_frames_of_no_weight_say_nothing():
    model, batch = make(), clips()
    first = {name: value[:, :2] for name, value in batch.items()}
    found = model._encode(batch, tf.constant([1.0, 1.0, 0.0, 0.0]))["scene"].mean
    np.testing.assert_allclose(found, model.encode(first)["scene"].mean, atol=1e-5)


def test_views_are_drawn_by_the_means_of_their_priors():
    model, batch = make(), clips()
    scene = tf.reshape(model.encode(batch)["scene"].mean, [2, 2, 4, 4])
    by_hand = model.generator(tf.repeat(scene, T, axis=0), tf.reshape(batch["camera"], [-1, 7])).rgb
    drawn = model.decompose(batch)
    np.testing.assert_allclose(drawn.reconstruction, tf.reshape(by_hand, [2, T, H, W, 3]), atol=1e-5)
    np.testing.assert_array_equal(drawn.slot_masks, np.ones((2, 1, T, H, W)))
    nats = model.log_prob(batch["video"], drawn)
    errors = (batch["video"] - drawn.reconstruction) / 0.3
    wanted = tf.reduce_sum(-0.5 * errors**2 - np.log(0.3 * np.sqrt(2 * np.pi)), axis=-1)
    np.testing.assert_allclose(nats, wanted, atol=1e-3)


def test_relative_cameras_do_not_depend_on_where_the_world_lies():
    model, batch = make(camera=CameraVector(relative_to=0)), clips()
    moved = {**batch, "camera": batch["camera"] + tf.constant([3.0, -2.0, 0.0, 0.0, 0.0, 0.0, 0.0])}
    np.testing.assert_allclose(model.decompose(moved).reconstruction, model.decompose(batch).reconstruction, atol=1e-4)


def test_the_scale_narrows_from_step_to_step():
    model, batch = make(annealing=AnnealedScale(2.3, 2)), clips()
    scales = []
    for _ in range(4):
        losses = model.losses(batch, *SEEDS)
        assert list(losses) == list(model.loss_terms)
        model.after_step(losses)
        scales.append(float(losses["pixel_scale"]))
    np.testing.assert_allclose(scales, [2.3, 1.3, 0.3, 0.3], rtol=1e-5)
    plain = make().losses(batch, *SEEDS)
    np.testing.assert_allclose(losses["nats_per_pixel"], plain["nats_per_pixel"], rtol=1e-5)


def test_an_objective_divides_the_weight_of_the_kl():
    batch = clips()
    plain, losses = (make(objective=g).losses(batch, *SEEDS) for g in (None, Geco(1.0, initial_multiplier=2.0)))
    np.testing.assert_allclose(losses["weighted_view_kl"], plain["weighted_view_kl"] / 2.0, rtol=1e-5)
    np.testing.assert_allclose(losses["nats_per_pixel"], plain["nats_per_pixel"], rtol=1e-6)
    assert list(losses) == list(make(objective=Geco(1.0)).loss_terms)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"min_context_frames": 0}, "^GQN.min_context_frames is 0"),
        ({"max_context_frames": 5}, "^GQN.max_context_frames is 5, but clips have 4 frames"),
        ({"min_context_frames": 3, "max_context_frames": 2}, "^GQN.max_context_frames is 2, .* choose from 3"),
        ({"num_target_frames": 9}, "^GQN.num_target_frames is 9"),
        ({"beta": -1}, "^GQN.beta is -1"),
        ({"objective": "geco"}, "^GQN.objective is 'geco'"),
        ({"objective": Geco(1.0), "annealing": AnnealedScale()}, "both an objective and an annealing"),
        ({"camera": CameraVector(relative_to=1)}, "^CameraVector.relative_to is 1, .* raise GQN.min_context_frames"),
    ],
)
def test_wrong_values_are_told(settings, message):
    with pytest.raises(UserError, match=message):
        make(**settings)
