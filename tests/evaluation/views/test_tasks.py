"""Which frames are seen and which are drawn unseen, in cases worked out by hand and for all sizes."""

import itertools

import pytest

from simone_tf.evaluation.views.tasks import view_tasks


def test_clips_as_long_as_the_training_s():
    assert [tuple(task) for task in view_tasks(4, 4)] == [("between", (0, 3), (1, 2)), ("beyond", (0, 1), (2, 3))]
    assert [tuple(task) for task in view_tasks(5, 5)] == [
        ("between", (0, 2, 4), (1, 3)),
        ("beyond", (0, 1, 2), (3, 4)),
    ]


def test_longer_clips_let_all_frames_of_the_training_be_seen():
    between, beyond = view_tasks(16, 4)
    assert tuple(between) == ("between", (0, 2, 4, 6), (1, 3, 5))
    assert tuple(beyond) == ("beyond", (0, 1, 2, 3), (4, 5, 6))


def test_a_sweep_is_drawn_from_all_frames_of_the_training():
    tasks = {task.name: task for task in view_tasks(4, 4, sweep_frames=3)}
    assert tuple(tasks["sweep"]) == ("sweep", (0, 1, 2, 3), (4, 5, 6))
    assert tasks["between"].context == (0, 3)
    tasks = {task.name: task for task in view_tasks(16, 4, 2, sweep_frames=3)}
    assert tuple(tasks["sweep"]) == ("sweep", (0, 15), (16, 17, 18))


def test_one_frame_has_nothing_between():
    assert [tuple(task) for task in view_tasks(4, 4, 1)] == [("beyond", (0,), (1,))]
    assert view_tasks(1, 4) == []
    assert [task.name for task in view_tasks(1, 4, sweep_frames=2)] == ["sweep"]


def test_of_inferred_viewpoints_only_those_between_are_asked_for():
    assert view_tasks(4, 4, by_camera=False) == []
    assert [tuple(task) for task in view_tasks(4, 4, 2, by_camera=False)] == [("between", (0, 3), (1, 2))]
    assert [tuple(task) for task in view_tasks(7, 4, sweep_frames=9, by_camera=False)] == [
        ("between", (0, 2, 4, 6), (1, 3, 5))
    ]


@pytest.mark.parametrize("by_camera", [True, False])
def test_what_holds_for_all_sizes(by_camera):
    for frames, trained, seen, sweep in itertools.product(range(1, 12), range(1, 7), (None, 1, 2, 3, 6), (0, 4)):
        if seen is not None and seen > trained:
            continue
        for task in view_tasks(frames, trained, seen, sweep_frames=sweep, by_camera=by_camera):
            assert task.unseen
            assert 1 <= len(task.context) <= min(trained, seen or trained)
            assert not set(task.context) & set(task.unseen)
            assert list(task.context) == sorted(task.context)
            assert list(task.unseen) == sorted(task.unseen)
            assert task.context[-1] < frames
            first, last = task.unseen[0], task.unseen[-1]
            if task.name == "sweep":
                assert task.unseen == tuple(range(frames, frames + sweep))
            elif task.name == "between":
                assert task.context[0] < first <= last < task.context[-1] < frames
                # Every step is alike, and every frame is one or the other.
                assert len({b - a for a, b in itertools.pairwise(task.context)}) == 1
                assert sorted(task.context + task.unseen) == list(range(task.context[-1] + 1))
            else:
                assert task.context[-1] < first <= last < frames
