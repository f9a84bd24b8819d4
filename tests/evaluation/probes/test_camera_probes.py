"""Camera probes on latents of which it is known what they tell."""

import math

import numpy as np
import pytest

from simone_tf.errors import UserError
from simone_tf.evaluation.probes.camera_pose import camera_poses
from simone_tf.evaluation.probes.camera_probes import camera_probes, choose_reference
from simone_tf.evaluation.probes.probe_data import ClipSplit, ProbeSettings
from simone_tf.evaluation.probes.probe_scores import as_finite
from simone_tf.evaluation.probes.regressors import MLPSettings
from simone_tf.scenes.camera import arc_path

N, T, K = 160, 5, 3
QUICK = ProbeSettings(num_decoders=2, num_controls=2, mlp=MLPSettings(hidden_sizes=(32,), max_epochs=60))

ROUGH = ProbeSettings(num_decoders=2, num_controls=1, mlp=MLPSettings(hidden_sizes=(4,), max_epochs=2))


def cameras(seed=0, azimuth_range=1.0):
    """Pose vectors [N, T, 7] of cameras on arcs around the origin, with start and arc of their own."""
    rng = np.random.default_rng(seed)
    moment = np.linspace(0, 1, T)
    paths = []
    for _ in range(N):
        start, arc = rng.uniform(0, azimuth_range), rng.uniform(-1, 1)
        height = rng.uniform(0.4, 0.9) + rng.uniform(-0.2, 0.2) * moment
        distance = rng.uniform(4, 6) + rng.uniform(-1, 1) * moment
        paths.append(arc_path(np.zeros((T, 3)), start + arc * moment, distance, height).vectors())
    return np.stack(paths)


def pose_numbers(camera, reference=None):
    poses = camera_poses(camera, "yaw_pitch")
    if reference is not None:
        poses = poses.relative_to(reference)
    return np.concatenate([poses.location, poses.rotation_vector()], axis=-1)


def noise(*shape, seed=1):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def by_key(rows):
    return {(row["target"], row["input"], row["regressor"]): row for row in rows}


def test_a_linear_code_of_the_pose_is_read_and_object_latents_tell_nothing():
    camera = cameras()
    mixing = np.random.default_rng(2).normal(size=(6, 8))
    rows = camera_probes(pose_numbers(camera) @ mixing + 3.0, noise(N, K, 4), camera, "yaw_pitch", settings=QUICK)
    rows = by_key(rows)
    inputs = [("f_t", "linear"), ("f_t", "mlp"), ("o_1..K", "mlp"), ("o_1..K,t", "mlp")]
    assert list(rows) == [(target, *name) for target in ("location", "orientation") for name in inputs]
    for (_, name, regressor), row in rows.items():
        assert row["probe"] == "camera"
        assert row["coordinates"] == "world"
        assert row["num_train_clips"] == 120
        assert row["num_test_rows"] == 40 * T
        assert row["r2_shuffled_mean"] < 0.05
        if name == "f_t" and regressor == "linear":
            assert row["r2_mean"] == pytest.approx(1.0, abs=1e-4)
            assert row["r2_std"] == 0.0
            assert row["num_decoders"] == 1
        elif name == "f_t":
            assert row["r2_mean"] > 0.9
            assert row["r2_std"] > 0.0
            assert row["num_decoders"] == 2
        else:
            assert row["r2_mean"] < 0.1


def test_features_that_only_name_the_scene_are_no_help_in_unseen_scenes():
    # A code of the clip's number, the same in every frame: with rows split by frame this would give a high R^2.
    camera = cameras()
    code = np.eye(N, dtype=np.float32)
    frame_latents = np.repeat(code[:, np.newaxis], T, axis=1)
    rows = camera_probes(frame_latents, code[:, np.newaxis], camera, "yaw_pitch", settings=QUICK)
    assert max(row["r2_mean"] for row in rows) < 0.05


