import numpy as np

from simone_tf.long_videos.frame_blend import FrameBlend, WindowFrame
from simone_tf.long_videos.window_model import Posterior

FRAME = np.full((1, 2, 3), 0.5, np.float32)


def seen(weight, object_ids, masks, greys, recomposition=0.0, latent=(0.0, 0.0)):
    """A picture of two pixels: masks `[K, 2]`, one grey for each object."""
    masks = np.array(masks, np.float32)[:, None]
    rgb = np.broadcast_to(np.array(greys, np.float32)[:, None, None, None], (*masks.shape, 3))
    return WindowFrame(
        weight,
        np.array(object_ids, np.int32),
        masks,
        rgb,
        (masks[..., None] * rgb).sum(0),
        None if recomposition is None else np.full((1, 2, 3), recomposition, np.float32),
        {"frame": Posterior(np.array([latent[0]], np.float32), np.array([latent[1]], np.float32))},
    )


def test_two_windows_in_the_ratio_of_their_weights():
    blend = FrameBlend(7, FRAME)
    blend.add(seen(3.0, [5, 2], [[1.0, 0.2], [0.0, 0.8]], [0.4, 0.8], recomposition=0.0, latent=(1.0, 0.0)))
    blend.add(seen(1.0, [9, 5], [[0.6, 0.4], [0.4, 0.6]], [0.1, 0.6], recomposition=1.0, latent=(3.0, 0.0)))
    parts = blend.parts()
    assert parts.index == 7
    assert parts.frame is FRAME
    assert parts.object_ids.tolist() == [2, 5, 9]
    np.testing.assert_allclose(parts.masks[:, 0], [[0.0, 0.6], [0.85, 0.3], [0.15, 0.1]], atol=1e-6)
    # Object 5 in the first pixel: 0.75 * 1.0 of 0.4 and 0.25 * 0.4 of 0.6, over their sum.
    np.testing.assert_allclose(parts.rgb[1, 0, 0], (0.75 * 0.4 + 0.1 * 0.6) / 0.85, atol=1e-5)
    np.testing.assert_allclose(parts.rgb[0, 0], 0.8, atol=1e-5)  # only the first window knows it
    np.testing.assert_allclose(parts.reconstruction[0, 0], 0.75 * 0.4 + 0.25 * (0.6 * 0.1 + 0.4 * 0.6), atol=1e-6)
    np.testing.assert_allclose(parts.recomposition, 0.25, atol=1e-6)
    mean, log_scale = blend.latents()["frame"]
    np.testing.assert_allclose((mean[0], log_scale[0]), (1.5, 0.0), atol=1e-6)


def test_masks_and_colours_add_up_to_the_reconstruction():
    rng = np.random.default_rng(0)
    blend = FrameBlend(0, FRAME)
    for weight in (2.0, 5.0, 0.3):
        masks = rng.dirichlet([0.5] * 3, 2).T
        blend.add(seen(weight, rng.permutation(5)[:3], masks, rng.random(3), recomposition=None))
    parts = blend.parts()
    np.testing.assert_allclose(parts.masks.sum(0), 1, atol=1e-6)
    np.testing.assert_allclose((parts.masks[..., None] * parts.rgb).sum(0), parts.reconstruction, atol=1e-4)
    assert parts.recomposition is None
