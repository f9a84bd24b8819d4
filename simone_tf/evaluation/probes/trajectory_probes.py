"""Trajectory probes: where an object is at time t, from its own latent and from others (the paper, table 3)."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from simone_tf.evaluation.probes.camera_pose import MIDDLE, Reference, camera_poses
from simone_tf.evaluation.probes.probe_data import (
    ClipSplit,
    ProbeSettings,
    ProbeTable,
    choose_rows,
    clock_feature,
    matched_objects,
)
from simone_tf.evaluation.probes.probe_latents import check_latents, over_frames
from simone_tf.evaluation.probes.probe_scores import (
    ProbeRow,
    as_finite,
    check_reference,
    coordinates_name,
    prepare,
    regression_scores,
    side_by_side,
)
from simone_tf.evaluation.scores.matching import UNMATCHED


class _Rows(NamedTuple):
    """A row for every frame of every object that has a slot and is seen, R in all, each `[R]` int."""

    clips: np.ndarray
    objects: np.ndarray
    times: np.ndarray
    slots: np.ndarray  # the object's own
    other_slots: np.ndarray  # that of another object, at random


def trajectory_probes(
    object_latents: np.ndarray,
    frame_latents: np.ndarray | None,
    object_positions: np.ndarray,
    slots: np.ndarray,
    *,
    object_visible: np.ndarray | None = None,
    object_moving: np.ndarray | None = None,
    camera: np.ndarray | None = None,
    convention: str | None = None,
    reference: Reference | None = None,
    split: ClipSplit | None = None,
    settings: ProbeSettings | None = None,
) -> list[ProbeRow]:
    """Position of an object at time t by MLP decoders from several inputs, see `_inputs` (section 5.3, table 3).

    The position is that in the world (allocentric), or with a `reference` that in the coordinates of a camera of the
    clip's own, that of a frame r or the middle one, which is what a model can know of scenes that look alike from all
    sides, see `camera_pose`.

    Decoders are trained on all objects, and again on moving ones only, and tested on moving objects of unseen clips.
    Where nothing moves, or `object_moving` is not known, they are trained and tested on all objects, as the column
    `tested_on` says. Objects that have no slot, or that are never visible, are left out.

    Args:
      object_latents: `[N, K, Do]` float, of N clips; `[N, K, T, Do]` of a model whose objects have a latent in every
        frame.
      frame_latents: `[N, T, Df]` float; None of a model that has none.
      object_positions: `[N, T, M, 3]` float, world position of each of M objects.
      slots: `[N, M]` int, the slot of each object or `matching.UNMATCHED`.
      object_visible: `[N, T, M]` bool, whether the object shows a pixel; all by default.
      object_moving: `[N, M]` bool.
      camera, convention: as in `camera_probes`, needed with a `reference` only.
      reference: None for world coordinates; r in [0, T) or "middle".
      split, settings: as in `camera_probes`.

    Returns:
      Rows for target "position", see `probe_scores`.

    Raises:
      UserError, ValueError: as `camera_probes`.
    """
    object_latents = as_finite(object_latents, "latents")
    if frame_latents is not None:
        frame_latents = as_finite(frame_latents, "latents")
    positions, slots = np.asarray(object_positions), np.asarray(slots)
    num_clips, num_frames = check_latents(frame_latents, object_latents)
    num_frames = positions.shape[1] if num_frames is None else num_frames
    if slots.ndim != 2 or positions.shape != (num_clips, num_frames, slots.shape[1], 3) or len(slots) != num_clips:
        raise ValueError(
            f"object_positions must be [N, T, M, 3] and slots [N, M], got {positions.shape} and {slots.shape}."
        )
    check_reference(reference, num_frames)
    settings, split = prepare(settings, split, num_clips)
    rows, known = _rows_of(slots, object_latents.shape[1], num_frames, object_visible, settings.seed)
    if reference is not None:
        if camera is None or convention is None:
            raise ValueError("positions relative to a camera need camera and convention.")
        poses = camera_poses(as_finite(camera, "camera poses"), convention)
        positions = poses.seen_from(positions, reference)
    # Of objects that are not used positions may be anything.
    targets = as_finite(positions[rows.clips, rows.times, rows.objects], "object positions")
    inputs = _inputs(object_latents, frame_latents, positions, known, rows, reference)
    table = ProbeTable(rows.clips, targets, inputs, rows.times)
    moving = np.zeros(len(rows.clips), bool)
    if object_moving is not None:
        moving = np.asarray(object_moving, bool)[rows.clips, rows.objects]
    return _scored(table, moving, split, settings, coordinates_name(reference))


def _rows_of(
    slots: np.ndarray, num_slots: int, num_frames: int, object_visible: np.ndarray | None, seed: int
) -> tuple[_Rows, np.ndarray]:
    """The rows, and which objects `[N, M]` bool they are of."""
    clips, objects = matched_objects(slots, num_slots, object_visible)
    known = np.zeros(slots.shape, bool)
    known[clips, objects] = True
    others = _other_slots(slots, num_slots, clips, objects, seed)
    times = np.tile(np.arange(num_frames), len(clips))
    repeated = (np.repeat(values, num_frames) for values in (clips, objects, slots[clips, objects], others))
    clips, objects, own, others = repeated
    return _Rows(clips, objects, times, own, others), known


def _inputs(
    object_latents: np.ndarray,
    frame_latents: np.ndarray | None,
    positions: np.ndarray,
    known: np.ndarray,
    rows: _Rows,
    reference: Reference | None,
) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    """Inputs of the decoders by name.

    `o_k`, the latent of the slot matched to the object; `o_k,t`; `o_k,f_t,t`; and `o_j,j!=k`, all other slots' latents
    one after the other in slot order (the paper does not say how they are put together). No gap is left for slot k: its
    place in the grid of slots alone would tell something about the object's place. Even so, where slots are few and
    keep to parts of the picture, the parts that the others hold tell which one is left; `o_j`, more than the paper has,
    is one other object's latent, drawn at random, with which only the layout of the scene can help; and `p_j,j!=k` are
    the true positions of the other objects, to show how much of a place the others tell anyway: objects that stand
    close together tell each other's.

    As the model need not have chosen the camera of frame r as its own origin, `o_k,f_r,t` is an input too where
    positions are relative to it.

    Of a model whose objects have a latent in every frame, `o_k` is their mean; `o_k(t)` is that of frame t, and the
    others' are those of frame t as well: `o_j(t),j!=k` and `o_j(t)`. Without frame latents there are no inputs of them.
    """
    num_slots, num_frames, num_objects = object_latents.shape[1], positions.shape[1], positions.shape[2]
    whole = over_frames(object_latents)
    others, other_objects = _all_but_one(num_slots), _all_but_one(num_objects)
    in_frames = object_latents.ndim == 4

    def own(at: np.ndarray) -> np.ndarray:
        return whole[rows.clips[at], rows.slots[at]]

    def clock(at: np.ndarray) -> np.ndarray:
        return clock_feature(rows.times[at], num_frames)

    def latents(at: np.ndarray, chosen: np.ndarray) -> np.ndarray:
        """Those of slots `[r, n]`, where there are such in the row's frame: `[r, n Do]`."""
        clips, times = rows.clips[at, np.newaxis], rows.times[at, np.newaxis]
        found = object_latents[clips, chosen, times] if in_frames else object_latents[clips, chosen]
        return found.reshape(len(at), -1)

    def true_positions(at: np.ndarray) -> np.ndarray:
        chosen = rows.clips[at, np.newaxis], other_objects[rows.objects[at]]  # [r, M - 1] each
        there = known[chosen][..., np.newaxis]
        values = np.where(there, positions[chosen[0], rows.times[at, np.newaxis], chosen[1]], 0.0)
        return np.concatenate([values, there], axis=-1).reshape(len(at), -1)

    inputs = {"o_k": own, "o_k,t": side_by_side(own, clock)}
    if in_frames:
        inputs["o_k(t)"] = lambda at: latents(at, rows.slots[at, np.newaxis])
    if frame_latents is not None:
        inputs["o_k,f_t,t"] = side_by_side(own, lambda at: frame_latents[rows.clips[at], rows.times[at]], clock)
        if reference is not None and reference != MIDDLE:
            inputs["o_k,f_r,t"] = side_by_side(own, lambda at: frame_latents[rows.clips[at], reference], clock)
    if num_slots > 1:
        other = "o_j(t)" if in_frames else "o_j"
        inputs[f"{other},j!=k"] = lambda at: latents(at, others[rows.slots[at]])
        inputs[other] = lambda at: latents(at, rows.other_slots[at, np.newaxis])
    if num_objects > 1:
        inputs["p_j,j!=k"] = true_positions
    return inputs


