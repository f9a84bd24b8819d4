"""All probes of a trained run: Tables 2 and 3 of the paper, and attributes, from the measures of clips."""

from collections.abc import Mapping, Sequence

import numpy as np

from simone_tf.camera_conventions import CONVENTIONS
from simone_tf.data.formats.reader import ClipReader
from simone_tf.errors import UserError
from simone_tf.evaluation.clip_measures import COPIED_FIELDS
from simone_tf.evaluation.probes.attribute_probes import NamedAttribute, attribute_probes
from simone_tf.evaluation.probes.camera_pose import Reference
from simone_tf.evaluation.probes.camera_probes import camera_probes, choose_reference
from simone_tf.evaluation.probes.findings import findings
from simone_tf.evaluation.probes.probe_data import (
    MIN_TEST_CLIPS,
    MIN_TRAIN_CLIPS,
    ClipSplit,
    ProbeSettings,
    check_split,
    split_clips,
)
from simone_tf.evaluation.probes.probe_latents import probe_latents, probed_names
from simone_tf.evaluation.probes.probe_scores import ProbeRow
from simone_tf.evaluation.probes.trajectory_probes import trajectory_probes
from simone_tf.evaluation.scores.matching import UNMATCHED
from simone_tf.models.scene_model import SceneModel

Measures = Mapping[str, np.ndarray]
"""Measures of N clips by name, `[N, ...]` each."""

PROBES = ("camera", "trajectory", "attribute")


def probed_measures(model: SceneModel) -> tuple[str, ...]:
    """The measures of a clip that the probes use."""
    return (*probed_names(model), *COPIED_FIELDS, "object_slots", "video_ari_foreground")


def can_probe(model: SceneModel, clips: ClipReader) -> bool:
    """Whether there is a probe for which both the model and the data have something, as far as its fields tell."""
    needed: tuple[str, ...] = ("camera",) if model.viewpoint_latents else ()
    if model.object_latents and model.num_slots > 1:
        needed += ("object_positions", "object_attributes")
    return any(name in clips.fields for name in needed)


def run_probes(
    model: SceneModel, train: Measures | None, test: Measures, clips: ClipReader, settings: ProbeSettings
) -> tuple[list[ProbeRow], list[str], list[str]]:
    """Camera, trajectory and attribute probes, trained on some clips and tested on others.

    Where the camera is known, poses and positions are probed in the world's coordinates and in those of a
    camera of the clip's own, see `camera_probes.choose_reference`.

    Args:
        model: whose latents were measured.
        train, test: dicts of the measures `probed_measures`, as `ClipStore.load` gives them; with `train` None the
            clips of `test` are split.
        clips: the test split; says what camera and attributes mean.
        settings: how probes are trained and tested.

    Returns:
        (rows of `probe_scores` and `attribute_probes`, sentences on what was not computed, sentences on the results).
    """
    parts = [test] if train is None else [train, test]
    probes = _Probes(model, parts, clips, settings)
    kinds = {"camera": probes.camera, "trajectory": probes.trajectories, "attribute": probes.attributes}
    lacks = probes.lacks()
    rows: list[ProbeRow] = []
    missing = [f"{why}: no {what} probes." for what, why in lacks.items() if why]
    possible = [what for what, why in lacks.items() if not why]
    notes = probes.unmatched[1] if any(what != "camera" for what in possible) else []
    if not possible:
        return rows, missing, notes
    try:
        probes.split = _split(train, test, settings)
    except UserError as error:
        return rows, [*missing, f"No probes: {error}"], notes
    for what in possible:
        try:
            found = kinds[what]()
        except UserError as error:
            missing.append(f"No {what} probes: {error}")
            continue
        rows += found
        if scoreless := dict.fromkeys(row["target"] for row in found if not row["num_decoders"] or _has_no_score(row)):
            missing.append(
                f"Some {what} probes of {', '.join(scoreless)} have no score: it does not vary, or fewer than "
                f"{MIN_TRAIN_CLIPS} clips to train on and {MIN_TEST_CLIPS} to test on have it."
            )
    return rows, missing, notes + findings(rows)


