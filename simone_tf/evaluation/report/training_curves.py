"""The curves of a training, read back from its TensorBoard events."""

from collections.abc import Mapping, Sequence

from simone_tf.evaluation.report.words import kl_in_words
from simone_tf.event_files import event_files, start_of

_FIRST = {"evaluation/video_ari_foreground": "video ARI-F, held-out clips"}
_LAST = {"train/learning_rate": "learning rate"}
_MAX_POINTS = 500


def logged(run_dir: str, tag: str) -> list[tuple[int, float]]:
    """What a run logged under a tag of TensorBoard, as (step, value)."""
    return sorted(_read(run_dir, {tag: tag}).get(tag, {}).items())


def training_curves(run_dir: str, loss_terms: Sequence[str]) -> dict[str, list[tuple[int, float]]]:
    """Reads what a run logged.

    Args:
        run_dir: the run's folder.
        loss_terms: what the model's loss is made of, see `SceneModel.loss_terms`; the weighted ones are left out.

    Returns:
        dict of title -> list of (step, value): the held-out score, the loss and its terms, and the learning rate;
        without those that were not logged.
    """
    terms = {f"train/{name}": _title(name) for name in loss_terms if not name.startswith("weighted_")}
    shown = _FIRST | terms | _LAST
    points = _read(run_dir, shown)
    return {title: sorted(points[title].items()) for title in shown.values() if points.get(title)}


def _read(run_dir: str, shown: Mapping[str, str]) -> dict[str, dict[int, float]]:
    """Tag -> title in, title -> step -> value out."""
    # Slow to import, and of use here only.
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util.tensor_util import make_ndarray

    points: dict[str, dict[int, float]] = {}
    for path in event_files(run_dir):
        start = start_of(path)
        if start is not None:
            # As TensorBoard does: what was logged behind the checkpoint that the run went on from.
            points = {title: {s: v for s, v in curve.items() if s < start} for title, curve in points.items()}
        events = EventAccumulator(path, size_guidance={"tensors": _MAX_POINTS, "images": 1})
        events.Reload()
        for tag in set(events.Tags()["tensors"]) & set(shown):
            values = {event.step: float(make_ndarray(event.tensor_proto)) for event in events.Tensors(tag)}
            points.setdefault(shown[tag], {}).update(values)
    return points


def _title(term: str) -> str:
    return kl_in_words(term) if term.endswith("_kl") else term.replace("_", " ")