def _scored(
    table: ProbeTable, moving: np.ndarray, split: ClipSplit, settings: ProbeSettings, coordinates: str
) -> list[ProbeRow]:
    """The scores of every input, trained on all objects and on those that move `[R]` bool."""
    any_moves = bool(moving.any())
    results = []
    for trained_on in ("all", "moving") if any_moves else ("all",):
        trainable = moving if trained_on == "moving" else None
        rows = choose_rows(table, split, settings, trainable, moving if any_moves else None)
        for name in table.inputs:
            scores = regression_scores(table, rows, name, "mlp", settings, {"position": slice(0, 3)})
            results.append(
                {
                    "probe": "trajectory",
                    "target": "position",
                    "input": name,
                    "regressor": "mlp",
                    "coordinates": coordinates,
                    "trained_on": trained_on,
                    "tested_on": "moving" if any_moves else "all",
                    **scores["position"],
                }
            )
    return results


def _all_but_one(count: int) -> np.ndarray:
    """`[count, count - 1]`: for each number all the others in order."""
    return np.array([[j for j in range(count) if j != k] for k in range(count)], np.int64).reshape(count, -1)


def _other_slots(slots: np.ndarray, num_slots: int, clips: np.ndarray, objects: np.ndarray, seed: int) -> np.ndarray:
    """For each object the slot of another object of its clip, at random; any other slot where there is no other."""
    rng = np.random.default_rng([seed, 5])
    chosen = np.zeros(len(clips), np.int64)
    for row, (clip, own) in enumerate(zip(clips, slots[clips, objects], strict=True)):
        others = slots[clip][(slots[clip] != own) & (slots[clip] != UNMATCHED)]
        if num_slots > 1:
            chosen[row] = rng.choice(others) if len(others) else (own + rng.integers(1, num_slots)) % num_slots
    return chosen