class _Probes:
    """The three kinds of probes on the clips of all parts together; arguments as for `run_probes`."""

    def __init__(self, model: SceneModel, parts: Sequence[Measures], clips: ClipReader, settings: ProbeSettings):
        names = [name for name in probed_measures(model) if all(name in part for part in parts)]
        self._data = {name: np.concatenate([part[name] for part in parts]) for name in names}
        self._has_segments = "video_ari_foreground" in self._data or "segments" in getattr(clips, "fields", ())
        self._latents = probe_latents(model, self._data)
        self._convention = clips.camera_convention and str(clips.camera_convention)
        self._attributes = clips.attributes
        self._settings = settings
        # None: the world's coordinates; else those of a camera of the clip's own.
        self._references: list[Reference | None] = [None]
        # Why objects have no slots, and a note where some have none.
        self.unmatched: tuple[str, list[str]] = "", []
        if self._latents.objects is not None and "object_slots" in self._data:
            self.unmatched = _without_slots(model, parts, self._data["object_slots"].shape[1])
        self.split: ClipSplit | None = None

    def lacks(self) -> dict[str, str]:
        """Kind of probe -> the beginning of a sentence on why there is none; empty where there is one."""
        objects = "" if self._latents.objects is not None else "This model has no latents of objects"
        frames = "" if self._latents.frames is not None else "This model has no latents of frames"
        why = self.unmatched[0]
        return {
            "camera": frames or self._without("camera") or _meaningless_camera(self._convention),
            "trajectory": objects or self._without("object_positions", "object_slots") or why,
            "attribute": objects
            or self._without("object_attributes", "object_slots")
            or _nameless(self._attributes)
            or why,
        }

    def _without(self, *names: str) -> str:
        """Which of some measures there is not, by the field of the data that they need."""
        lacking = [name for name in names if name not in self._data]
        # Where nothing but `segments` tells of objects there are no slots of them: it is the other that is missing.
        if len(lacking) > 1 and self._has_segments:
            lacking.remove("object_slots")
        words = [f"`{name.replace('object_slots', 'segments')}`" for name in lacking]
        return f"This dataset has no {' and no '.join(words)}" if words else ""

    def camera(self) -> list[ProbeRow]:
        """Table 2; chooses the camera whose coordinates the trajectory probes then use too."""
        frames, camera, convention = self._latents.frames, self._data["camera"], self._convention
        assert frames is not None  # As `lacks` has it.
        assert convention is not None
        if camera.shape[1] > 1:
            chosen = choose_reference(frames, camera, convention, split=self.split, settings=self._settings)
            self._references.append(chosen)
        rows = []
        for reference in self._references:
            rows += camera_probes(
                frames,
                self._latents.objects,
                camera,
                convention,
                reference=reference,
                split=self.split,
                settings=self._settings,
            )
        return rows

    def trajectories(self) -> list[ProbeRow]:
        """Table 3."""
        assert self._latents.objects is not None  # As `lacks` has it.
        rows = []
        for reference in self._references:
            rows += trajectory_probes(
                self._latents.objects,
                self._latents.frames,
                self._data["object_positions"],
                self._data["object_slots"],
                object_visible=self._data.get("object_visible"),
                object_moving=self._data.get("object_moving"),
                camera=self._data.get("camera"),
                convention=self._convention,
                reference=reference,
                split=self.split,
                settings=self._settings,
            )
        return rows

    def attributes(self) -> list[ProbeRow]:
        """What objects are."""
        assert self._latents.objects is not None  # As `lacks` has it.
        return attribute_probes(
            self._latents.objects,
            self._data["object_attributes"],
            self._data["object_slots"],
            self._attributes,
            object_visible=self._data.get("object_visible"),
            split=self.split,
            settings=self._settings,
        )


def _split(train: Measures | None, test: Measures, settings: ProbeSettings) -> ClipSplit:
    num_test = _count(test)
    if train is None:
        return split_clips(num_test, settings.test_share, settings.seed)
    num_train = _count(train)
    split = ClipSplit(np.arange(num_train), np.arange(num_train, num_train + num_test))
    check_split(split, num_train + num_test)
    return split


def _count(measures: Measures) -> int:
    return len(next(iter(measures.values())))


def _has_no_score(row: ProbeRow) -> bool:
    return bool(np.isnan(row["r2_mean"] if "r2_mean" in row else row["score_mean"]))


def _without_slots(model: SceneModel, parts: Sequence[Measures], count: int) -> tuple[str, list[str]]:
    """Why objects have no slots: (a sentence's beginning where no clip to train or test on has any, notes)."""
    if not count:
        return "The clips of this dataset have no objects", []
    empty, lost = [], 0
    for part in parts:
        none = (part["object_slots"] == UNMATCHED).all(axis=1)
        empty.append(none.all())
        # Of two slots or more an object that shows gets one, unless `segments` number objects that no field describes.
        if "video_ari_foreground" in part and model.num_slots > 1:
            lost += int((none & ~np.isnan(part["video_ari_foreground"])).sum())
    why = f"The `segments` count more objects than the {count} that the other fields describe"
    if any(empty):
        return (why if lost else "The `segments` show none of the objects that the other fields describe"), []
    return "", [f"{why} in {lost} clips: their objects are left out of the probes."] if lost else []


def _meaningless_camera(convention: str | None) -> str:
    if convention:
        return ""
    known = " or ".join(f'"{name}"' for name in CONVENTIONS)
    return (
        "What this dataset's `camera` numbers mean is not known (of own clips `dataset.json` can say it for each split "
        f'as "camera_convention": {known})'
    )


def _nameless(attributes: Sequence[NamedAttribute]) -> str:
    if attributes:
        return ""
    return (
        "This dataset does not name its `object_attributes` (of own clips `dataset.json` can do it for each split as "
        '"attributes": [{"name": "shape", "values": ["cube", "ball"]}, {"name": "size"}])'
    )
