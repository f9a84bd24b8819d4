"""SIMONe-VS against its loss by hand, and what its context of frames may be."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from simone_tf.errors import UserError
from simone_tf.models.clip_fields import MOMENTS
from simone_tf.models.parts.camera_vector import CameraVector
from simone_tf.models.parts.decoder import PixelDecoder
from simone_tf.models.parts.likelihood import PixelMixture
from simone_tf.models.parts.queries import Query, RandomQueries, full_query
from simone_tf.models.simone.view_supervised import SIMONeVS

from posed_clips import posed_clips
from small_models import make_view_encoder

T, H, W, SLOTS = 4, 8, 16, 4
PIXELS = T * H * W


def make(frames=T, **settings):
    keras.utils.set_random_seed(0)
    defaults = {"queries": RandomQueries(PIXELS), "alpha": 0.7, "beta_objects": 0.01, "sampling": "mean"}
    model = SIMONeVS(make_view_encoder(), PixelDecoder(16, 3), PixelMixture(0.1), **(defaults | settings))
    model.build((None, frames, H, W, 3))
    return model


def clips(seed=0, count=T):
    return posed_clips(seed, count, (H, W))


def only(batch, frames):
    return {name: tf.gather(value, frames, axis=1) for name, value in batch.items()}


def seed(number):
    return tf.constant([number, 5])


def test_loss_is_equation_3_without_frames_by_hand():
    model, batch = make(), clips()
    losses = model.losses(batch, seed(0), seed(1))
    objects = model.encode(batch)["object"]
    query = full_query(T, H, W)
    decoded = model.decode({"object": objects.mean}, query, given={"camera": batch["camera"]})
    rgb, logits = decoded.rgb_means.numpy().astype(np.float64), decoded.mask_logits.numpy().astype(np.float64)
    pixels = tf.reshape(batch["video"], [2, 1, PIXELS, 3]).numpy()
    normal = -0.5 * ((pixels - rgb) / 0.1) ** 2 - np.log(0.1 * np.sqrt(2 * np.pi))
    masks = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    nats = np.log(np.exp(masks + normal.sum(-1)).sum(1))
    mean, log_scale = (value.numpy().astype(np.float64) for value in objects)
    kl = 0.5 * np.sum(np.exp(2 * log_scale) + mean**2 - 1 - 2 * log_scale, axis=-1)
    np.testing.assert_allclose(losses["nats_per_pixel"], nats.mean(), rtol=1e-4)
    np.testing.assert_allclose(losses["object_kl"], kl.mean(), rtol=1e-4)
    np.testing.assert_allclose(losses["loss"], -0.7 * nats.mean() + 0.01 * kl.mean(), rtol=1e-4)
    assert list(losses) == list(model.loss_terms)


def test_the_decoder_is_given_the_camera_of_each_querys_frame():
    model, batch = make(normalize_masks=False), clips()
    objects = model.encode(batch)["object"].mean
    query = Query(tf.constant([[2, 0, 3]]), tf.constant([[[0.1, -0.3], [0.5, 0.5], [-1.0, 1.0]]]))
    decoded = model.decode({"object": objects}, query, given={"camera": batch["camera"]})
    by_hand = model.decoder(
        objects[:, :, None], tf.gather(batch["camera"], [2, 0, 3], axis=1), query.coordinates, tf.zeros([1, 3])
    )
    np.testing.assert_allclose(decoded.rgb_means, by_hand.rgb_means, atol=1e-6)
    np.testing.assert_allclose(decoded.mask_logits, by_hand.mask_logits, atol=1e-6)


def test_a_step_encodes_a_random_part_of_the_frames_and_decodes_all(monkeypatch):
    model, batch = make(num_context_frames=2), clips()
    seen = []
    encode = model.encode
    monkeypatch.setattr(model, "encode", lambda context: (seen.append(context), encode(context))[1])
    for number in range(30):
        model.losses(batch, seed(0), seed(number))
    chosen = set()
    for context in seen:
        assert context["video"].shape == (2, 2, H, W, 3)
        frames = tuple(int(frame) for frame in context[MOMENTS][0])
        np.testing.assert_array_equal(context["video"], tf.gather(batch["video"], frames, axis=1))
        np.testing.assert_array_equal(context["camera"], tf.gather(batch["camera"], frames, axis=1))
        chosen.add(frames)
    assert len({frozenset(pair) for pair in chosen}) == 6
    assert all(len(set(pair)) == 2 for pair in chosen)
    # Pixels of frames outside of the context count.
    changed = batch | {"video": tf.concat([batch["video"][:, :3], 1.0 - batch["video"][:, 3:]], 1)}
    without = next(number for number, context in enumerate(seen) if 3 not in context[MOMENTS][0])
    losses = [float(model.losses(clip, seed(0), seed(without))["nats_per_pixel"]) for clip in (batch, changed)]
    assert abs(losses[0] - losses[1]) > 1e-3


def test_the_context_of_a_step_has_a_static_size():
    model = make(num_context_frames=3)
    specs = {"video": tf.TensorSpec([2, T, H, W, 3]), "camera": tf.TensorSpec([2, T, 7])}
    compiled = tf.function(model.losses, jit_compile=True)
    losses = compiled(clips(), seed(0), seed(1))
    np.testing.assert_allclose(losses["loss"], model.losses(clips(), seed(0), seed(1))["loss"], rtol=1e-4)
    traced = tf.function(lambda batch: model.context_of(batch, seed(1))).get_concrete_function(specs)
    assert traced.structured_outputs["video"].shape == (2, 3, H, W, 3)


def test_the_order_of_the_context_means_nothing_without_time_and_goes_with_the_moments_in_time():
    batch, order = clips(), [2, 0, 3, 1]
    still = make()
    before, after = (still.encode(fields)["object"].mean for fields in (batch, only(batch, order)))
    np.testing.assert_allclose(before, after, atol=1e-5)
    timed = make(uses_time=True)
    moments = {MOMENTS: tf.constant([[2.0, 0.0, 3.0, 1.0]] * 2)}
    before = timed.encode(batch)["object"].mean
    np.testing.assert_allclose(timed.encode(only(batch, order) | moments)["object"].mean, before, atol=1e-5)
    assert np.abs(timed.encode(only(batch, order))["object"].mean - before).max() > 1e-4


def test_time_is_told_to_the_decoder_where_it_is_used():
    batch = clips()
    model = make(uses_time=True)
    whole = model.decompose(batch).reconstruction
    views = {"camera": batch["camera"][:, ::-1], MOMENTS: tf.constant([[3.0, 2.0, 1.0, 0.0]] * 2)}
    np.testing.assert_allclose(model.render_views(batch, views).reconstruction, whole[:, ::-1], atol=1e-5)
    del views[MOMENTS]
    assert np.abs(model.render_views(batch, views).reconstruction - whole[:, ::-1]).max() > 1e-4


def test_a_world_turned_and_moved_changes_nothing_where_cameras_are_relative():
    model = make(camera=CameraVector(relative_to=0))
    assert model.latents["reference"].axes == ()
    batch = clips()
    angle = 0.7
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]], np.float32)
    camera = batch["camera"].numpy()
    yaw = np.arctan2(camera[..., 3], camera[..., 4]) + angle
    place = camera[..., :3] @ turn.T + np.array([4.0, -1.0, 0.0], np.float32)
    turned = np.concatenate([place, np.stack([np.sin(yaw), np.cos(yaw)], -1), camera[..., 5:]], -1)
    context, views = only(batch, [1, 2]), {"camera": batch["camera"]}
    other = only({"video": batch["video"], "camera": tf.constant(turned)}, [1, 2])
    one = model.render_views(context, views).reconstruction
    two = model.render_views(other, {"camera": tf.constant(turned)}).reconstruction
    np.testing.assert_allclose(one, two, atol=1e-4)
    # Another context frame is another reference, which the order of the others is not.
    np.testing.assert_allclose(
        model.encode(only(batch, [1, 3, 2]))["object"].mean,
        model.encode(only(batch, [1, 2, 3]))["object"].mean,
        atol=1e-5,
    )


def test_any_number_of_views_is_drawn_by_one_graph():
    model, batch = make(), clips()
    latents = {"object": model.encode(only(batch, [0]))["object"].mean}
    graph = tf.function(
        lambda camera: model.render(latents, {"camera": camera}, (H, W), 50).reconstruction,
        input_signature=[tf.TensorSpec([None, None, 7])],
    )
    for count in (1, 5):
        camera = clips(3, count)["camera"]
        expected = model.render(latents, {"camera": camera}, (H, W)).reconstruction
        np.testing.assert_allclose(graph(camera), expected, atol=1e-5)


def test_wrong_settings_are_named():
    with pytest.raises(UserError, match=r"SIMONeVS\.num_context_frames is 5, but clips have 4 frames"):
        make(num_context_frames=5)
    with pytest.raises(UserError, match=r"SIMONeVS\.num_context_frames is 0: encode at least 1"):
        make(num_context_frames=0)
    with pytest.raises(UserError, match=r"SIMONeVS\.sampling is 'mode'"):
        make(sampling="mode")
    with pytest.raises(UserError, match="left-handed"):
        make(camera=CameraVector("matrix")).check_given({"camera": np.diag([1.0, -1.0, 1.0, 1.0]).reshape(1, 16)})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda batch, views: (without(batch, "camera"), views), "There is no `camera` of the context: give"),
        (lambda batch, views: (batch, {}), "There is no `camera` of the views: give"),
        (lambda batch, views: (batch | {"camera": batch["camera"][:, 1:]}, views), "`camera` of the context is"),
        (lambda batch, views: (batch, {"camera": views["camera"][..., :-1]}), "`camera` of the views is"),
        (lambda batch, views: (batch, {"camera": views["camera"][:, :0]}), "`camera` of the views is"),
        (lambda batch, views: (batch, {"camera": views["camera"][0]}), "`camera` of the views is"),
    ],
)
def test_views_that_cannot_be_drawn_are_told_in_one_sentence(change, words):
    model, batch = make(), clips()
    batch, views = change(batch, {"camera": batch["camera"]})
    with pytest.raises(UserError, match=words):
        model.render_views(batch, views)


def without(batch, name):
    return {field: value for field, value in batch.items() if field != name}
