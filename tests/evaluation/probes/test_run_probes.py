"""All probes together: what they find in latents that are known, and what they say where something is missing."""

import types

import numpy as np
import pytest

from simone_tf.data.formats.reader import Attribute
from simone_tf.evaluation.probes.findings import best_score
from simone_tf.evaluation.probes.probe_data import ProbeSettings
from simone_tf.evaluation.probes.regressors import MLPSettings
from simone_tf.evaluation.probes.run_probes import can_probe, run_probes

T, K, M = 3, 4, 2
QUICK = ProbeSettings(
    num_decoders=1, num_controls=1, mlp=MLPSettings(hidden_sizes=(16,), max_epochs=30, learning_rate=1e-2)
)
MODEL = types.SimpleNamespace(num_slots=K, object_latents=("object",), viewpoint_latents=("frame",))
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
    rows, missing, notes = run_probes(MODEL, TRAIN, TEST, CLIPS, QUICK)
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
    assert relative in {"middle camera", *(f"camera of frame {frame}" for frame in range(T))}
    assert any(relative in note and "R² 1.00 in the world's" in note for note in notes)
    assert not any("tells north, as" in note for note in notes)


def relative_clips():
    """As the model of scenes without a north does: frame latents tell the pose seen from the camera of frame 1."""
    from simone_tf.evaluation.probes.camera_pose import camera_poses

    train, test = ({**data} for data in (TRAIN, TEST))
    for data in (train, test):
        poses = camera_poses(data["camera"], "yaw_pitch").relative_to(1)
        data["frame_mean"] = np.concatenate([poses.location, poses.rotation_vector()], -1).astype(np.float32)
        # A world turned at random, as far as the camera's location goes.
        turned = data["camera"].copy()
        turned[..., :3] += np.random.default_rng(5).normal(scale=30.0, size=(len(turned), 1, 3))
        data["camera"] = turned
    return without(train, "object_slots"), without(test, "object_slots")


def test_scenes_without_a_north_are_told_by_what_the_probes_found():
    rows, _, notes = run_probes(MODEL, *relative_clips(), CLIPS, QUICK)
    assert {row["coordinates"] for row in rows} == {"world", "camera of frame 1"}
    assert "The probes did not find the camera's place in the world's, but in the camera's" in notes[0]
    assert "this is so where nothing in the scenes tells north" in notes[0]
    # The fair comparisons stand beside the claim.
    for name, column in (("f_t", "r2_clock"), ("o_1..K,t", "r2_mean")):
        for place in ("world", "camera of frame 1"):
            (score,) = (
                row[column]
                for row in rows
                if (row["target"], row["input"], row["regressor"], row["coordinates"])
                == ("location", name, "mlp", place)
            )
            assert f"{score:.2f}".replace("-0.00", "0.00") in notes[0].partition("from the frame number alone")[2]


@pytest.mark.parametrize(("num_train", "num_test"), [(99, 50), (100, 49), (100, 50)])
def test_few_clips_tell_nothing_of_the_scenes(num_train, num_test):
    data = [
        {name: value[:count] for name, value in part.items()}
        for part, count in zip(relative_clips(), (num_train, num_test), strict=True)
    ]
    _, _, notes = run_probes(MODEL, *data, CLIPS, QUICK)
    few = f"{num_train} clips to train on and {num_test} to test on are too few to tell (at least 100 and 50)"
    assert (few in notes[0]) == ((num_train, num_test) != (100, 50))
    assert ("tells north" in notes[0]) != (few in notes[0])


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
    rows, missing, _ = run_probes(MODEL, TRAIN, without(TEST, *names), CLIPS, QUICK)
    assert missing == sentences
    assert rows


def test_unnamed_cameras_and_attributes_are_told():
    unnamed = types.SimpleNamespace(camera_convention=None, attributes=())
    rows, missing, _ = run_probes(MODEL, TRAIN, TEST, unnamed, QUICK)
    assert {row["probe"] for row in rows} == {"trajectory"}
    assert [sentence.rpartition(": ")[2] for sentence in missing] == ["no camera probes.", "no attribute probes."]
    assert missing[0].startswith("What this dataset's `camera` numbers mean is not known (of own clips `dataset.json`")
    assert '"camera_convention": "yaw_pitch" or "quaternion" or "matrix"' in missing[0]
    assert missing[1].startswith("This dataset does not name its `object_attributes` (of own clips `dataset.json`")


