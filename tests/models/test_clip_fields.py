"""What models refuse of the clips they are handed."""

import numpy as np
import pytest
import tensorflow as tf

from simone_tf.errors import UserError
from simone_tf.models.clip_fields import as_batch, check_clips, check_fields


@pytest.mark.parametrize(
    ("shape", "limits", "said"),
    [
        ((2, 4, 8, 12, 3), (), None),
        ((2, 4, None, None, 3), (), None),
        ((2, None, 8, 12, 3), (4, 4), None),
        ((2, 4, 8, 12, 3), (4, 4), None),
        ((2, 4, 12, 8, 3), (), "frames are 12x8 pixels, and the model was built for 8x12"),
        ((2, 5, 8, 12, 3), (4, 4), "has 5 frames, and MyModel takes clips of 4:"),
        ((2, 3, 8, 12, 3), (4, 4), "has 3 frames, and MyModel takes clips of 4:"),
        ((2, 5, 8, 12, 3), (1, 4), "has 5 frames, and MyModel takes clips of 1 to 4:"),
        ((2, 0, 8, 12, 3), (), "has 0 frames, and MyModel takes clips of at least 1:"),
    ],
)
def test_clips_that_do_not_fit_are_told_in_a_sentence(shape, limits, said):
    if said is None:
        check_clips("MyModel", tf.TensorShape(shape), (8, 12), *limits)
    else:
        with pytest.raises(UserError, match=said):
            check_clips("MyModel", tf.TensorShape(shape), (8, 12), *limits)


def test_video_alone_stands_for_its_field_and_bytes_are_refused():
    video = np.zeros((1, 2, 8, 12, 3), np.float32)
    assert as_batch(video)["video"] is video
    assert as_batch({"camera": video})["camera"] is video
    with pytest.raises(ValueError, match=r"video is uint8 \(1, 2, 8, 12, 3\)"):
        as_batch(video.astype(np.uint8))
    with pytest.raises(ValueError, match="video is float32"):
        as_batch(video[0])


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "There is no `camera` of the views: give .B, M, 7."),
        ({"camera": (2, 3, 6)}, "is .2, 3, 6.: give .B, M, 7."),
        ({"camera": (2, 0, 7)}, "is .2, 0, 7."),
        ({"camera": (3, 7)}, "is .3, 7."),
    ],
)
def test_what_a_model_is_given_has_a_row_for_each_frame(fields, said):
    with pytest.raises(UserError, match=said):
        check_fields("the views", {name: tf.zeros(shape) for name, shape in fields.items()}, {"camera": 7}, None)
