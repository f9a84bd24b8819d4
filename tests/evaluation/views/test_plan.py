"""What is planned of a model and clips, and what is said where nothing can be."""

import pytest

from simone_tf.data.formats.records import ClipRecords
from simone_tf.errors import UserError
from simone_tf.evaluation.views.plan import check_num_context_frames, plan_views
from simone_tf.evaluation.views.scene_clips import SceneClips

from colour_mixture import ColourMixture
from view_world import TurningCamera, TurningEye, write_world


@pytest.fixture
def scenes(tmp_path):
    folder = write_world(tmp_path / "plain", {"test": 1}, sweep=0)
    return SceneClips(ClipRecords(str(folder), "test"))


def test_tasks_follow_from_the_clips(scenes, tmp_path):
    tasks, sentence = plan_views(TurningCamera(), scenes, 5)
    assert [task.name for task in tasks] == ["between", "beyond"]
    assert sentence is None
    swept = SceneClips(ClipRecords(str(write_world(tmp_path / "swept", {"test": 1}, sweep=2)), "test"))
    tasks, _ = plan_views(TurningCamera(), swept, 3)
    assert tasks[-1] == ("sweep", (0, 2, 4), (5, 6))


def test_why_there_are_none_is_said(scenes):
    assert plan_views(ColourMixture(), scenes, 3)[1].startswith("This model has no scene")
    assert plan_views(TurningCamera(), scenes, 5, 5) == (
        [],
        "The clips have 5 frames, of which none is left to be drawn unseen: no view synthesis.",
    )
    tasks, sentence = plan_views(TurningEye(), scenes, 4)
    assert tasks == []
    assert "clips of 5 frames have none between 4 at equal steps" in sentence
    assert "--num_context_frames" in sentence
    assert plan_views(TurningEye(), scenes, 4, 3)[0] == [("between", (0, 2, 4), (1, 3))]


def test_more_frames_than_the_model_knows_are_refused():
    for count in (None, 1, 4):
        check_num_context_frames(count, 4)
    for count in (0, 5):
        with pytest.raises(UserError, match=f"--num_context_frames={count}: .*from 1 to 4"):
            check_num_context_frames(count, 4)