def test_faulty_numbers_cost_one_probe_only():
    broken = {**TEST, "camera": np.full_like(TEST["camera"], np.nan)}
    rows, missing, _ = run_probes(MODEL, without(TRAIN, "object_positions"), broken, CLIPS, QUICK)
    assert {row["probe"] for row in rows} == {"attribute"}
    assert missing[0] == "This dataset has no `object_positions`: no trajectory probes."
    assert missing[1].startswith("No camera probes: The camera poses hold a number that is not finite")


@pytest.mark.parametrize("train", [None, TRAIN], ids=["split", "given"])
def test_too_few_clips_give_no_probes(train):
    few = {name: value[: 3 if train is None else 1] for name, value in TEST.items()}
    rows, missing, notes = run_probes(MODEL, train, few, CLIPS, QUICK)
    assert (rows, notes) == ([], [])
    assert missing[0].startswith("No probes: The probes have ")
    assert "and 1 to test on, but need at least 4 and 2" in missing[0]


def test_without_training_clips_the_held_out_ones_are_split():
    rows, _, _ = run_probes(MODEL, None, TEST, CLIPS, QUICK)
    assert {(row["num_train_clips"], row["num_test_clips"]) for row in rows} == {(38, 12)}


def test_clips_of_one_frame_have_no_relative_coordinates():
    single = [
        {
            name: value[:, :1] if name in ("frame_mean", "camera", "object_positions") else value
            for name, value in d.items()
        }
        for d in (TRAIN, TEST)
    ]
    rows, missing, notes = run_probes(MODEL, *single, CLIPS, QUICK)
    assert missing == notes == []
    assert {row["coordinates"] for row in rows if "coordinates" in row} == {"world"}


@pytest.mark.parametrize("foreground", [0.5, np.nan])
def test_where_no_object_has_a_slot_it_is_told_why(foreground):
    unmatched = [
        {
            **data,
            "object_slots": np.full_like(data["object_slots"], -1),
            "video_ari_foreground": np.full(len(data["camera"]), foreground),
        }
        for data in (TRAIN, TEST)
    ]
    rows, missing, _ = run_probes(MODEL, *unmatched, CLIPS, QUICK)
    why = (
        "The `segments` show none of the objects that the other fields describe"
        if np.isnan(foreground)
        else "The `segments` count more objects than the 2 that the other fields describe"
    )
    assert missing == [f"{why}: no trajectory probes.", f"{why}: no attribute probes."]
    assert {row["probe"] for row in rows} == {"camera"}
    assert best_score(rows, world=True, target="position", inputs=("o_k",)) is None


def test_clips_whose_segments_count_more_objects_are_told():
    slots = TRAIN["object_slots"].copy()
    slots[:7] = -1
    scores = [np.full(len(data["camera"]), 0.5) for data in (TRAIN, TEST)]
    scores[0][:2] = np.nan  # Nothing shows in these two.
    train = {**without(TRAIN, "camera"), "object_slots": slots, "video_ari_foreground": scores[0]}
    rows, missing, notes = run_probes(
        MODEL, train, {**without(TEST, "camera"), "video_ari_foreground": scores[1]}, CLIPS, QUICK
    )
    assert missing == ["This dataset has no `camera`: no camera probes."]
    assert notes[0] == (
        "The `segments` count more objects than the 2 that the other fields describe in 5 clips: their objects are "
        "left out of the probes."
    )
    assert {row["num_train_clips"] for row in rows} == {143}


def test_rows_without_a_score_are_told():
    still = [
        {**without(data, "object_slots"), "camera": np.broadcast_to(TEST["camera"][:1, :1], data["camera"].shape)}
        for data in (TRAIN, TEST)
    ]
    rows, missing, _ = run_probes(MODEL, *still, CLIPS, QUICK)
    assert all(np.isnan(row["r2_mean"]) for row in rows)
    assert any("Some camera probes of location, orientation have no score" in sentence for sentence in missing)


def test_where_nothing_is_found_it_is_not_blamed_on_the_scenes():
    # Frame latents that tell nothing, of cameras that could be known.
    noise = [
        {**data, "frame_mean": np.random.default_rng(seed).normal(size=data["frame_mean"].shape).astype(np.float32)}
        for seed, data in enumerate((TRAIN, TEST))
    ]
    _, _, notes = run_probes(MODEL, *(without(data, "object_slots") for data in noise), CLIPS, QUICK)
    assert "did not find" not in notes[0]
    assert "The world's can be known only where" in notes[0]


def model_with(objects=("object",), frames=("frame",), num_slots=K):
    return types.SimpleNamespace(num_slots=num_slots, object_latents=objects, viewpoint_latents=frames)


