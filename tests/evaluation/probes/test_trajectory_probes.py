"""Trajectory probes on latents of which it is known what they tell."""

import math

import numpy as np
import pytest

from simone_tf.errors import UserError
from simone_tf.evaluation.probes.camera_pose import camera_poses
from simone_tf.evaluation.probes.probe_data import ClipSplit, ProbeSettings
from simone_tf.evaluation.probes.regressors import MLPSettings
from simone_tf.evaluation.probes.trajectory_probes import trajectory_probes

N, T, K, M = 200, 4, 4, 2
QUICK = ProbeSettings(
    num_decoders=2, num_controls=2, mlp=MLPSettings(hidden_sizes=(32,), max_epochs=60, learning_rate=1e-2)
)

ROUGH = ProbeSettings(num_decoders=1, num_controls=1, mlp=MLPSettings(hidden_sizes=(4,), max_epochs=2))
ONE_DECODER = ProbeSettings(num_decoders=1, num_controls=0, mlp=QUICK.mlp)


class World:
    """Objects on straight paths, which the latents of their slots hold; other slots and frame latents are noise."""

    def __init__(self, seed=0, speed=1.5, moving_share=1.0):
        rng = np.random.default_rng(seed)
        start, velocity = rng.normal(size=(2, N, M, 3))
        self.moving = rng.random((N, M)) < moving_share
        velocity *= speed * self.moving[..., np.newaxis]
        self.positions = start[:, np.newaxis] + velocity[:, np.newaxis] * (np.arange(T) / T)[:, np.newaxis, np.newaxis]
        self.slots = np.stack([rng.permutation(K)[:M] for _ in range(N)])
        self.objects = rng.normal(size=(N, K, 6))
        for k in range(M):
            self.objects[np.arange(N), self.slots[:, k]] = np.concatenate([start[:, k], velocity[:, k]], axis=-1)
        self.frames = rng.normal(size=(N, T, 3))

    def probe(self, **named):
        named = {"object_moving": self.moving, "settings": QUICK, **named}
        rows = trajectory_probes(self.objects, self.frames, self.positions, self.slots, **named)
        return {(row["trained_on"], row["input"]): row for row in rows}


def test_moving_objects_need_their_latent_and_the_time():
    rows = World().probe()
    inputs = ["o_k", "o_k,t", "o_k,f_t,t", "o_j,j!=k", "o_j", "p_j,j!=k"]
    assert list(rows) == [(trained_on, name) for trained_on in ("all", "moving") for name in inputs]
    for (trained_on, _), row in rows.items():
        assert (row["probe"], row["target"], row["tested_on"]) == ("trajectory", "position", "moving")
        assert row["trained_on"] == trained_on
        assert row["r2_shuffled_mean"] < 0.05
        assert row["num_decoders"] == 2
    for trained_on in ("all", "moving"):
        without, with_time = rows[trained_on, "o_k"]["r2_mean"], rows[trained_on, "o_k,t"]["r2_mean"]
        assert with_time > 0.9
        # What is lost is the motion about its mean: speed^2 var(t) of 1 + speed^2 E[t^2].
        lost = 1.5**2 * np.var(np.arange(T) / T) / (1 + 1.5**2 * np.mean((np.arange(T) / T) ** 2))
        assert without == pytest.approx(1 - lost, abs=0.08)
        assert with_time > without + 0.05
        assert rows[trained_on, "o_k,f_t,t"]["r2_mean"] > 0.8
        assert rows[trained_on, "o_j,j!=k"]["r2_mean"] < 0.05
        assert rows[trained_on, "o_j"]["r2_mean"] < 0.05
        assert rows[trained_on, "p_j,j!=k"]["r2_mean"] < 0.05


def test_other_objects_help_when_they_know():
    # Both objects are at the same place: the other slot tells it, whatever the order of the slots.
    world = World()
    world.positions[:, :, 1] = world.positions[:, :, 0]
    tells = world.positions[:, 0, 0]
    world.objects[...] = 0.0
    world.objects[np.arange(N), world.slots[:, 1], :3] = tells
    rows = trajectory_probes(
        world.objects, world.frames, world.positions[..., :1, :], world.slots[:, :1], settings=QUICK
    )
    rows = {row["input"]: row for row in rows}
    assert rows["o_j,j!=k"]["r2_mean"] > 0.4
    assert rows["o_k"]["r2_mean"] < 0.05


def test_one_other_object_is_another_true_one():
    # Two objects at the same place, each of whose latents tells it: the other's does, spare slots would not.
    world = World(speed=0.0)
    world.positions[:, :, 1] = world.positions[:, :, 0]
    world.objects[np.arange(N), world.slots[:, 1]] = world.objects[np.arange(N), world.slots[:, 0]]
    rows = world.probe(object_moving=None)
    assert rows["all", "o_j"]["r2_mean"] > 0.9
    # And so does its true position, in whatever coordinates.
    assert rows["all", "p_j,j!=k"]["r2_mean"] > 0.9
    # A lone object has no other: a spare slot is taken, never its own.
    lone = trajectory_probes(
        world.objects, world.frames, world.positions[:, :, :1], world.slots[:, :1], settings=ONE_DECODER
    )
    assert {row["input"]: row["r2_mean"] for row in lone}["o_j"] < 0.5


def test_own_slot_leaves_no_gap_among_the_others():
    # The place depends on the number of the slot alone: with slot k cut out, nobody can tell.
    world = World(speed=0.0)
    world.positions[...] = world.slots[:, np.newaxis, :, np.newaxis] + 0.0
    world.objects[...] = np.random.default_rng(1).normal(size=world.objects.shape)
    rows = world.probe(object_moving=None)
    assert rows["all", "o_j,j!=k"]["r2_mean"] < 0.05


