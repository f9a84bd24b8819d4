"""What a model is given besides video has to be in the data, and of the size it takes."""

import types

import numpy as np
import pytest

from simone_tf import train
from simone_tf.errors import UserError
from simone_tf.evaluation.model_inputs import check_inputs

from colour_run import CONFIG
from tiny_run import fails


class Given:
    """A model that is given a camera."""

    given = types.MappingProxyType({"camera": 5})

    def check_given(self, given):
        if np.any(given["camera"] > 1):
            raise UserError("The camera numbers are above 1: name another convention.")


def split_with(*fields, **first):
    return types.SimpleNamespace(fields=fields, data_dir="data", split="test", first_clip=lambda wanted: first)


def test_data_without_what_a_model_is_given_is_told():
    split = split_with("video", "segments")
    with pytest.raises(UserError) as caught:
        check_inputs(Given(), split)
    assert str(caught.value) == (
        "The model (Given) is given `camera` with 5 numbers of each frame, but data (split 'test') has no `camera`: it "
        "has video, segments; choose a dataset that has it."
    )


@pytest.mark.parametrize("size", [5, 7])
def test_data_with_another_camera_is_told(size):
    split = split_with("video", "camera", camera=np.zeros((2, size)))
    if size == 5:
        check_inputs(Given(), split)
        return
    with pytest.raises(UserError, match="it has 7: choose a dataset whose `camera` has 5"):
        check_inputs(Given(), split)


def test_data_with_numbers_that_the_model_refuses_is_told():
    split = split_with("video", "camera", camera=np.full((2, 5), 2.0))
    with pytest.raises(UserError) as caught:
        check_inputs(Given(), split)
    assert str(caught.value) == (
        "The first clip of data (split 'test'): The camera numbers are above 1: name another convention."
    )


def test_training_tells_it_before_anything_is_written(colour_clips, tmp_path, capsys):
    config = tmp_path / "colours.gin"
    config.write_text(CONFIG.format(data=colour_clips))
    flags = [f"--gin_file={config}", f"--run_dir={tmp_path / 'run'}", "--gin_param=ColourMixture.camera_size = 5"]
    line = fails(capsys, flags, main=train.main)
    assert f"is given `camera` with 5 numbers of each frame, but in {colour_clips} (split 'train') it has 7" in line
    assert not (tmp_path / "run").exists()
