"""Pictures as files: those of an earlier evaluation go, others stay."""

import re

import numpy as np
import pytest

from simone_tf.errors import UserError
from simone_tf.evaluation.report.figure_files import FigureFiles


def test_older_pictures_go_and_other_files_stay(tmp_path):
    for name in ("views_0.png", "views_3.gif", "views_of_mine.png", "notes.txt"):
        (tmp_path / name).write_text("old")
    files = FigureFiles(str(tmp_path), re.compile(r"views_\d+\.(png|gif)"))
    moving = np.zeros((2, 4, 4, 3), np.uint8)
    moving[1] = 200
    files.save("views_0", moving[0], moving)
    files.save("views_1", moving[0], moving[:1])  # One frame does not move.
    files.remove_older()
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"views_0.png", "views_0.gif", "views_1.png", "views_of_mine.png", "notes.txt"}
    assert (tmp_path / "views_0.png").read_bytes() != b"old"


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be made"):
        FigureFiles(str(tmp_path / "file" / "figures"), re.compile("x"))