NO_OBJECTS = [
    "This model has no latents of objects: no trajectory probes.",
    "This model has no latents of objects: no attribute probes.",
]


@pytest.mark.parametrize("model", [model_with(objects=()), model_with(num_slots=1)], ids=["no latents", "one slot"])
def test_a_model_without_objects_has_camera_probes_of_frames_alone(model):
    unseen = ("object_mean", "object_slots")
    rows, missing, _ = run_probes(model, without(TRAIN, *unseen), without(TEST, *unseen), CLIPS, QUICK)
    assert missing == NO_OBJECTS
    # The world's poses are told, so that those from any camera are; the middle one has no frame of its own.
    assert {row["coordinates"] for row in rows} == {"world", "middle camera"}
    assert {row["input"] for row in rows} == {"f_t"}
    assert best_score(rows, world=True, target="location", inputs=("f_t",)) > 0.9


def test_a_model_without_frame_latents_has_probes_of_objects_alone():
    data = [without(part, "frame_mean") for part in (TRAIN, TEST)]
    rows, missing, _ = run_probes(model_with(frames=()), *data, CLIPS, QUICK)
    assert missing == ["This model has no latents of frames: no camera probes."]
    assert {row["probe"] for row in rows} == {"trajectory", "attribute"}
    assert {row["coordinates"] for row in rows if "coordinates" in row} == {"world"}
    positions = {row["input"]: row["r2_mean"] for row in rows if row["probe"] == "trajectory"}
    assert list(positions) == ["o_k", "o_k,t", "o_j,j!=k", "o_j", "p_j,j!=k"]
    assert positions["o_k"] > 0.9


def test_latents_of_an_object_in_every_frame_tell_what_it_is():
    data = []
    for part in (TRAIN, TEST):
        # Of the same mean over the frames.
        noise = np.random.default_rng(len(part["camera"])).normal(size=(*part["object_mean"].shape[:2], T, 4))
        in_frames = part["object_mean"][:, :, np.newaxis] + noise - noise.mean(2, keepdims=True)
        data.append(part | {"object_mean": in_frames.astype(np.float32)})
    rows, missing, _ = run_probes(MODEL, *data, CLIPS, QUICK)
    assert missing == []
    (shape,) = (row for row in rows if row["target"] == "shape" and row["regressor"] == "mlp")
    assert shape["score_mean"] > 0.9
    assert best_score(rows, world=True, target="position", inputs=("o_k",)) > 0.9
    assert best_score(rows, world=True, target="position", inputs=("o_k(t)",)) < 0.8
    assert {"o_1..K", "o_1..K,t", "o_j(t),j!=k", "o_j(t)"} < {row["input"] for row in rows}


def test_a_model_without_latents_of_either_has_no_probes():
    model = model_with(objects=(), frames=())
    rows, missing, notes = run_probes(model, None, without(TEST, "object_mean", "frame_mean"), CLIPS, QUICK)
    assert rows == notes == []
    assert missing == ["This model has no latents of frames: no camera probes.", *NO_OBJECTS]


@pytest.mark.parametrize(
    ("model", "fields", "can"),
    [
        (MODEL, ("camera",), True),
        (MODEL, ("object_attributes",), True),
        (MODEL, ("segments",), False),
        (model_with(frames=()), ("camera", "segments"), False),
        (model_with(objects=()), ("object_positions", "segments"), False),
        (model_with(num_slots=1), ("object_positions", "segments"), False),
        (model_with(objects=()), ("camera",), True),
    ],
)
def test_clips_are_measured_for_probes_that_there_can_be(model, fields, can):
    assert can_probe(model, types.SimpleNamespace(fields=("video", *fields))) is can


@pytest.mark.parametrize(
    ("fields", "lost", "lacking"),
    [
        (("video", "segments", "camera"), ("object_positions", "object_slots"), "`object_positions`"),
        (("video", "camera"), ("object_positions", "object_slots"), "`object_positions` and no `segments`"),
        (("video", "segments"), ("object_positions",), "`object_positions`"),
        (("video", "object_positions"), ("object_slots",), "`segments`"),
    ],
)
def test_only_what_is_missing_is_called_missing(fields, lost, lacking):
    data = types.SimpleNamespace(**{**vars(CLIPS), "fields": fields})
    kept = without(TEST, *lost, "object_attributes")
    _, missing, _ = run_probes(MODEL, without(TRAIN, *lost, "object_attributes"), kept, data, QUICK)
    assert f"This dataset has no {lacking}: no trajectory probes." in missing
