"""Latents of every kind, gathered over windows and frames."""

import numpy as np

from simone_tf.long_videos.posterior_pool import pool_with_spread
from simone_tf.long_videos.video_latents import VideoLatents
from simone_tf.long_videos.window_model import Posterior
from simone_tf.models.scene_model import Latent

K, T = 2, 3


def posterior(rng, *shape, point=False):
    return Posterior(rng.normal(size=shape).astype(np.float32), None if point else np.full(shape, -1.0, np.float32))


def gathered(latents, shapes, num_frames=T, windows=((0, [4, 1]), (2, [1, 7])), point=False):
    """What was put in, and the arrays."""
    rng = np.random.default_rng(0)
    latents_of_video = VideoLatents(latents)
    put_in = []
    for start, identities in windows:
        put_in.append({name: posterior(rng, *shape, point=point) for name, shape in shapes.items()})
        latents_of_video.add_window(start, num_frames, np.array(identities, np.int32), np.array([1.0, 2.0]), put_in[-1])
    for _ in range(5):
        latents_of_video.add_frame({name: posterior(rng, 6) for name in latents if latents[name].axes == ("frame",)})
    return put_in, latents_of_video.arrays()


def test_names_and_their_order():
    latents = {"object": Latent(("slot",), 5), "frame": Latent(("frame",), 6)}
    _, arrays = gathered(latents, {"object": (K, 5), "frame": (T, 6)})
    assert [(name, value.shape) for name, value in arrays.items()] == [
        ("window_starts", (2,)),
        ("window_object_ids", (2, K)),
        ("object_means", (2, K, 5)),
        ("object_log_scales", (2, K, 5)),
        ("merged_object_ids", (3,)),
        ("merged_object_means", (3, 5)),
        ("merged_object_log_scales", (3, 5)),
        ("frame_means", (5, 6)),
        ("frame_log_scales", (5, 6)),
    ]
    assert arrays["merged_object_ids"].tolist() == [1, 4, 7]


def test_an_object_in_every_frame_is_merged_over_frames_too():
    put_in, arrays = gathered({"object": Latent(("slot", "frame"), 5)}, {"object": (K, T, 5)})
    assert arrays["object_means"].shape == (2, K, T, 5)
    means = np.concatenate([put_in[0]["object"].mean[1], put_in[1]["object"].mean[0]])
    wanted = pool_with_spread(means, np.full_like(means, -1.0), np.array([2.0] * T + [1.0] * T))
    np.testing.assert_allclose(arrays["merged_object_means"][0], wanted[0], atol=1e-6)
    np.testing.assert_allclose(arrays["merged_object_log_scales"][0], wanted[1], atol=1e-6)


def test_frames_that_are_held_at_the_end_are_not_merged():
    put_in, arrays = gathered({"object": Latent(("slot", "frame"), 5)}, {"object": (K, T, 5)}, 1, ((0, [0, 1]),))
    np.testing.assert_allclose(arrays["merged_object_means"], put_in[0]["object"].mean[:, 0], atol=1e-6)


def test_scenes_of_other_lengths_are_merged_over_their_own_frames_and_say_so():
    rng, latents = np.random.default_rng(0), VideoLatents({"object": Latent(("slot", "frame"), 5)})
    put_in = [posterior(rng, K, T, 5) for _ in range(3)]
    for (start, count, identities), window in zip(
        [(0, T, [0, 1]), (3, 1, [2, 3]), (4, 2, [4, 5])], put_in, strict=True
    ):
        latents.add_window(start, count, np.array(identities, np.int32), np.array([1.0, 2.0]), {"object": window})
    arrays = latents.arrays(has_cuts=True)
    assert arrays["window_num_frames"].tolist() == [T, 1, 2]
    assert arrays["window_num_frames"].dtype == np.int32
    wanted = [
        window.mean[slot, :count].mean(0) for window, count in zip(put_in, (T, 1, 2), strict=True) for slot in (0, 1)
    ]
    np.testing.assert_allclose(arrays["merged_object_means"], wanted, atol=1e-6)


def test_points_have_no_scales_and_are_merged_by_their_weights():
    put_in, arrays = gathered({"object": Latent(("slot",), 5, True)}, {"object": (K, 5)}, point=True)
    assert not [name for name in arrays if name.endswith("log_scales")]
    wanted = (2 * put_in[0]["object"].mean[1] + put_in[1]["object"].mean[0]) / 3
    np.testing.assert_allclose(arrays["merged_object_means"][0], wanted, atol=1e-6)


def test_the_scene_as_a_whole_has_one_for_every_window():
    put_in, arrays = gathered({"scene": Latent((), 5)}, {"scene": (5,)})
    np.testing.assert_array_equal(arrays["scene_means"], np.stack([window["scene"].mean for window in put_in]))
    assert not [name for name in arrays if name.startswith("merged_") and name != "merged_object_ids"]
