"""All probes of a trained run: Tables 2 and 3 of the paper, and attributes, from the measures of clips."""

import numpy as np

from simone_tf.errors import UserError
from simone_tf.evaluation.attribute_probes import attribute_probes
from simone_tf.evaluation.camera_probes import camera_probes, choose_reference_frame
from simone_tf.evaluation.clip_measures import COPIED_FIELDS
from simone_tf.evaluation.probe_data import ClipSplit, check_split, split_clips
from simone_tf.evaluation.trajectory_probes import trajectory_probes

PROBED = ("object_mean", "frame_mean", *COPIED_FIELDS, "object_slots")
"""The measures of a clip that the probes use."""

PROBES = ("camera", "trajectory", "attribute")

_UNKNOWABLE, _CLEARLY = 0.2, 0.2


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
    convention = clips.camera_convention
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

    possible = []
    for what, probe, lacks in (
        ("camera", camera, _without(data, "camera") or _meaningless_camera(convention)),
        ("trajectory", trajectories, _without(data, "object_positions", "object_slots")),
        ("attribute", attributes, _without(data, "object_attributes", "object_slots") or _nameless(clips.attributes)),
    ):
        if lacks:
            missing.append(f"{lacks}: no {what} probes.")
        else:
            possible.append((what, probe))
    if not possible:
        return rows, missing, []
    try:
        common["split"] = _split(train, test, settings)
    except UserError as error:
        return rows, [*missing, f"No probes: {error}"], []
    for what, probe in possible:
        try:
            rows += probe()
        except UserError as error:
            missing.append(f"No {what} probes: {error}")
    return rows, missing, _findings(rows)


def _split(train, test, settings):
    num_test = len(test["object_mean"])
    if train is None:
        return split_clips(num_test, settings.test_share, settings.seed)
    num_train = len(train["object_mean"])
    split = ClipSplit(np.arange(num_train), np.arange(num_train, num_train + num_test))
    check_split(split, num_train + num_test)
    return split


def best_score(rows, *, world, target, inputs):
    """The largest `r2_mean` of a target from one of the inputs, in world coordinates or a camera's; None for none."""
    scores = [
        row["r2_mean"]
        for row in rows
        if row["target"] == target
        and row["input"] in inputs
        and (row.get("coordinates") == "world") == world
        and row.get("r2_mean") is not None
        and not np.isnan(row["r2_mean"])
    ]
    return max(scores, default=None)


def _without(data, *names):
    words = {"object_slots": "segments"}
    lacking = [f"`{words.get(name, name)}`" for name in names if name not in data]
    return f"This dataset has no {' and no '.join(lacking)}" if lacking else ""


def _meaningless_camera(convention):
    return "" if convention else "What this dataset's `camera` numbers mean is not known"


def _nameless(attributes):
    return "" if attributes else "This dataset does not name its `object_attributes`"


def _findings(rows):
    """What a reader must know to read the tables."""
    sentences = []
    relative = [row["coordinates"] for row in rows if row.get("coordinates", "world") != "world"]
    world, chosen = (best_score(rows, world=world, target="location", inputs=("f_t",)) for world in (True, False))
    if relative and world is not None and chosen is not None:
        unknowable = world < _UNKNOWABLE and chosen > world + _CLEARLY
        sentences.append(
            f"Poses and positions are given in the world's coordinates and in those of the {relative[0]}, the frame "
            "that suits the training clips best. "
            + (
                "In these scenes the world's cannot be known: nothing in them tells north, so that turning the whole "
                "scene about the vertical, camera and all, changes no pixel. "
                if unknowable
                else "The world's can be known only where something in the scenes tells north. "
            )
            + f"The camera's location from f_t has R² {world:.2f} in the world's, {chosen:.2f} in the camera's."
        )
    for world in (True, False):
        latents = best_score(rows, world=world, target="position", inputs=("o_j,j!=k",))
        truth = best_score(rows, world=world, target="position", inputs=("p_j,j!=k",))
        if latents is not None and truth is not None and min(latents, truth) > _UNKNOWABLE:
            place = "the world's coordinates" if world else "a camera's coordinates"
            sentences.append(
                f"Other objects' latents tell an object's position in {place} with R² {latents:.2f}; the other "
                f"objects' true positions alone tell it with {truth:.2f}, since objects of these scenes stand close "
                "together. What the latents tell beyond that would be a leak."
            )
    return sentences
