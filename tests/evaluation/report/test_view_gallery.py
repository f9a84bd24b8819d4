"""The figures of unseen views of a world that is known, as files and as the page takes them."""

import types

import numpy as np
import pytest
from PIL import Image

from simone_tf.data.formats.records import ClipRecords
from simone_tf.evaluation.report import view_gallery
from simone_tf.evaluation.report.view_gallery import draw_views
from simone_tf.evaluation.views.scene_clips import SceneClips
from simone_tf.evaluation.views.tasks import view_tasks

from view_world import SIZE, TurningCamera, TurningEye, told, write_world


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    folder = write_world(tmp_path_factory.mktemp("world"), {"test": 3}, change=told)
    return SceneClips(ClipRecords(str(folder), "test"))


def run_of(model):
    settings = types.SimpleNamespace(frame_size=SIZE, num_frames=3, evaluation_chunk_size=None)
    return types.SimpleNamespace(model=model, settings=settings)


def test_a_sweep_of_the_truth_is_drawn_beside_the_truth(clips, tmp_path):
    for name in ("views_7.png", "fly_around_2.gif", "views_of_mine.png"):
        (tmp_path / name).write_text("")
    tasks = view_tasks(5, 3, sweep_frames=4)
    figures, explorers = draw_views(run_of(TurningCamera()), clips, tasks, str(tmp_path), 9)
    written = {path.name for path in tmp_path.iterdir()}
    assert written == {
        *(f"views_{index}.{kind}" for index in range(3) for kind in ("png", "gif")),
        *(f"fly_around_{index}.{kind}" for index in range(2) for kind in ("png", "gif")),
        "views_of_mine.png",
    }
    assert list(figures) == ["Views all around the scene (Figure 3)", "Flown around"]
    assert [caption for caption, _ in figures["Views all around the scene (Figure 3)"]] == [
        "clip 0",
        "clip 1",
        "clip 2",
    ]
    assert Image.open(tmp_path / "views_0.gif").n_frames == 4
    assert Image.open(tmp_path / "fly_around_0.gif").n_frames == 24
    assert len(explorers) == 2
    for explorer in explorers:
        assert [label for label, _ in explorer["sprites"]] == ["drawn", "segments"]
        assert (len(explorer["first"]), len(explorer["second"])) == (24, 5)
        assert explorer["first"][explorer["first_start"]] == "0°"
        assert explorer["second"][explorer["second_start"]] == "0°"


def test_the_columns_of_a_sweep_go_all_the_way_round(clips, tmp_path, monkeypatch):
    """Whatever direction the scene was seen from, and in the order of the data only where no yaw is known."""
    sheets = []

    def kept(seen, rows, labels):
        sheets.append((rows["truth"], labels))
        return np.zeros((8, 8, 3), np.uint8)

    monkeypatch.setattr(view_gallery, "views_figure", kept)
    draw_views(run_of(TurningCamera()), clips, view_tasks(5, 3, sweep_frames=4), str(tmp_path), 1)
    (clip,) = clips.batches(9, batch_size=1, num_clips=1, fields=("video", "camera"))
    sines, cosines = clip["camera"].numpy()[0, :, 3], clip["camera"].numpy()[0, :, 4]
    yaws = np.degrees(np.arctan2(sines, cosines))
    relative = (np.round(yaws[5:] - yaws[2]) + 180) % 360 - 180
    ((truth, labels),) = sheets
    assert labels == [f"{int(yaw):+d}°" for yaw in sorted(relative)]
    expected = clip["video"].numpy()[0, 5:][np.argsort(relative)]
    np.testing.assert_allclose(truth / 255.0, expected, atol=1 / 255)
    assert sorted(relative) != list(relative), "the world's sweep is in order by itself, so that this tells nothing"


def test_of_inferred_viewpoints_the_path_is_drawn(clips, tmp_path):
    tasks = view_tasks(5, 3, by_camera=False)
    figures, explorers = draw_views(run_of(TurningEye()), clips, tasks, str(tmp_path), 1)
    assert list(figures) == ["Views between seen frames (section 4.1)", "Flown around"]
    assert Image.open(tmp_path / "views_0.gif").n_frames == 5
    (explorer,) = explorers
    assert (len(explorer["first"]), explorer["second"], explorer["first_name"]) == (17, [""], "viewpoint of frame")


def test_no_pictures_and_no_tasks(clips, tmp_path):
    run = run_of(TurningCamera())
    assert draw_views(run, clips, view_tasks(5, 3), str(tmp_path / "none"), 0) == ({}, [])
    assert not (tmp_path / "none").exists()
    (tmp_path / "views_0.png").write_text("of an earlier evaluation")
    assert draw_views(run, clips, [], str(tmp_path), 2) == ({}, [])
    assert not (tmp_path / "views_0.png").exists()
