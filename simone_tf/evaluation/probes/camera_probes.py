"""Camera probes: location and orientation of the camera from frame or object latents (the paper, table 2)."""

from collections.abc import Callable

import numpy as np

from simone_tf.errors import UserError
from simone_tf.evaluation.probes.camera_pose import MIDDLE, CameraPoses, Reference, camera_poses
from simone_tf.evaluation.probes.probe_data import (
    ClipSplit,
    ProbeSettings,
    ProbeTable,
    choose_rows,
    clock_feature,
    varying_components,
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
from simone_tf.evaluation.probes.regressors import Rows, fit_regressor


def camera_probes(
    frame_latents: np.ndarray,
    object_latents: np.ndarray | None,
    camera: np.ndarray,
    convention: str,
    *,
    reference: Reference | None = None,
    split: ClipSplit | None = None,
    settings: ProbeSettings | None = None,
) -> list[ProbeRow]:
    """Camera location and orientation (Rodrigues vector) from frame latents or object latents (section 5.3, table 2).

    Inputs: `f_t` (linear and MLP); `o_1..K`, all object latents one after the other in slot order (MLP); and, more than
    the paper has, `o_1..K,t` (MLP), which can tell the frames apart as `f_t` can and so is the stricter comparison. One
    decoder predicts location and orientation together; they are scored apart.

    With a `reference` both are in the coordinates of a camera of the clip's own: that of frame r, which itself is left
    out, or the middle one of all. This is what a model can know of scenes that look alike from all sides, see
    `camera_pose`. As the model need not have chosen the camera of frame r as its own origin, `f_r,f_t` is an input too
    where there is such a frame (linear and MLP).

    Args:
      frame_latents: `[N, T, Df]` float, of N clips.
      object_latents: `[N, K, Do]` float, or `[N, K, T, Do]`, of which the mean over the frames is taken; None of a
        model that has none: no inputs `o_1..K`.
      camera: `[N, T, C]` float, the dataset's pose vectors.
      convention: what they mean, see `camera_conventions.CONVENTIONS`.
      reference: None for world coordinates; r in [0, T) or "middle", T at least 2.
      split: the clips to train and test on; None draws one by `settings`.
      settings: `ProbeSettings()` by default.

    Returns:
      Rows for targets "location" and "orientation", see `probe_scores`.

    Raises:
      UserError: too few clips or frames, numbers that are not finite, poses that do not follow the convention, or
        scikit-learn is missing.
      ValueError: shapes that do not fit.
    """
    frame_latents, camera = as_finite(frame_latents, "latents"), as_finite(camera, "camera poses")
    if object_latents is not None:
        object_latents = as_finite(object_latents, "latents")
    num_clips, _ = check_latents(frame_latents, object_latents)
    num_frames = frame_latents.shape[1]
    if camera.ndim != 3 or camera.shape[:2] != (num_clips, num_frames):
        raise ValueError(f"camera must be [{num_clips}, {num_frames}, C], got {camera.shape}.")
    check_reference(reference, num_frames)
    settings, split = prepare(settings, split, num_clips)
    table = _table(frame_latents, object_latents, camera_poses(camera, convention), reference)
    decoders = [(name, kind) for name in table.inputs for kind in (("linear", "mlp") if "f_t" in name else ("mlp",))]
    rows = choose_rows(table, split, settings)
    parts = {"location": slice(0, 3), "orientation": slice(3, 6)}
    scored = [(*decoder, regression_scores(table, rows, *decoder, settings, parts)) for decoder in decoders]
    return [
        {
            "probe": "camera",
            "target": part,
            "input": name,
            "regressor": regressor,
            "coordinates": coordinates_name(reference),
            "trained_on": None,
            "tested_on": None,
            **scores[part],
        }
        for part in parts
        for name, regressor, scores in scored
    ]


def _table(
    frame_latents: np.ndarray, object_latents: np.ndarray | None, poses: CameraPoses, reference: Reference | None
) -> ProbeTable:
    """A row for every frame of every clip, but for the reference frame."""
    num_clips, num_frames, _ = frame_latents.shape
    frames = np.arange(num_frames)
    if reference is not None:
        if num_frames == 1:
            raise UserError("Camera poses relative to a frame need clips of at least two frames: these have one.")
        poses = poses.relative_to(reference)
        frames = _told(reference, num_frames)
    clips, times = (grid.ravel() for grid in np.meshgrid(np.arange(num_clips), frames, indexing="ij"))

    def frame(rows: np.ndarray) -> np.ndarray:
        return frame_latents[clips[rows], times[rows]]

    def clock(rows: np.ndarray) -> np.ndarray:
        return clock_feature(times[rows], num_frames)

    inputs: dict[str, Callable[[np.ndarray], np.ndarray]] = {"f_t": frame}
    if reference is not None and reference != MIDDLE:
        inputs["f_r,f_t"] = side_by_side(lambda rows: frame_latents[clips[rows], reference], frame)
    if object_latents is not None:
        whole = over_frames(object_latents)

        def objects(rows: np.ndarray) -> np.ndarray:
            return whole[clips[rows]].reshape(len(rows), -1)

        inputs |= {"o_1..K": objects, "o_1..K,t": side_by_side(objects, clock)}
    targets = np.concatenate([poses.location, poses.rotation_vector()], axis=-1)[clips, times]
    return ProbeTable(clips, targets, inputs, times)


def _told(reference: Reference, num_frames: int) -> np.ndarray:
    """The frames whose poses are told: all but the one that is the origin itself."""
    frames = np.arange(num_frames)
    return frames if reference == MIDDLE else np.delete(frames, reference)


def choose_reference(
    frame_latents: np.ndarray,
    camera: np.ndarray,
    convention: str,
    *,
    split: ClipSplit | None = None,
    settings: ProbeSettings | None = None,
) -> Reference:
    """The camera of a clip that the model seems to have taken as its origin; no test clip is looked at.

    Nothing tells a model to describe the scene as the first camera sees it: any frame's, the middle of all, or none may
    be its origin. This is the one relative to which `f_t` predicts the poses best, linearly, on one quarter of the
    training clips after being fitted to the rest.

    Args, raises: as `camera_probes`; T must be at least 2.

    Returns:
      A frame in [0, T), or "middle".
    """
    frame_latents, camera = as_finite(frame_latents, "latents"), as_finite(camera, "camera poses")
    settings, split = prepare(settings, split, len(frame_latents))
    train = ClipSplit(
        *np.split(np.random.default_rng([settings.seed, 6]).permutation(split.train), [len(split.train) * 3 // 4])
    )
    poses = camera_poses(camera, convention)
    num_frames = frame_latents.shape[1]
    if num_frames == 1:
        raise UserError("Camera poses relative to a frame need clips of at least two frames: these have one.")
    references: tuple[Reference, ...] = (*range(num_frames), MIDDLE)
    scores = [_suits(reference, frame_latents, poses, train) for reference in references]
    return references[int(np.argmax(scores))]


def _suits(reference: Reference, frame_latents: np.ndarray, poses: CameraPoses, train: ClipSplit) -> float:
    """Mean R^2 of the poses relative to a camera from `f_t`; -inf where no component varies."""
    relative, told = poses.relative_to(reference), _told(reference, frame_latents.shape[1])
    targets = np.concatenate([relative.location, relative.rotation_vector()], axis=-1)[:, told]
    features = frame_latents[:, told]
    fitted, held = (
        Rows(*(values[clips].reshape(-1, values.shape[-1]) for values in (features, targets))) for clips in train
    )
    predicted = fit_regressor("linear", fitted, Rows(*(values[:0] for values in fitted)), 0)(held.features)
    varying = varying_components(fitted.targets) & varying_components(held.targets)
    if not varying.any():
        return -np.inf
    errors = np.square(predicted - held.targets)[:, varying].mean(axis=0)
    return float(np.mean(1.0 - errors / held.targets[:, varying].var(axis=0)))
