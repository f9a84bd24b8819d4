"""What is planned of a model and clips, and what is said where nothing can be."""

import pytest

from simone_tf.data.formats.records import ClipRecords
from simone_tf.data.formats.write_records import shard_name, write_shard
from simone_tf.errors import UserError
from simone_tf.evaluation.views.plan import check_num_context_frames, plan_views

from colour_mixture import ColourMixture
from view_world import TurningCamera, TurningEye, world_clips


class WithSweep(ClipRecords):
    """Clips of which the last two frames are a sweep."""

    sweep_frames = 2


@pytest.fixture
def folder(tmp_path):
    write_shard(tmp_path / shard_name("test", 0, 1), world_clips(1, 0, num_frames=5))
    return str(tmp_path)


def test_tasks_follow_from_the_clips(folder):
    clips = ClipRecords(folder, "test")
    tasks, sentence = plan_views(TurningCamera(), clips, 5)
    assert [task.name for task in tasks] == ["between", "beyond"]
    assert sentence is None
    tasks, _ = plan_views(TurningCamera(), WithSweep(folder, "test"), 3)
    assert tasks[-1] == ("sweep", (0, 1, 2), (3, 4))
    assert all(max(task.context + task.unseen) < 3 for task in tasks[:-1])


def test_why_there_are_none_is_said(folder):
    clips = ClipRecords(folder, "test")
    assert plan_views(ColourMixture(), clips, 3)[1].startswith("This model has no scene")
    assert plan_views(TurningCamera(), clips, 5, 5) == (
        [],
        "The clips have 5 frames, of which none is left to be drawn unseen: no view synthesis.",
    )
    tasks, sentence = plan_views(TurningEye(), clips, 4)
    assert tasks == []
    assert "clips of 5 frames have none between 4 at equal steps" in sentence
    assert "--num_context_frames" in sentence
    assert plan_views(TurningEye(), clips, 4, 3)[0] == [("between", (0, 2, 4), (1, 3))]


def test_more_frames_than_the_model_knows_are_refused():
    for count in (None, 1, 4):
        check_num_context_frames(count, 4)
    for count in (0, 5):
        with pytest.raises(UserError, match=f"--num_context_frames={count}: .*from 1 to 4"):
            check_num_context_frames(count, 4)
