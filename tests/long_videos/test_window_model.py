import numpy as np
import pytest

from simone_tf.long_videos.window_model import of_run_model, of_saved_model


@pytest.fixture(params=["run", "export"])
def window_model(request, tiny_model, tiny_export):
    if request.param == "export":
        return of_saved_model(str(tiny_export))
    return of_run_model(tiny_model, 3, (8, 16), "tiny", chunk_size=370)


def test_windows_are_taken_apart_as_the_model_does_it(window_model, tiny_model):
    assert (window_model.num_frames, window_model.frame_size, window_model.num_slots) == (3, (8, 16), 4)
    for batch in (1, 3):
        video = np.random.default_rng(batch).random((batch, 3, 8, 16, 3), np.float32)
        expected = tiny_model.decompose(video)
        latents = window_model.encode(video)
        assert set(latents) == set(expected.posteriors) == {"object", "frame"}
        for name, posterior in expected.posteriors.items():
            np.testing.assert_allclose(latents[name].mean, posterior.mean, atol=1e-5)
            np.testing.assert_allclose(latents[name].log_scale, posterior.log_scale, atol=1e-5)
        rendering = window_model.render({name: posterior.mean for name, posterior in latents.items()})
        np.testing.assert_allclose(rendering.reconstruction, expected.reconstruction, atol=1e-5)
        np.testing.assert_allclose(rendering.slot_rgb, expected.slot_rgb, atol=1e-5)
        np.testing.assert_allclose(rendering.slot_masks, expected.slot_masks, atol=1e-5)


def test_bytes_are_scaled(window_model):
    video = np.random.default_rng(0).integers(0, 256, (1, 3, 8, 16, 3), np.uint8)
    floats = window_model.encode((video / 255.0).astype(np.float32))
    for name, posterior in window_model.encode(video).items():
        for a, b in zip(posterior, floats[name], strict=True):
            np.testing.assert_allclose(a, b, atol=1e-5)


@pytest.mark.parametrize(
    "video",
    [np.zeros((3, 8, 16, 3), np.float32), np.zeros((1, 4, 8, 16, 3), np.uint8), np.zeros((1, 3, 8, 16, 3), np.float64)],
)
def test_other_shapes_and_types_are_refused(window_model, video):
    with pytest.raises(ValueError, match="takes uint8 or float32"):
        window_model.encode(video)


def test_what_calls_it_by_name(tiny_export):
    assert of_saved_model(str(tiny_export)).source == str(tiny_export)


@pytest.fixture(params=["run", "export"])
def colour_window_model(request, colour_model, colour_export):
    if request.param == "export":
        return of_saved_model(str(colour_export))
    return of_run_model(colour_model, 3, (8, 16), "colours")


def test_a_model_that_is_given_a_camera(colour_window_model, colour_model):
    assert (colour_window_model.given, colour_window_model.recomposes) == ({"camera": 5}, True)
    assert (colour_window_model.object_latents, colour_window_model.viewpoint_latents) == (("object",), ())
    rng = np.random.default_rng(0)
    batch = {"video": rng.random((2, 3, 8, 16, 3), np.float32), "camera": rng.random((2, 3, 5), np.float32)}
    expected = colour_model.decompose(batch)
    latents = colour_window_model.encode(batch)
    np.testing.assert_allclose(latents["object"].mean, expected.posteriors["object"].mean, atol=1e-5)
    np.testing.assert_allclose(latents["object"].log_scale, expected.posteriors["object"].log_scale, atol=1e-5)
    rendering = colour_window_model.render({"object": latents["object"].mean}, {"camera": batch["camera"]})
    np.testing.assert_allclose(rendering.reconstruction, expected.reconstruction, atol=1e-5)
    np.testing.assert_allclose(rendering.slot_rgb, expected.slot_rgb, atol=1e-5)
    np.testing.assert_allclose(rendering.slot_masks, expected.slot_masks, atol=1e-5)


def test_what_a_model_is_given_may_not_be_missing_or_of_another_size(colour_window_model):
    video = np.zeros((2, 3, 8, 16, 3), np.uint8)
    for given, words in (({}, "missing"), ({"camera": np.zeros((1, 3, 5))}, r"\[1, 3, 5\]")):
        with pytest.raises(ValueError, match=rf"camera is {words}, .* takes \[2, 3, 5\]"):
            colour_window_model.encode({"video": video, **given})
        with pytest.raises(ValueError, match=rf"camera is {words}, .* takes \[2, 3, 5\]"):
            colour_window_model.render({"object": np.zeros((2, 3, 3, 5))}, given)