def test_relative_poses_can_be_known_where_the_world_cannot():
    # Starts all around: the latents hold the pose as seen from frame 1, and nothing of the world.
    camera = cameras(azimuth_range=2 * math.pi)
    latents, objects = pose_numbers(camera, reference=1), noise(N, K, 4)
    world = by_key(camera_probes(latents, objects, camera, "yaw_pitch", settings=QUICK))
    relative = by_key(camera_probes(latents, objects, camera, "yaw_pitch", reference=1, settings=QUICK))
    key = ("location", "f_t", "linear")
    assert world[key]["r2_x"] < 0.15
    assert world[key]["r2_y"] < 0.15
    assert relative[key]["r2_mean"] == pytest.approx(1.0, abs=1e-4)
    assert relative[key]["coordinates"] == "camera of frame 1"
    assert relative[key]["num_test_rows"] == 40 * (T - 1)
    assert ("location", "f_r,f_t", "mlp") in relative


def test_another_origin_of_the_latents_needs_both_frames():
    # The latents hold the azimuth from an arbitrary origin: one frame's tells nothing, the difference of two most.
    rng = np.random.default_rng(0)
    camera = cameras(azimuth_range=2 * math.pi)
    turned = np.unwrap(np.arctan2(camera[..., 3], camera[..., 4]), axis=1)
    turned = turned - turned[:, :1] + rng.normal(size=(N, 1)) * 5
    rows = by_key(
        camera_probes(turned[..., np.newaxis], noise(N, K, 4), camera, "yaw_pitch", reference=0, settings=QUICK)
    )
    assert rows["orientation", "f_t", "linear"]["r2_mean"] < 0.2
    assert rows["orientation", "f_r,f_t", "linear"]["r2_mean"] > 0.5


def test_a_component_that_does_not_vary_is_left_out():
    # A camera that only turns about the vertical: relative rotation about the right-hand axis is rounding.
    rng = np.random.default_rng(0)
    azimuth = rng.uniform(0, 6, (N, 1)) + rng.uniform(-0.5, 0.5, (N, 1)) * np.arange(T)
    elevation = np.repeat(rng.uniform(0.3, 0.9, (N, 1)), T, axis=1)
    camera = np.stack(
        [arc_path(np.zeros((T, 3)), a, np.full(T, 5.0), e).vectors() for a, e in zip(azimuth, elevation, strict=True)]
    )
    latents = pose_numbers(camera, reference=0)
    row = by_key(camera_probes(latents, noise(N, K, 2), camera, "yaw_pitch", reference=0, settings=QUICK))
    row = row["orientation", "f_t", "linear"]
    assert math.isnan(row["r2_x"])
    assert row["r2_mean"] == pytest.approx((row["r2_y"] + row["r2_z"]) / 2)
    assert row["r2_mean"] > 0.99


def test_the_clock_is_told_apart_from_the_scene():
    # The camera does nearly the same in every clip: the frame number alone predicts it, and the control does not.
    camera = cameras()
    camera[1:] = camera[:1]
    camera[..., 2] += noise(N, T) * 0.01
    rows = by_key(camera_probes(noise(N, T, 3), noise(N, K, 3), camera, "yaw_pitch", settings=QUICK))
    row = rows["location", "o_1..K,t", "mlp"]
    assert row["r2_clock"] > 0.9
    assert row["r2_mean"] > 0.8
    assert row["r2_shuffled_mean"] < 0.05


def test_same_seed_same_rows_and_a_given_split_is_kept():
    camera, latents, objects = cameras(), noise(N, T, 3), noise(N, K, 3)
    split = ClipSplit(np.arange(50), np.arange(50, 70))
    one, again = (camera_probes(latents, objects, camera, "yaw_pitch", split=split, settings=ROUGH) for _ in range(2))
    assert one == again
    assert {(row["num_train_clips"], row["num_test_clips"]) for row in one} == {(50, 20)}
    # What is neither trained nor tested on changes nothing.
    latents[70:] = 1e6
    assert camera_probes(latents, objects, camera, "yaw_pitch", split=split, settings=ROUGH) == one


