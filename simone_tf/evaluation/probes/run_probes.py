"""All probes of a trained run: Tables 2 and 3 of the paper, and attributes, from the measures of clips."""

import numpy as np

from simone_tf.errors import UserError
from simone_tf.evaluation.clip_measures import COPIED_FIELDS
from simone_tf.evaluation.probes.attribute_probes import attribute_probes
from simone_tf.evaluation.probes.camera_pose import CONVENTIONS
from simone_tf.evaluation.probes.camera_probes import camera_probes, choose_reference_frame
from simone_tf.evaluation.probes.probe_data import MIN_TEST_CLIPS, MIN_TRAIN_CLIPS, ClipSplit, check_split, split_clips
from simone_tf.evaluation.probes.trajectory_probes import trajectory_probes
from simone_tf.evaluation.scores.matching import UNMATCHED

PROBED = ("object_mean", "frame_mean", *COPIED_FIELDS, "object_slots", "video_ari_foreground")
"""The measures of a clip that the probes use."""

PROBES = ("camera", "trajectory", "attribute")

_UNKNOWABLE, _CLEARLY = 0.2, 0.2

# Of n clips an R^2 is off by chance by up to 0.8 / sqrt(n) (standard error): of 50 by 0.1. Decoders trained on fewer
# than 100 find little of what is there.
_TELLING_TRAIN_CLIPS, _TELLING_TEST_CLIPS = 100, 50


def run_probes(train, test, clips, settings):
    """Camera, trajectory and attribute probes, trained on some clips and tested on others.

    Where the camera is known, poses and positions are probed in the world's coordinates and in those of one frame's
    camera, see `camera_probes.choose_reference_frame`.

    Args:
        train, test: dicts of the measures `PROBED`, as `ClipStore.load` gives them; with `train` None the clips of
            `test` are split.
        clips: `ClipReader` of the test split; says what camera and attributes mean.
        settings: `ProbeSettings`.

    Returns:
        (rows of `probe_scores` and `attribute_probes`, sentences on what was not computed, sentences on the results).
    """
    both = [test] if train is None else [train, test]
    data = {
        name: np.concatenate([part[name] for part in both]) for name in PROBED if all(name in part for part in both)
    }
    convention = clips.camera_convention and str(clips.camera_convention)
    rows, missing, references, common = [], [], [None], {"settings": settings}

    def camera():
        if data["camera"].shape[1] > 1:
            references.append(choose_reference_frame(data["frame_mean"], data["camera"], convention, **common))
        latents = data["frame_mean"], data["object_mean"]
        return [
            row
            for reference in references
            for row in camera_probes(*latents, data["camera"], convention, reference_frame=reference, **common)
        ]

    def trajectories():
        return [
            row
            for reference in references
            for row in trajectory_probes(
                data["object_mean"],
                data["frame_mean"],
                data["object_positions"],
                data["object_slots"],
                object_visible=data.get("object_visible"),
                object_moving=data.get("object_moving"),
                camera=data.get("camera"),
                convention=convention,
                reference_frame=reference,
                **common,
            )
        ]

    def attributes():
        return attribute_probes(
            data["object_mean"],
            data["object_attributes"],
            data["object_slots"],
            clips.attributes,
            object_visible=data.get("object_visible"),
            **common,
        )

    unmatched, lost = ("", []) if "object_slots" not in data else _without_slots(both, data)
    possible = []
    for what, probe, lacks in (
        ("camera", camera, _without(data, "camera") or _meaningless_camera(convention)),
        ("trajectory", trajectories, _without(data, "object_positions", "object_slots") or unmatched),
        (
            "attribute",
            attributes,
            _without(data, "object_attributes", "object_slots") or _nameless(clips.attributes) or unmatched,
        ),
    ):
        if lacks:
            missing.append(f"{lacks}: no {what} probes.")
        else:
            possible.append((what, probe))
    notes = lost if any(what != "camera" for what, _ in possible) else []
    if not possible:
        return rows, missing, notes
    try:
        common["split"] = _split(train, test, settings)
    except UserError as error:
        return rows, [*missing, f"No probes: {error}"], notes
    for what, probe in possible:
        try:
            found = probe()
        except UserError as error:
            missing.append(f"No {what} probes: {error}")
            continue
        rows += found
        if scoreless := dict.fromkeys(row["target"] for row in found if not row["num_decoders"] or _has_no_score(row)):
            missing.append(
                f"Some {what} probes of {', '.join(scoreless)} have no score: it does not vary, or fewer than "
                f"{MIN_TRAIN_CLIPS} clips to train on and {MIN_TEST_CLIPS} to test on have it."
            )
    return rows, missing, notes + _findings(rows)


def _split(train, test, settings):
    num_test = len(test["object_mean"])
    if train is None:
        return split_clips(num_test, settings.test_share, settings.seed)
    num_train = len(train["object_mean"])
    split = ClipSplit(np.arange(num_train), np.arange(num_train, num_train + num_test))
    check_split(split, num_train + num_test)
    return split


def best_score(rows, *, world, target, inputs, column="r2_mean"):
    """The largest R^2 of a target from one of the inputs, in world coordinates or a camera's; None for none."""
    scores = [
        row[column]
        for row in rows
        if row["target"] == target
        and row["input"] in inputs
        and (row.get("coordinates") == "world") == world
        and row.get(column) is not None
        and not np.isnan(row[column])
    ]
    return max(scores, default=None)


