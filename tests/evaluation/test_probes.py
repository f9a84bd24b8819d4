"""All probes together: what they find in latents that are known, and what they say where something is missing."""

import types

import numpy as np
import pytest

from simone_tf.data.reader import Attribute
from simone_tf.evaluation.probe_data import ProbeSettings
from simone_tf.evaluation.probes import best_score, run_probes
from simone_tf.evaluation.regressors import MLPSettings

T, K, M = 3, 4, 2
QUICK = ProbeSettings(
    num_decoders=1, num_controls=1, mlp=MLPSettings(hidden_sizes=(16,), max_epochs=30, learning_rate=1e-2)
)
CLIPS = types.SimpleNamespace(camera_convention="yaw_pitch", attributes=(Attribute("shape", ("a", "b")),))


def measures(count, seed):
    """Frame latents tell the camera, object latents the object's place and shape, all in the world."""
    rng = np.random.default_rng(seed)
    location, angle = rng.normal(size=(count, T, 3)), rng.uniform(-1, 1, (count, T, 1))
    level = np.concatenate([np.zeros_like(angle), np.ones_like(angle)], axis=-1)
    positions, shape = rng.normal(size=(count, M, 3)), rng.integers(0, 2, (count, M, 1))
    slots = np.stack([rng.permutation(K)[:M] for _ in range(count)])
    objects = rng.normal(size=(count, K, 4))
    np.put_along_axis(objects, slots[..., np.newaxis], np.concatenate([positions, shape], axis=-1), axis=1)
    return {
        "object_mean": objects.astype(np.float32),
        "frame_mean": np.concatenate([location, angle], axis=-1).astype(np.float32),
        "camera": np.concatenate([location, np.sin(angle), np.cos(angle), level], axis=-1).astype(np.float32),
        "object_positions": np.repeat(positions[:, np.newaxis], T, axis=1).astype(np.float32),
        "object_attributes": shape.astype(np.float32),
        "object_slots": slots,
    }


def without(data, *names):
    return {name: value for name, value in data.items() if name not in names}


TRAIN, TEST = measures(150, 0), measures(50, 1)


def test_every_probe_finds_what_the_latents_tell():
    rows, missing, notes = run_probes(TRAIN, TEST, CLIPS, QUICK)
    assert missing == []
    world = {(row["target"], row["input"]): row for row in rows if row.get("coordinates") == "world"}
    assert world["location", "f_t"]["r2_mean"] > 0.9
    assert world["position", "o_k"]["r2_mean"] > 0.9
    for name in (("location", "o_1..K"), ("position", "o_j,j!=k"), ("position", "p_j,j!=k")):
        assert world[name]["r2_mean"] < 0.1
    (shape,) = (row for row in rows if row["target"] == "shape" and row["regressor"] == "mlp")
    assert shape["score_mean"] > 0.9
    for row in rows:
        assert row["num_test_clips"] == 50
        assert row.get("r2_shuffled_mean", 0.0) < 0.15
    places = {row["coordinates"] for row in rows if "coordinates" in row}
    assert len(places) == 2
    (relative,) = places - {"world"}
    assert relative in {f"camera of frame {frame}" for frame in range(T)}
    assert any(relative in note and "R² 1.00 in the world's" in note for note in notes)
    assert not any("cannot be known" in note for note in notes)


def test_scenes_without_a_north_are_said_to_have_none():
    # As the model of such scenes does: frame latents tell the pose seen from the camera of frame 1.
    from simone_tf.evaluation.camera_pose import camera_poses

    train, test = ({**data} for data in (TRAIN, TEST))
    for data in (train, test):
        poses = camera_poses(data["camera"], "yaw_pitch").relative_to(1)
        data["frame_mean"] = np.concatenate([poses.location, poses.rotation_vector()], -1).astype(np.float32)
        # A world turned at random, as far as the camera's location goes.
        turned = data["camera"].copy()
        turned[..., :3] += np.random.default_rng(5).normal(scale=30.0, size=(len(turned), 1, 3))
        data["camera"] = turned
    rows, _, notes = run_probes(without(train, "object_slots"), without(test, "object_slots"), CLIPS, QUICK)
    assert {row["coordinates"] for row in rows} == {"world", "camera of frame 1"}
    assert "In these scenes the world's cannot be known" in notes[0]


