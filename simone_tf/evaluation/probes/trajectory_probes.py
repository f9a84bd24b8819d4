"""Trajectory probes: where an object is at time t, from its own latent and from others (SIMONe paper, table 3)."""

import numpy as np

from simone_tf.evaluation.probes.camera_pose import camera_poses
from simone_tf.evaluation.probes.probe_data import (
    ClipSplit,
    ProbeSettings,
    ProbeTable,
    choose_rows,
    clock_feature,
    matched_objects,
)
from simone_tf.evaluation.probes.probe_scores import (
    ProbeRow,
    as_finite,
    check_latents,
    check_reference_frame,
    coordinates_name,
    prepare,
    regression_scores,
    side_by_side,
)
from simone_tf.evaluation.scores.matching import UNMATCHED


def trajectory_probes(
    object_latents: np.ndarray,
    frame_latents: np.ndarray,
    object_positions: np.ndarray,
    slots: np.ndarray,
    *,
    object_visible: np.ndarray | None = None,
    object_moving: np.ndarray | None = None,
    camera: np.ndarray | None = None,
    convention: str | None = None,
    reference_frame: int | None = None,
    split: ClipSplit | None = None,
    settings: ProbeSettings | None = None,
) -> list[ProbeRow]:
    """Position of an object at time t by MLP decoders from several inputs (section 5.3, table 3).

    Inputs: `o_k`, the latent of the slot matched to the object; `o_k,t`; `o_k,f_t,t`; and `o_j,j!=k`, all other slots'
    latents one after the other in slot order (the paper does not say how they are put together). No gap is left for
    slot k: its place in the grid of slots alone would tell something about the object's place. Even so, where slots are
    few and keep to parts of the picture, the parts that the others hold tell which one is left; `o_j`, more than the
    paper has, is one other object's latent, drawn at random, with which only the layout of the scene can help; and
    `p_j,j!=k` are the true positions of the other objects, to show how much of a place the others tell anyway: objects
    that stand close together tell each other's.

    The position is that in the world (allocentric), or with `reference_frame` r that in the coordinates of the clip's
    own camera in frame r, which is what a model can know of scenes that look alike from all sides, see `camera_pose`.
    As the model need not have chosen that camera as its own origin, `o_k,f_r,t` is then an input too.

    Decoders are trained on all objects, and again on moving ones only, and tested on moving objects of unseen clips.
    Where nothing moves, or `object_moving` is not known, they are trained and tested on all objects, as the column
    `tested_on` says. Objects that have no slot, or that are never visible, are left out.

    Args:
      object_latents: `[N, K, Do]` float, of N clips.
      frame_latents: `[N, T, Df]` float.
      object_positions: `[N, T, M, 3]` float, world position of each of M objects.
      slots: `[N, M]` int, the slot of each object or `matching.UNMATCHED`.
      object_visible: `[N, T, M]` bool, whether the object shows a pixel; all by default.
      object_moving: `[N, M]` bool.
      camera, convention: as in `camera_probes`, needed with a `reference_frame` only.
      reference_frame: None for world coordinates, or r in [0, T).
      split, settings: as in `camera_probes`.

    Returns:
      Rows for target "position", see `probe_scores`.

    Raises:
      UserError, ValueError: as `camera_probes`.
    """
    object_latents, frame_latents = as_finite(object_latents, "latents"), as_finite(frame_latents, "latents")
    num_clips, num_frames = check_latents(frame_latents, object_latents)
    positions, slots = np.asarray(object_positions), np.asarray(slots)
    num_slots = object_latents.shape[1]
    if slots.ndim != 2 or positions.shape != (num_clips, num_frames, slots.shape[1], 3) or len(slots) != num_clips:
        raise ValueError(
            f"object_positions must be [N, T, M, 3] and slots [N, M], got {positions.shape} and {slots.shape}."
        )
    check_reference_frame(reference_frame, num_frames)
    settings, split = prepare(settings, split, num_clips)

    clips, objects = matched_objects(slots, num_slots, object_visible)
    known = np.zeros(slots.shape, bool)
    known[clips, objects] = True
    wrong = np.repeat(_other_slots(slots, num_slots, clips, objects, settings.seed), num_frames)
    times = np.tile(np.arange(num_frames), len(clips))
    clips, objects = np.repeat(clips, num_frames), np.repeat(objects, num_frames)
    if reference_frame is not None:
        if camera is None or convention is None:
            raise ValueError("positions relative to a camera need camera and convention.")
        poses = camera_poses(as_finite(camera, "camera poses"), convention)
        positions = poses.seen_from(positions, reference_frame)
    # Of objects that are not used positions may be anything.
    targets = as_finite(positions[clips, times, objects], "object positions")
    matched = slots[clips, objects]
    others, other_objects = _all_but_one(num_slots), _all_but_one(slots.shape[1])

    def own(rows: np.ndarray) -> np.ndarray:
        return object_latents[clips[rows], matched[rows]]

    def frame(rows: np.ndarray) -> np.ndarray:
        return frame_latents[clips[rows], times[rows]]

    def clock(rows: np.ndarray) -> np.ndarray:
        return clock_feature(times[rows], num_frames)

    def remaining(rows: np.ndarray) -> np.ndarray:
        return object_latents[clips[rows, np.newaxis], others[matched[rows]]].reshape(len(rows), -1)

    def another(rows: np.ndarray) -> np.ndarray:
        return object_latents[clips[rows], wrong[rows]]

    def true_positions(rows: np.ndarray) -> np.ndarray:
        chosen = clips[rows, np.newaxis], other_objects[objects[rows]]  # [r, M - 1] each
        there = known[chosen][..., np.newaxis]
        values = np.where(there, positions[chosen[0], times[rows, np.newaxis], chosen[1]], 0.0)
        return np.concatenate([values, there], axis=-1).reshape(len(rows), -1)

    inputs = {"o_k": own, "o_k,t": side_by_side(own, clock), "o_k,f_t,t": side_by_side(own, frame, clock)}
    if reference_frame is not None:
        inputs["o_k,f_r,t"] = side_by_side(own, lambda rows: frame_latents[clips[rows], reference_frame], clock)
    if num_slots > 1:
        inputs |= {"o_j,j!=k": remaining, "o_j": another}
    if slots.shape[1] > 1:
        inputs["p_j,j!=k"] = true_positions
    table = ProbeTable(clips, targets, inputs, times)

    moving = np.zeros(len(clips), bool) if object_moving is None else np.asarray(object_moving, bool)[clips, objects]
    any_moves = bool(moving.any())
    results = []
    for trained_on in ("all", "moving") if any_moves else ("all",):
        trainable = moving if trained_on == "moving" else None
        rows = choose_rows(table, split, settings, trainable, moving if any_moves else None)
        for name in inputs:
            scores = regression_scores(table, rows, name, "mlp", settings, {"position": slice(0, 3)})
            results.append(
                {
                    "probe": "trajectory",
                    "target": "position",
                    "input": name,
                    "regressor": "mlp",
                    "coordinates": coordinates_name(reference_frame),
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
