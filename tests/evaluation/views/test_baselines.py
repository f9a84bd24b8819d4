"""The nearest seen frame against loops, and the mean image against a mean in NumPy."""

import numpy as np

from simone_tf.data.formats.records import ClipRecords
from simone_tf.data.formats.write_records import shard_name, write_shard
from simone_tf.evaluation.views.baselines import mean_image, nearest_frames
from simone_tf.evaluation.views.tasks import ViewTask

from view_world import SIZE, cameras, world_clips

TASK = ViewTask("sweep", (0, 2, 4), (1, 5, 6, 7))


def test_the_nearest_frame_is_the_one_whose_yaw_is():
    yaws = np.array([[0, 5, 10, 0, 20, 12, 350, 14.9], [0, 12, 10, 0, 20, 181, 189.5, 191]])
    found = nearest_frames(TASK, cameras(yaws), "yaw_pitch")
    for clip, row in enumerate(yaws):
        for place, frame in enumerate(TASK.unseen):
            apart = [abs((row[frame] - row[seen] + 180.0) % 360.0 - 180.0) for seen in TASK.context]
            assert apart[TASK.context.index(found[clip, place])] == min(apart)


def test_without_a_camera_it_is_nearest_in_time():
    np.testing.assert_array_equal(nearest_frames(TASK, None, None), [[0, 4, 4, 4]])


def test_the_mean_image_is_that_of_the_frames_that_are_seen(tmp_path):
    clips = list(world_clips(11, 0, num_frames=3, sweep=2))
    write_shard(tmp_path / shard_name("train", 0, 1), clips)
    found = mean_image(ClipRecords(str(tmp_path), "train"), SIZE, 3)
    expected = np.mean([clip["video"][:3] for clip in clips], axis=(0, 1)) / 255.0
    np.testing.assert_allclose(found, expected, atol=1e-6)