@pytest.mark.parametrize(
    ("names", "sentences"),
    [
        (("camera",), ["This dataset has no `camera`: no camera probes."]),
        (
            ("object_slots",),
            [
                "This dataset has no `segments`: no trajectory probes.",
                "This dataset has no `segments`: no attribute probes.",
            ],
        ),
        (("object_positions",), ["This dataset has no `object_positions`: no trajectory probes."]),
        (("object_attributes",), ["This dataset has no `object_attributes`: no attribute probes."]),
    ],
)
def test_missing_ground_truth_is_told(names, sentences):
    rows, missing, _ = run_probes(TRAIN, without(TEST, *names), CLIPS, QUICK)
    assert missing == sentences
    assert rows


def test_unnamed_cameras_and_attributes_are_told():
    unnamed = types.SimpleNamespace(camera_convention=None, attributes=())
    rows, missing, _ = run_probes(TRAIN, TEST, unnamed, QUICK)
    assert {row["probe"] for row in rows} == {"trajectory"}
    assert missing == [
        "What this dataset's `camera` numbers mean is not known: no camera probes.",
        "This dataset does not name its `object_attributes`: no attribute probes.",
    ]


def test_faulty_numbers_cost_one_probe_only():
    broken = {**TEST, "camera": np.full_like(TEST["camera"], np.nan)}
    rows, missing, _ = run_probes(without(TRAIN, "object_positions"), broken, CLIPS, QUICK)
    assert {row["probe"] for row in rows} == {"attribute"}
    assert missing[0] == "This dataset has no `object_positions`: no trajectory probes."
    assert missing[1].startswith("No camera probes: The camera poses hold a number that is not finite")


@pytest.mark.parametrize("train", [None, TRAIN], ids=["split", "given"])
def test_too_few_clips_give_no_probes(train):
    few = {name: value[: 3 if train is None else 1] for name, value in TEST.items()}
    rows, missing, notes = run_probes(train, few, CLIPS, QUICK)
    assert (rows, notes) == ([], [])
    assert missing[0].startswith("No probes: The probes have ")
    assert "and 1 to test on, but need at least 4 and 2" in missing[0]


def test_without_training_clips_the_held_out_ones_are_split():
    rows, _, _ = run_probes(None, TEST, CLIPS, QUICK)
    assert {(row["num_train_clips"], row["num_test_clips"]) for row in rows} == {(38, 12)}


def test_clips_of_one_frame_have_no_relative_coordinates():
    single = [
        {
            name: value[:, :1] if name in ("frame_mean", "camera", "object_positions") else value
            for name, value in d.items()
        }
        for d in (TRAIN, TEST)
    ]
    rows, missing, notes = run_probes(*single, CLIPS, QUICK)
    assert missing == notes == []
    assert {row["coordinates"] for row in rows if "coordinates" in row} == {"world"}


def test_where_no_object_has_a_slot_there_are_no_scores():
    unmatched = [{**data, "object_slots": np.full_like(data["object_slots"], -1)} for data in (TRAIN, TEST)]
    rows, missing, _ = run_probes(*unmatched, CLIPS, QUICK)
    assert missing == []
    for row in rows:
        if row["probe"] != "camera":
            assert row["num_decoders"] == row["num_test_rows"] == 0
            assert np.isnan(row.get("r2_mean", row.get("score_mean")))
    assert best_score(rows, world=True, target="position", inputs=("o_k",)) is None


def test_where_nothing_is_found_it_is_not_blamed_on_the_scenes():
    # Frame latents that tell nothing, of cameras that could be known.
    noise = [
        {**data, "frame_mean": np.random.default_rng(seed).normal(size=data["frame_mean"].shape).astype(np.float32)}
        for seed, data in enumerate((TRAIN, TEST))
    ]
    _, _, notes = run_probes(*(without(data, "object_slots") for data in noise), CLIPS, QUICK)
    assert "cannot be known" not in notes[0]
    assert "The world's can be known only where" in notes[0]