def test_trained_on_moving_objects_only():
    world = World(moving_share=0.5)
    rows = world.probe(settings=ROUGH)
    moving_rows = [row for key, row in rows.items() if key[0] == "moving"]
    all_rows = [row for key, row in rows.items() if key[0] == "all"]
    assert {row["num_test_rows"] for row in moving_rows} == {row["num_test_rows"] for row in all_rows}
    assert moving_rows[0]["num_train_rows"] < all_rows[0]["num_train_rows"]
    assert moving_rows[0]["num_test_rows"] % T == 0
    split_tests = all_rows[0]["num_test_rows"] + all_rows[0]["num_train_rows"]
    assert split_tests < N * M * T


def test_where_nothing_moves_all_objects_are_tested():
    world = World(speed=0.0)
    for moving, settings in ((np.zeros((N, M), bool), QUICK), (None, ROUGH)):
        rows = world.probe(object_moving=moving, settings=settings)
        assert {row["tested_on"] for row in rows.values()} == {"all"}
        assert {key[0] for key in rows} == {"all"}
        assert settings is ROUGH or rows["all", "o_k"]["r2_mean"] > 0.9
        assert rows["all", "o_k"]["num_train_rows"] + rows["all", "o_k"]["num_test_rows"] == N * M * T


def test_unmatched_and_unseen_objects_are_left_out():
    world = World(speed=0.0)
    world.slots[:, 1] = np.where(np.arange(N) % 2, world.slots[:, 1], -1)
    visible = np.ones((N, T, M), bool)
    visible[::4, :, 0] = False
    # Where an object is not used its position may be anything.
    world.positions[::4, :, 0] = np.nan
    world.positions[::2, :, 1] = np.inf
    row = world.probe(object_visible=visible, object_moving=None)["all", "o_k"]
    assert row["num_train_rows"] + row["num_test_rows"] == (N - N // 4 + N // 2) * T
    assert row["r2_mean"] > 0.9
    with pytest.raises(UserError, match="object positions hold a number that is not finite"):
        world.probe()


def test_positions_as_the_first_camera_sees_them():
    # The latents hold what the first camera sees; it stands anywhere and looks anywhere.
    world = World(speed=0.0)
    rng = np.random.default_rng(5)
    yaw, pitch = rng.uniform(0, 6, (N, 1)), rng.uniform(-0.5, 0.5, (N, 1))
    camera = np.stack([np.sin(yaw), np.cos(yaw), np.sin(pitch), np.cos(pitch)], axis=-1)
    camera = np.repeat(np.concatenate([rng.normal(size=(N, 1, 3)) * 3, camera], axis=-1), T, axis=1)
    camera[:, 1:, :3] += 5.0
    seen = camera_poses(camera, "yaw_pitch").seen_from(world.positions, 0)
    for k in range(M):
        world.objects[np.arange(N), world.slots[:, k], :3] = seen[:, 0, k]
        world.objects[np.arange(N), world.slots[:, k], 3:] = 0.0
    relative = world.probe(camera=camera, convention="yaw_pitch", reference=0, object_moving=None)
    assert relative["all", "o_k,t"]["r2_mean"] > 0.95
    assert relative["all", "o_k"]["coordinates"] == "camera of frame 0"
    assert ("all", "o_k,f_r,t") in relative
    assert world.probe(object_moving=None)["all", "o_k,t"]["r2_mean"] < 0.5


def test_latents_in_every_frame_tell_where_their_object_is_then():
    world = World()
    # In frame t the latent holds the place at t; its mean over the frames holds the mean place.
    in_frames = np.random.default_rng(3).normal(size=(N, K, T, 3))
    for k in range(M):
        in_frames[np.arange(N), world.slots[:, k]] = world.positions[:, :, k]
    rows = trajectory_probes(in_frames, None, world.positions, world.slots, settings=ONE_DECODER)
    scores = {row["input"]: row["r2_mean"] for row in rows}
    assert list(scores) == ["o_k", "o_k,t", "o_k(t)", "o_j(t),j!=k", "o_j(t)", "p_j,j!=k"]
    assert scores["o_k(t)"] > 0.95
    assert scores["o_k"] < scores["o_k(t)"] - 0.02
    assert max(scores["o_j(t),j!=k"], scores["o_j(t)"]) < 0.1


def test_too_few_moving_objects_give_no_score():
    world = World()
    moving = np.zeros((N, M), bool)
    moving[0, 0] = True
    split = ClipSplit(np.arange(50), np.arange(50, 90))
    rows = world.probe(object_moving=moving, split=split)
    for row in rows.values():
        assert math.isnan(row["r2_mean"])
        assert row["num_decoders"] == 0


def test_a_single_slot_has_no_others():
    world = World(speed=0.0)
    rows = trajectory_probes(
        world.objects[:, :1], world.frames, world.positions[:, :, :1], np.zeros((N, 1), int), settings=ROUGH
    )
    assert [row["input"] for row in rows] == ["o_k", "o_k,t", "o_k,f_t,t"]


def test_faults():
    world = World()
    with pytest.raises(ValueError, match="object_positions must be"):
        trajectory_probes(world.objects, world.frames, world.positions[:, 1:], world.slots)
    with pytest.raises(ValueError, match="slots must be"):
        trajectory_probes(world.objects, world.frames, world.positions, world.slots + K)
    with pytest.raises(ValueError, match="need camera and convention"):
        world.probe(reference=0)
    with pytest.raises(UserError, match="choose None, 'middle' or a frame"):
        world.probe(reference=-1)
