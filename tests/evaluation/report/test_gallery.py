"""The pictures of a tiny trained run."""

import os
import shutil

import numpy as np
import pytest
from PIL import Image

from simone_tf import evaluate
from simone_tf.data.formats.write_records import shard_name, write_shard
from simone_tf.errors import UserError
from simone_tf.evaluation.report.gallery import draw_gallery, not_drawn
from simone_tf.runs.load import load_run

from one_scene import OneScene
from tiny_run import fails, make_clips


def files(folder):
    return {path.name for path in folder.iterdir()}


def test_pictures_are_written_and_returned(run, tmp_path):
    trained, folder = load_run(str(run)), tmp_path / "figures"
    folder.mkdir()
    older = {"decomposition_11.png", "traversal_4_2.gif"}
    for name in (*older, "decomposition_of_mine.png", "notes.txt"):
        (folder / name).write_text("")
    # More than there are: the last clip is recomposed with the first.
    figures, explorers = draw_gallery(trained, trained.settings.held_out_clips, str(folder), 9)
    written = files(folder)
    # Pictures of an earlier evaluation go, other files stay.
    assert {"decomposition_of_mine.png", "notes.txt"} <= written
    assert not older & written
    for index in range(3):
        for name in (f"decomposition_{index}", f"recomposition_{index}"):
            assert {f"{name}.png", f"{name}.gif"} <= written
    assert {"crossing.png", "crossing.gif"} <= written
    titles = list(figures)
    assert [title.rpartition(" (")[2] for title in titles] == [
        "Figures 1 and 4)",
        "Figure 1)",
        "Figure 6)",
        "Figure 5)",
    ]
    assert len(figures[titles[0]]) == len(figures[titles[1]]) == 3
    assert (
        len(figures[titles[3]]) == len(explorers) == len([name for name in written if name.startswith("traversal")]) / 2
    )
    # What is shown on the page is what lies in the folder.
    ((_, crossing),) = figures[titles[2]]
    assert Image.open(tmp_path / "figures" / "crossing.gif").n_frames == len(crossing) == 2
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "figures" / "crossing.png")), crossing[1])


def test_clips_of_one_frame_do_not_move(run, tmp_path):
    trained = load_run(str(run), ["train.num_frames = 1"])
    figures, explorers = draw_gallery(trained, trained.settings.held_out_clips, str(tmp_path), 2)
    assert not [name for name in files(tmp_path) if name.endswith(".gif")]
    assert all(explorer["frames"] == 1 for explorer in explorers)
    assert "decomposition_1.png" in files(tmp_path)
    assert len(figures) == 4


def test_no_pictures(run, tmp_path):
    trained = load_run(str(run))
    folder = tmp_path / "figures"
    assert draw_gallery(trained, trained.settings.held_out_clips, str(folder), 0) == ({}, [])
    assert not folder.exists()


def test_a_folder_that_cannot_be_made_is_told(run, tmp_path):
    (tmp_path / "file").write_text("")
    trained = load_run(str(run))
    with pytest.raises(UserError, match="cannot be made"):
        draw_gallery(trained, trained.settings.held_out_clips, os.path.join(tmp_path, "file", "figures"), 1)


def test_a_file_that_is_damaged_between_measuring_and_drawing_is_told(run, tmp_path, capsys):
    """The measures are finished and stored, so that the gallery is the first to read the file again."""
    data = tmp_path / "data"
    write_shard(data / shard_name("test", 0, 1), make_clips(3, 2))
    write_shard(data / shard_name("train", 0, 1), make_clips(2, 0))
    folders = [f"--gin_param={part}/ClipRecords.data_dir = '{data}'" for part in ("training", "held_out")]
    flags = [f"--run_dir={shutil.copytree(run, tmp_path / 'run')}", *folders, "--num_clips=3"]
    evaluate.main([*flags, "--num_pictures=0"])
    path = data / shard_name("test", 0, 1)
    content, status = bytearray(path.read_bytes()), os.stat(path)
    content[-6] ^= 1  # The last record's pixels; a file of the same size and date is the same to what is resumed.
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    message = fails(capsys, [*flags, "--num_pictures=3"], evaluate.main)
    assert f"{path} is damaged at record 2" in message


def test_pictures_of_a_model_of_ones_own(colour_run, tmp_path):
    trained, folder = load_run(str(colour_run)), tmp_path / "figures"
    figures, explorers = draw_gallery(trained, trained.settings.held_out_clips, str(folder), 3)
    # Objects seen with the camera that another clip was given.
    assert {"recomposition_0.png", "recomposition_2.gif", "crossing.gif"} <= files(folder)
    ((caption, crossing),) = figures["Object trajectories crossed with camera trajectories (Figure 6)"]
    assert caption == "rows: whose objects; columns: whose viewpoint"
    assert len(crossing) == 2
    # A colour and a place in every frame: all numbers of the latent, moved in all frames.
    assert explorers
    for shown in explorers:
        assert len(shown["attributes"]) == len(shown["changes"]) == 5
    assert not_drawn(trained.model) == []


def test_of_a_model_that_cannot_do_more_clips_are_drawn_taken_apart(colour_run, tmp_path):
    trained = load_run(str(colour_run))
    blind = trained._replace(model=OneScene())
    figures, explorers = draw_gallery(blind, trained.settings.held_out_clips, str(tmp_path), 2)
    assert files(tmp_path) == {f"decomposition_{index}.{kind}" for index in range(2) for kind in ("png", "gif")}
    assert list(figures) == ["Clips taken apart (Figures 1 and 4)"]
    assert explorers == []
    assert not_drawn(blind.model) == [
        "This model does not tell a viewpoint from its scene: no recompositions and no crossings.",
        "This model has no latents of objects: no traversals.",
    ]
