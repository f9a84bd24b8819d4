"""A run of the second model, `colour_mixture`, trained by the command as any other, on clips that tell everything."""

import pytest

from simone_tf import train

from rich_set import rich_clips, write_set

CONFIG = """
import colour_mixture

train.model = @ColourMixture
ColourMixture.num_colours = 3
ColourMixture.camera_size = 7

train.clips = @training/ClipRecords()
train.held_out_clips = @held_out/ClipRecords()
train.batches = @training_batches
training/ClipRecords.data_dir = '{data}'
training/ClipRecords.split = 'train'
held_out/ClipRecords.data_dir = '{data}'
held_out/ClipRecords.split = 'test'

train.optimizer = @Adam
Adam.learning_rate = 1e-2
train.num_steps = 4
train.batch_size = 2
train.num_frames = 2
train.frame_size = (8, 8)
train.steps_per_loop = 2
train.log_every = 2
train.evaluation_batch_size = 2
train.num_pictures = 2
"""


@pytest.fixture(scope="session")
def colour_clips(tmp_path_factory):
    """Clips with a camera, segments, and places and attributes of objects: ten to train on, seven to score."""
    attributes = [{"name": "shape", "values": ["cube", "ball"]}, {"name": "size"}]
    folder = tmp_path_factory.mktemp("colour_clips")
    return write_set(folder, rich_clips, camera_convention="yaw_pitch", attributes=attributes)


@pytest.fixture(scope="session")
def colour_run(tmp_path_factory, colour_clips):
    """The folder of a run of four steps; not to be written to."""
    folder = tmp_path_factory.mktemp("colour_runs")
    (folder / "colours.gin").write_text(CONFIG.format(data=colour_clips))
    train.main([f"--gin_file={folder / 'colours.gin'}", f"--run_dir={folder / 'run'}"])
    return folder / "run"
