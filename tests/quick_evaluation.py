"""Evaluations of a tiny run that take seconds: data with all that can be measured, and probes of little training."""

import json

from simone_tf.evaluation.probes.probe_data import ProbeSettings
from simone_tf.evaluation.probes.regressors import MLPSettings

from rich_set import rich_clips, write_set


def write_rich(folder):
    """Writes the clips of `rich_set` with all that a sidecar says of them."""
    attributes = [{"name": "shape", "values": ["cube", "ball"]}, {"name": "size"}]
    return write_set(folder, rich_clips, camera_convention="yaw_pitch", attributes=attributes)


def quick_settings(seed=0):
    """Takes the place of `evaluate_run.ProbeSettings`."""
    mlp = MLPSettings(hidden_sizes=(4,), max_epochs=3)
    return ProbeSettings(seed=seed, num_decoders=2, num_controls=1, mlp=mlp)


def flags_of(run_dir, data=None, *further):
    """Flags of `evaluate` for a run and the folder of the data that it is measured on."""
    folders = [f"--gin_param={part}/ClipRecords.data_dir = '{data}'" for part in ("training", "held_out")]
    return [f"--run_dir={run_dir}", *(folders if data else []), *further]


def metrics_of(run_dir):
    """What an evaluation wrote."""
    return json.loads((run_dir / "evaluation" / "metrics.json").read_text())
