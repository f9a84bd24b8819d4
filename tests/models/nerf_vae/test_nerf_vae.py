"""NeRF-VAE against its loss by hand, and against pictures of a ball and of a room that were traced."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from simone_tf.cameras.conversions import camera_numbers, upright
from simone_tf.errors import UserError
from simone_tf.models.nerf_vae.model import NeRFVAE
from simone_tf.models.nerf_vae.pinhole_camera import PinholeCamera
from simone_tf.models.nerf_vae.radiance_field import RadianceField
from simone_tf.models.nerf_vae.ray_encoder import RayEncoder
from simone_tf.models.parts.latents import LatentHead
from simone_tf.models.parts.likelihood import PixelMixture
from simone_tf.models.parts.objective import Geco
from simone_tf.models.parts.queries import RandomQueries, query_at

T, H, W = 3, 8, 16
BOUNDS = ((-2.0, -1.0, 0.0), (2.0, 1.0, 1.5))
SEEDS = tf.constant([1, 5]), tf.constant([2, 5])


def make(frames=T, **settings):
    keras.utils.set_random_seed(0)
    defaults = {"queries": RandomQueries(12), "bounds": BOUNDS, "coarse_points": 5, "fine_points": 4}
    model = NeRFVAE(
        RayEncoder((4, 6), 3, 7, LatentHead(5, 8)),
        RadianceField(8, 2, 2, 1),
        PixelMixture(0.3),
        **(defaults | settings),
    )
    model.build((None, frames, H, W, 3))
    return model


def clips(seed=0):
    rng = np.random.default_rng(seed)
    places = rng.uniform((-1.9, -0.9, 0.1), (1.9, 0.9, 1.4), (2, T, 3))
    cameras = camera_numbers(places, upright(rng.uniform(-3, 3, (2, T)), rng.uniform(-0.5, 0.5, (2, T))), "yaw_pitch")
    return {"video": tf.constant(rng.uniform(size=(2, T, H, W, 3)), tf.float32), "camera": tf.constant(cameras)}


def test_loss_is_the_negative_elbo_of_a_clip_by_hand(monkeypatch):
    model, batch, seen = make(beta=0.7), clips(), {}
    trace = model._seen
    monkeypatch.setattr(model, "_seen", lambda *arguments: seen.setdefault("rgb", trace(*arguments)))
    losses = model.losses(batch, *SEEDS)
    indices = model.queries.sample(T, H, W, SEEDS[1]).numpy()
    pixels = batch["video"].numpy().reshape(2, -1, 3)[:, indices].astype(np.float64)
    errors = (pixels - seen["rgb"].numpy()) / 0.3
    nats = (-0.5 * errors**2 - np.log(0.3 * np.sqrt(2 * np.pi))).sum(-1)
    mean, log_scale = (value.numpy().astype(np.float64) for value in model.encode(batch)["scene"])
    kl = 0.5 * np.sum(np.exp(2 * log_scale) + mean**2 - 1 - 2 * log_scale, axis=-1).mean()
    np.testing.assert_allclose(losses["nats_per_pixel"], nats.mean(), rtol=1e-4)
    np.testing.assert_allclose(losses["scene_kl"], kl, rtol=1e-4)
    np.testing.assert_allclose(losses["loss"], -nats.mean() + 0.7 * kl / (T * H * W), rtol=1e-4)
    assert list(losses) == list(model.loss_terms)


def test_a_steps_rays_are_those_of_the_whole_picture():
    """Without noise of the points a training step's pixels are the rendered ones."""
    model, batch = make(), clips()
    latents = model.encode(batch)["scene"].mean
    whole = model.decompose(batch).reconstruction
    indices = model.queries.sample(T, H, W, SEEDS[1])
    found = model._seen(latents, model._rays(query_at(indices, H, W), batch["camera"], (H, W)), None)
    np.testing.assert_allclose(found, tf.gather(tf.reshape(whole, [2, -1, 3]), indices, axis=1), atol=1e-5)


def camera(place, yaw, pitch):
    return tf.constant(camera_numbers(np.array(place), upright(yaw, pitch), "yaw_pitch"))[None, None]


def traced(model, field, place, yaw, pitch, frame_size):
    """The picture `[H, W, 3]` that a model draws of any field: (points in the world) -> densities, colours."""
    middle, unit = np.mean(BOUNDS, axis=0), 2.0

    def stand_in(points, directions, latents):
        del directions, latents
        return field(points * unit + tf.constant(middle, tf.float32))

    object.__setattr__(model, "field", stand_in)  # Keras would not have another one in the place of a layer.
    drawn = model.render({"scene": tf.zeros([1, 5])}, {"camera": camera(place, yaw, pitch)}, frame_size)
    return drawn.reconstruction[0, 0].numpy()


