"""What a model infers of objects and frames, put together for the probes."""

import types

import numpy as np
import pytest

from simone_tf.evaluation.probes.probe_latents import check_latents, over_frames, probe_latents, probed_names

N, K, T = 5, 3, 2


def model_of(objects=(), frames=(), num_slots=K):
    return types.SimpleNamespace(object_latents=objects, viewpoint_latents=frames, num_slots=num_slots)


def draw(*shape):
    return np.random.default_rng(len(shape)).normal(size=(N, *shape))


def test_latents_of_one_kind_stand_one_after_the_other():
    model = model_of(("object",), ("frame", "light"))
    assert probed_names(model) == ("object_mean", "frame_mean", "light_mean")
    measures = {"object_mean": draw(K, 4), "frame_mean": draw(T, 2), "light_mean": draw(T, 1)}
    latents = probe_latents(model, measures)
    np.testing.assert_array_equal(latents.objects, measures["object_mean"])
    np.testing.assert_array_equal(latents.frames, np.concatenate([measures["frame_mean"], measures["light_mean"]], -1))


def test_what_an_object_keeps_it_has_in_every_frame():
    measures = {"shape_mean": draw(K, 2), "pose_mean": draw(K, T, 3)}
    objects, frames = probe_latents(model_of(("shape", "pose")), measures)
    assert frames is None
    assert objects.shape == (N, K, T, 5)
    np.testing.assert_array_equal(objects[:, :, 1, :2], measures["shape_mean"])
    np.testing.assert_array_equal(objects[..., 2:], measures["pose_mean"])
    np.testing.assert_allclose(over_frames(objects)[..., :2], measures["shape_mean"])
    np.testing.assert_allclose(over_frames(objects)[..., 2:], measures["pose_mean"].mean(2))


def test_the_slot_of_an_undivided_clip_is_no_object():
    model = model_of(("object",), num_slots=1)
    assert probed_names(model) == ()
    assert probe_latents(model, {}) == (None, None)


def test_sizes_are_those_of_the_latents():
    assert check_latents(draw(T, 3), draw(K, 4)) == (N, T)
    assert check_latents(draw(T, 3), draw(K, T, 4)) == (N, T)
    assert check_latents(None, draw(K, T, 4)) == (N, T)
    assert check_latents(None, draw(K, 4)) == (N, None)
    assert check_latents(draw(T, 3), None) == (N, T)


@pytest.mark.parametrize(
    ("frames", "objects"),
    [
        (None, None),
        (draw(3), draw(K, 4)),
        (draw(T, 3), draw(4)),
        (draw(T, 3)[1:], draw(K, 4)),
        (draw(T, 3), draw(K, T + 1, 4)),
        (draw(T, 3), draw(K, T, 1, 4)),
    ],
)
def test_latents_that_do_not_fit_are_refused(frames, objects):
    with pytest.raises(ValueError, match="latents must be"):
        check_latents(frames, objects)