def test_test_targets_never_reach_the_decoders(monkeypatch):
    from simone_tf.evaluation.probes import probe_scores

    seen = []
    fit = probe_scores.fit_regressor

    def spy(regressor, train, validation, seed, mlp):
        seen.extend([*train.features[:, 0], *validation.features[:, 0]])
        return fit(regressor, train, validation, seed, mlp)

    monkeypatch.setattr(probe_scores, "fit_regressor", spy)
    latents = noise(N, T, 3)
    latents[..., 0] = np.arange(N)[:, np.newaxis]
    objects = np.broadcast_to(np.arange(N, dtype=np.float32)[:, np.newaxis, np.newaxis], (N, 1, 1))
    split = ClipSplit(np.arange(40), np.arange(40, 60))
    camera_probes(latents, objects, cameras(), "yaw_pitch", split=split, settings=ROUGH)
    assert set(seen) == set(range(40))


@pytest.mark.parametrize("origin", [0, 2, 3, "middle"])
def test_the_models_origin_is_found_without_the_test_clips(origin):
    camera = cameras(azimuth_range=2 * math.pi)[:, :4]  # an even number: the middle is no frame's
    latents = pose_numbers(camera, reference=origin) + 0.05 * noise(N, 4, 6)
    split = ClipSplit(np.arange(100), np.arange(100, N))
    latents[100:] = pose_numbers(camera, reference=1)[100:]
    assert choose_reference(latents, camera, "yaw_pitch", split=split) == origin
    with pytest.raises(UserError, match="at least two frames"):
        choose_reference(latents[:, :1], camera[:, :1], "yaw_pitch")


def test_seen_from_the_middle_all_frames_are_told_and_none_is_the_origins():
    camera = cameras(azimuth_range=2 * math.pi)
    latents = pose_numbers(camera, reference="middle")
    rows = by_key(camera_probes(latents, noise(N, K, 4), camera, "yaw_pitch", reference="middle", settings=QUICK))
    assert {name for _, name, _ in rows} == {"f_t", "o_1..K", "o_1..K,t"}
    row = rows["location", "f_t", "linear"]
    assert row["coordinates"] == "middle camera"
    assert row["r2_mean"] > 0.99
    assert rows["orientation", "f_t", "linear"]["r2_mean"] > 0.99
    # Whichever frame's latents are spoiled, it is missed.
    for frame in range(T):
        spoiled = latents.copy()
        spoiled[:, frame] = noise(N, 6)
        rows = by_key(camera_probes(spoiled, None, camera, "yaw_pitch", reference="middle", settings=ROUGH))
        assert rows["orientation", "f_t", "linear"]["r2_mean"] < 0.9


def test_faults():
    camera, latents, objects = cameras(), noise(N, T, 3), noise(N, K, 3)
    with pytest.raises(ValueError, match="camera must be"):
        camera_probes(latents, objects, camera[:, 1:], "yaw_pitch")
    with pytest.raises(ValueError, match="latents must be"):
        camera_probes(latents[1:], objects, camera, "yaw_pitch")
    with pytest.raises(UserError, match="choose None, 'middle' or a frame"):
        camera_probes(latents, objects, camera, "yaw_pitch", reference=T)
    with pytest.raises(UserError, match="at least two frames"):
        camera_probes(latents[:, :1], objects, camera[:, :1], "yaw_pitch", reference=0)
    with pytest.raises(UserError, match="evaluate more clips"):
        camera_probes(latents[:3], objects[:3], camera[:3], "yaw_pitch")
    latents[3, 2, 1] = np.nan
    with pytest.raises(UserError, match="latents hold a number that is not finite"):
        camera_probes(latents, objects, camera, "yaw_pitch")
    assert as_finite([1, 2], "numbers").dtype == np.float64