def test_an_opaque_ball_is_seen_where_geometry_says():
    """A red ball in a blue room, of another size of frame than the model was built for."""
    centre, radius, place, (yaw, pitch), size = (0.4, 0.3, 0.6), 0.35, (-1.7, -0.6, 0.9), (0.45, -0.15), (24, 40)

    def field(points):
        inside = tf.norm(points - tf.constant(centre), axis=-1) < radius
        return tf.where(inside, 500.0, 0.0), tf.where(inside[..., None], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0])

    model = make(coarse_points=64, fine_points=64, camera=PinholeCamera(field_of_view=60.0))
    picture = traced(model, field, place, yaw, pitch, size)
    rotation, tangent = upright(yaw, pitch), np.tan(np.radians(30.0))
    rows, columns = np.indices(size) + 0.5
    right, up = tangent * (2 * columns - size[1]) / size[0], tangent * (1 - 2 * rows / size[0])
    towards = np.stack([right, up, -np.ones(size)], -1) @ rotation.T
    towards /= np.linalg.norm(towards, axis=-1, keepdims=True)
    offset = np.subtract(centre, place)
    miss = np.linalg.norm(np.cross(offset, towards), axis=-1)
    hit, clear = (miss < 0.9 * radius) & (towards @ offset > 0), miss > 1.02 * radius
    assert hit.sum() > 20
    np.testing.assert_allclose(picture[hit], np.broadcast_to([1.0, 0.0, 0.0], (hit.sum(), 3)), atol=0.02)
    np.testing.assert_allclose(picture[clear], np.broadcast_to([0.0, 0.0, 1.0], (clear.sum(), 3)), atol=1e-3)


def test_what_leaves_the_bounds_has_the_colour_of_the_wall():
    """In an empty room; a place's colour is its coordinates, so that the picture tells where the rays end."""
    place, (yaw, pitch), size = (0.0, 0.0, 0.7), (0.0, 0.0), (6, 6)

    def field(points):
        return tf.zeros(points.shape[:-1]), points

    picture = traced(make(coarse_points=64), field, place, yaw, pitch, size)
    np.testing.assert_allclose(picture[2:4, 2:4, 0], np.full((2, 2), 2.0), atol=0.05)  # the wall at x = 2
    np.testing.assert_allclose(picture[2:4, 2, 1], [0.16, 0.16], atol=0.02)  # 2 tan(25 degrees) / 6 to the left


def test_fine_points_find_a_thin_wall_that_coarse_ones_alone_blur():
    """Behind a thin red sheet all is blue; the share that is drawn red is nearer to 1 with points drawn there."""
    place, size = (-1.9, 0.0, 0.7), (2, 2)

    def field(points):
        sheet = tf.abs(points[..., 0] - 0.5) < 0.08
        return tf.where(sheet, 30.0, 0.0), tf.where(sheet[..., None], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0])

    # Densities are by the unit of the placed points, 2; the rays cross the sheet aslant.
    wanted = 1 - np.exp(-30 * 0.16 / 2 * np.sqrt(1 + 2 * (np.tan(np.radians(25)) / 2) ** 2))
    errors = [
        np.abs(traced(make(coarse_points=30, fine_points=fine), field, place, 0.0, 0.0, size)[..., 0] - wanted).max()
        for fine in (0, 64)
    ]
    assert errors[1] < 0.01 < errors[0]


def test_an_objective_divides_the_weight_of_the_kl():
    batch = clips()
    plain, losses = (make(objective=g).losses(batch, *SEEDS) for g in (None, Geco(1.0, initial_multiplier=2.0)))
    np.testing.assert_allclose(losses["weighted_scene_kl"], plain["weighted_scene_kl"] / 2.0, rtol=1e-5)
    np.testing.assert_allclose(losses["nats_per_pixel"], plain["nats_per_pixel"], rtol=1e-6)
    assert list(losses) == list(make(objective=Geco(1.0)).loss_terms)


def test_a_step_encodes_a_random_part_of_the_frames(monkeypatch):
    model, batch, seen = make(num_context_frames=2), clips(), set()
    video = batch["video"][0].numpy()
    encode = model.encode

    def spy(part):
        frames = part["video"][0].numpy()
        seen.add(tuple(int(np.flatnonzero((video == frame).all((1, 2, 3)))[0]) for frame in frames))
        return encode(part)

    monkeypatch.setattr(model, "encode", spy)
    for seed in range(12):
        model.losses(batch, SEEDS[0], tf.constant([seed, 7]))
    assert {len(set(frames)) for frames in seen} == {2}
    assert len(seen) > 3


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"bounds": ((0, 0, 0), (1, 1, 0))}, r"^NeRFVAE.bounds is .*: it must be two corners"),
        ({"bounds": 4.0}, "^NeRFVAE.bounds is 4.0"),
        ({"coarse_points": 1}, "^NeRFVAE.coarse_points is 1"),
        ({"fine_points": -1}, "^NeRFVAE.fine_points is -1"),
        ({"num_context_frames": 4}, "^NeRFVAE.num_context_frames is 4, but clips have 3 frames"),
        ({"beta": -1}, "^NeRFVAE.beta is -1"),
        ({"objective": 3}, "^NeRFVAE.objective is 3"),
    ],
)
def test_wrong_values_are_told(settings, message):
    with pytest.raises(UserError, match=message):
        make(**settings)