def _has_no_score(row):
    return bool(np.isnan(row.get("r2_mean", row.get("score_mean"))))


def _without_slots(parts, data):
    """Why objects have no slots: (a sentence's beginning where no clip to train or test on has any, notes)."""
    count = data["object_slots"].shape[1]
    if not count:
        return "The clips of this dataset have no objects", []
    empty, lost = [], 0
    for part in parts:
        none = (part["object_slots"] == UNMATCHED).all(axis=1)
        empty.append(none.all())
        # Of two slots or more an object that shows gets one, unless `segments` number objects that no field describes.
        if "video_ari_foreground" in part and part["object_mean"].shape[1] > 1:
            lost += int((none & ~np.isnan(part["video_ari_foreground"])).sum())
    why = f"The `segments` count more objects than the {count} that the other fields describe"
    if any(empty):
        return (why if lost else "The `segments` show none of the objects that the other fields describe"), []
    return "", [f"{why} in {lost} clips: their objects are left out of the probes."] if lost else []


def _without(data, *names):
    words = {"object_slots": "segments"}
    lacking = [f"`{words.get(name, name)}`" for name in names if name not in data]
    return f"This dataset has no {' and no '.join(lacking)}" if lacking else ""


def _meaningless_camera(convention):
    if convention:
        return ""
    known = " or ".join(f'"{name}"' for name in CONVENTIONS)
    return (
        "What this dataset's `camera` numbers mean is not known (of own clips `dataset.json` can say it for each split "
        f'as "camera_convention": {known})'
    )


def _nameless(attributes):
    if attributes:
        return ""
    return (
        "This dataset does not name its `object_attributes` (of own clips `dataset.json` can do it for each split as "
        '"attributes": [{"name": "shape", "values": ["cube", "ball"]}, {"name": "size"}])'
    )


def _findings(rows):
    """What a reader must know to read the tables."""
    sentences = []
    relative = [row["coordinates"] for row in rows if row.get("coordinates", "world") != "world"]
    world, chosen = (best_score(rows, world=world, target="location", inputs=("f_t",)) for world in (True, False))
    if relative and world is not None and chosen is not None:
        sentences.append(
            f"Poses and positions are given in the world's coordinates and in those of the {relative[0]}, the frame "
            f"that suits the training clips best. {_which_can_be_known(world, chosen, _too_few(rows, 'camera'))} The "
            f"camera's location from f_t has R² {_two_places(world)} in the world's, {_two_places(chosen)} in the "
            f"camera's{_baselines(rows)}."
        )
    for world in (True, False):
        latents = best_score(rows, world=world, target="position", inputs=("o_j,j!=k",))
        truth = best_score(rows, world=world, target="position", inputs=("p_j,j!=k",))
        if latents is not None and truth is not None and min(latents, truth) > _UNKNOWABLE:
            place = "the world's coordinates" if world else "a camera's coordinates"
            too_few = _too_few(rows, "trajectory")
            beyond = f"{too_few} whether there is a leak." if too_few else "What they tell beyond that would be a leak."
            sentences.append(
                f"Other objects' latents tell an object's position in {place} with R² {latents:.2f}; the other "
                f"objects' true positions alone tell it with {truth:.2f}, as they do where objects stand close "
                f"together. {beyond}"
            )
    return sentences


def _too_few(rows, probe):
    """The beginning of a sentence where a probe had too few clips to conclude anything; empty where it had enough."""
    train, test = (
        max((row[f"num_{part}_clips"] for row in rows if row["probe"] == probe), default=0)
        for part in ("train", "test")
    )
    if train >= _TELLING_TRAIN_CLIPS and test >= _TELLING_TEST_CLIPS:
        return ""
    return (
        f"{train} clips to train on and {test} to test on are too few to tell (at least {_TELLING_TRAIN_CLIPS} and "
        f"{_TELLING_TEST_CLIPS})"
    )


def _two_places(value):
    return f"{value:.2f}".replace("-0.00", "0.00")


def _which_can_be_known(world, chosen, too_few):
    """What the camera's R^2 in the world's coordinates and in a camera's say of the scenes."""
    if too_few:
        return f"{too_few} whether the world's can be known in these scenes."
    if world < _UNKNOWABLE and chosen > world + _CLEARLY:
        return (
            "The probes did not find the camera's place in the world's, but in the camera's: this is so where nothing "
            "in the scenes tells north, as turning the whole scene about the vertical, camera and all, then changes no "
            "pixel."
        )
    return "The world's can be known only where something in the scenes tells north."


def _baselines(rows):
    """What the location is to be compared with: the frame's number, alone and with all object latents."""
    parts = []
    for name, inputs, column in (
        ("the frame number alone", ("f_t",), "r2_clock"),
        ("o_1..K and the frame number", ("o_1..K,t",), "r2_mean"),
    ):
        scores = [
            best_score(rows, world=world, target="location", inputs=inputs, column=column) for world in (True, False)
        ]
        if None not in scores:
            parts.append(f"from {name} {' and '.join(map(_two_places, scores))}")
    return f" ({'; '.join(parts)})" if parts else ""
