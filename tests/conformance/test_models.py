"""What every model must do alike: what it states is what it does (see `SceneModel`)."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from simone_tf.errors import UserError
from simone_tf.models import MODELS
from simone_tf.models.parts.recomputation import recompute
from simone_tf.models.scene_model import AXES, DecodesQueries, SceneModel

from small_models import SMALL_MODELS

B, T, H, W = 2, 2, 8, 16
SEEDS = tf.constant([3, 1]), tf.constant([4, 1])


def make(name, seed=0):
    keras.utils.set_random_seed(seed)
    model = SMALL_MODELS[name]()
    model.build((None, T, H, W, 3))
    for number, variable in enumerate(model.variables):
        variable.assign(variable.numpy() + 0.3 * tf.random.stateless_normal(variable.shape, [seed, number]))
    return model


def batch_of(model, seed=0):
    shapes = {"video": (B, T, H, W, 3), **{name: (B, T, size) for name, size in model.given.items()}}
    return {
        name: tf.random.stateless_uniform(shape, [seed, number]) for number, (name, shape) in enumerate(shapes.items())
    }


@pytest.fixture(params=SMALL_MODELS)
def model(request):
    return make(request.param)


@pytest.fixture
def batch(model):
    return batch_of(model)


def test_every_model_of_the_library_is_tried_here():
    assert set(MODELS) <= set(SMALL_MODELS)


def test_what_it_states_has_the_documented_form(model):
    assert isinstance(model, SceneModel)
    assert model.inputs == ("video", *model.given)
    assert model.num_slots >= 1
    for latent in model.latents.values():
        assert latent.axes == tuple(axis for axis in AXES if axis in latent.axes)
        assert latent.size >= 1
    assert model.loss_terms[0] == "loss"
    assert len(set(model.loss_terms)) == len(model.loss_terms)


def test_the_losses_are_the_terms_it_states(model, batch):
    losses = model.losses(batch, *SEEDS)
    assert set(losses) == set(model.loss_terms)
    for name, value in losses.items():
        assert value.shape == (), name
        assert value.dtype == tf.float32, name
        assert np.isfinite(value), name
    weighted = [value for name, value in losses.items() if name.startswith("weighted_")]
    if weighted:
        np.testing.assert_allclose(losses["loss"], tf.add_n(weighted), rtol=1e-5)


def test_the_losses_are_a_function_of_clips_and_seeds(model, batch):
    losses = model.losses(batch, *SEEDS)
    again = model.losses(batch, *SEEDS)
    assert {name: float(value) for name, value in losses.items()} == {name: float(v) for name, v in again.items()}
    compiled = tf.function(model.losses)(batch, *SEEDS)
    for name, value in losses.items():
        np.testing.assert_allclose(compiled[name], value, rtol=1e-4, atol=1e-5, err_msg=name)
    assert float(model.losses(batch_of(model, seed=1), *SEEDS)["loss"]) != float(losses["loss"])


def test_every_weight_is_trained(model, batch):
    with tf.GradientTape() as tape:
        loss = model.losses(batch, *SEEDS)["loss"]
    gradients = tape.gradient(loss, [variable.value for variable in model.trainable_variables])
    assert [v.path for v, g in zip(model.trainable_variables, gradients, strict=True) if g is None] == []


# Refinement after refinement makes rounding larger: one bit of the video moves its gradients by 3e-6 of the largest.
ROUNDING = {"SequentialIODINE": 5e-6}


# What XLA takes long for is tried with one model of each kind of decoder.
@pytest.mark.parametrize("name", SMALL_MODELS)
@pytest.mark.parametrize("mode", ["eager", "graph", "XLA"])
def test_recomputation_changes_no_gradient(name, mode):
    if mode == "XLA" and name not in ("SIMONe", "MONet"):
        pytest.skip("Another model with this decoder is tried, or there is none.")
    model = make(name)
    batch = batch_of(model)

    def gradients(batch):
        with tf.GradientTape() as tape:
            loss = model.losses(batch, *SEEDS)["loss"]
        found = tape.gradient(loss, [variable.value for variable in model.trainable_variables])
        return [loss, *map(tf.convert_to_tensor, found)]

    def found():
        function = gradients if mode == "eager" else tf.function(gradients, jit_compile=mode == "XLA")
        return [value.numpy() for value in function(batch)]

    try:
        recompute(model, "all", 3000)  # a few chunks
    except UserError:
        pytest.skip("The model has no part that recomputes.")
    again = found()
    recompute(model, None)
    kept = found()
    largest = max(np.abs(value).max() for value in kept[1:])
    bound = ROUNDING.get(name, 1e-6)
    for value, wanted in zip(again, kept, strict=True):
        np.testing.assert_allclose(value, wanted, rtol=bound, atol=bound * largest)


def test_posteriors_have_the_axes_and_sizes_it_states(model, batch):
    numbers = {"slot": model.num_slots, "frame": T}
    posteriors = model.encode(batch)
    assert set(posteriors) == set(model.latents)
    for name, latent in model.latents.items():
        shape = (B, *(numbers[axis] for axis in latent.axes), latent.size)
        for value in posteriors[name]:
            assert value is None or tuple(value.shape) == shape, name
        assert (posteriors[name].log_scale is None) == latent.is_point, name


def test_clips_are_taken_apart_into_what_adds_up_to_them(model, batch):
    parts = model.decompose(batch)
    slots = model.num_slots
    assert parts.reconstruction.shape == (B, T, H, W, 3)
    assert parts.slot_rgb.shape == (B, slots, T, H, W, 3)
    np.testing.assert_allclose(tf.reduce_sum(parts.slot_masks, axis=1), np.ones((B, T, H, W)), atol=1e-5)
    np.testing.assert_array_equal(parts.segments, np.argmax(parts.slot_masks, axis=1))
    mixed = tf.reduce_sum(parts.slot_masks[..., None] * parts.slot_rgb, axis=1)
    np.testing.assert_allclose(parts.reconstruction, mixed, atol=1e-5)


def taken_apart(model, batch):
    """The decomposition, or why it is refused."""
    try:
        return model.decompose(batch), None
    except UserError as error:
        return None, str(error)


def test_frames_of_another_size_are_taken_apart_or_refused(model, batch):
    other = {name: value[:, :, :, :8] if name == "video" else value for name, value in batch.items()}
    parts, said = taken_apart(model, other)
    if said is None:
        assert parts.reconstruction.shape == (B, T, H, 8, 3)
    else:
        assert f"frames are {H}x8 pixels, and the model was built for {H}x{W}" in said


@pytest.mark.parametrize("num_frames", [1, 3])
def test_a_clip_of_another_length_is_taken_apart_whole_or_refused(model, batch, num_frames):
    other = {name: tf.repeat(value[:, :1], num_frames, axis=1) for name, value in batch.items()}
    parts, said = taken_apart(model, other)
    if said is None:
        assert parts.segments.shape == (B, num_frames, H, W)
        assert parts.reconstruction.shape == (B, num_frames, H, W, 3)
    else:
        assert f"The video has {num_frames} frames" in said


def test_chunks_change_nothing(model, batch):
    whole, chunked = model.decompose(batch), model.decompose(batch, 37)
    np.testing.assert_allclose(whole.reconstruction, chunked.reconstruction, atol=1e-5)
    np.testing.assert_allclose(whole.slot_masks, chunked.slot_masks, atol=1e-5)


def test_a_recomposition_takes_the_viewpoint_and_nothing_else_of_the_other_clip(model, batch):
    other = batch_of(model, seed=1)
    if not model.recomposes:
        with pytest.raises(UserError, match="does not tell a viewpoint from its scene"):
            model.recompose(batch, other)
        return
    own = model.recompose(batch, batch)
    np.testing.assert_allclose(own.reconstruction, model.decompose(batch).reconstruction, atol=1e-5)
    mixed = model.recompose(batch, other)
    posteriors, seen = model.encode(batch), model.encode(other)
    latents = {
        name: (seen if latent.axes == ("frame",) else posteriors)[name].mean for name, latent in model.latents.items()
    }
    by_hand = model.render(latents, {name: other[name] for name in model.given}, (H, W))
    np.testing.assert_allclose(mixed.reconstruction, by_hand.reconstruction, atol=1e-5)
    assert np.abs(mixed.reconstruction - own.reconstruction).max() > 1e-4


def test_a_likelihood_is_that_of_every_pixel(model, batch):
    parts = model.decompose(batch)
    nats = model.log_prob(batch["video"], parts)
    if nats is None:
        pytest.skip("The model has no likelihood.")
    assert nats.shape == (B, T, H, W)
    better = model.log_prob(parts.reconstruction, parts)
    assert float(tf.reduce_mean(better)) > float(tf.reduce_mean(nats))


def test_single_pixels_are_those_of_the_whole(model, batch):
    if not isinstance(model, DecodesQueries):
        pytest.skip("The model decodes whole frames only.")
    from simone_tf.models.parts.queries import full_query

    latents = {name: posterior.mean for name, posterior in model.encode(batch).items()}
    decoded = model.decode(latents, full_query(T, H, W), given={name: batch[name] for name in model.given})
    masks = tf.nn.softmax(decoded.mask_logits, axis=1)
    np.testing.assert_allclose(tf.reshape(masks, [B, -1, T, H, W]), model.decompose(batch).slot_masks, atol=1e-5)


def test_a_scene_is_drawn_from_any_viewpoints_after_any_frames(model, batch):
    if not model.renders_views:
        pytest.skip("The model does not draw views that were not seen.")
    views = {name: batch[name] for name in model.given}
    np.testing.assert_allclose(
        model.render_views(batch, views).reconstruction, model.decompose(batch).reconstruction, atol=1e-5
    )
    one = {name: value[:, :1] for name, value in batch.items()}
    many = {name: tf.concat([value, value, value[:, :1] + 0.1], 1) for name, value in views.items()}
    drawn = model.render_views(one, many)
    assert drawn.reconstruction.shape == (B, 2 * T + 1, H, W, 3)
    np.testing.assert_allclose(tf.reduce_sum(drawn.slot_masks, axis=1), np.ones((B, 2 * T + 1, H, W)), atol=1e-5)
    for name, latent in model.latents.items():
        numbers = {"slot": model.num_slots}
        assert drawn.posteriors[name].mean.shape == (B, *(numbers[axis] for axis in latent.axes), latent.size)
    np.testing.assert_allclose(drawn.reconstruction[:, 0], drawn.reconstruction[:, T], atol=1e-5)
    assert np.abs(drawn.reconstruction[:, 0] - drawn.reconstruction[:, 1]).max() > 1e-4
    chunked = model.render_views(one, many, 37)
    np.testing.assert_allclose(chunked.reconstruction, drawn.reconstruction, atol=1e-5)


def test_what_it_renders_follows_from_what_it_states(model):
    of_frames = [name for name, latent in model.latents.items() if "frame" in latent.axes]
    assert model.renders_views == (bool(model.given) and not of_frames)


def test_video_of_bytes_or_without_a_batch_is_refused(model, batch):
    with pytest.raises(ValueError, match=r"video is uint8 .*give float32"):
        model.decompose({**batch, "video": tf.cast(batch["video"], tf.uint8)})
    with pytest.raises(ValueError, match=r"video is float32 \(2, 8, 16, 3\): give float32"):
        model.decompose({**batch, "video": batch["video"][0]})
