"""The curves of a training, read back from its TensorBoard events."""

import glob
import os

SHOWN = {
    "evaluation/video_ari_foreground": "video ARI-F, held-out clips",
    "train/loss": "loss",
    "train/nats_per_pixel": "nats per pixel",
    "train/object_kl": "KL of an object latent, nats",
    "train/frame_kl": "KL of a frame latent, nats",
    "train/learning_rate": "learning rate",
}
_MAX_POINTS = 500


def training_curves(run_dir):
    """Reads what a run logged.

    Args:
        run_dir: the run's folder.

    Returns:
        dict of title -> list of (step, value), in the order of `SHOWN`; without those that were not logged.
    """
    # Slow to import, and of use here only.
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util.tensor_util import make_ndarray

    points = {}
    for path in sorted(glob.glob(os.path.join(glob.escape(run_dir), "events.out.tfevents.*"))):
        events = EventAccumulator(path, size_guidance={"tensors": _MAX_POINTS, "images": 1})
        events.Reload()
        for tag in set(events.Tags()["tensors"]) & set(SHOWN):
            values = {event.step: float(make_ndarray(event.tensor_proto)) for event in events.Tensors(tag)}
            points.setdefault(SHOWN[tag], {}).update(values)
    return {title: sorted(points[title].items()) for title in SHOWN.values() if title in points}
