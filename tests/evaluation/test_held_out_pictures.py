"""Pictures of clips taken apart, by models that can and cannot recompose."""

import numpy as np
import pytest

from simone_tf.evaluation.held_out import TakenApart
from simone_tf.evaluation.held_out_pictures import Pictures, animations, sheets
from simone_tf.models.scene_model import Decomposition

T, K, SIZE = 2, 3, (4, 6)


def taken_apart(recomposes, slots=K):
    rng = np.random.default_rng(0)
    video = rng.random((T, *SIZE, 3)).astype(np.float32)
    masks = rng.dirichlet(np.ones(slots), (T, *SIZE)).transpose(3, 0, 1, 2).astype(np.float32)
    rgb = rng.random((slots, T, *SIZE, 3)).astype(np.float32)
    decomposition = Decomposition(video, masks.argmax(0), rgb, masks)
    clip = {"video": video, "segments": rng.integers(0, 3, (T, *SIZE))}
    return TakenApart(clip, decomposition, clip, decomposition if recomposes else None)


@pytest.mark.parametrize("slots", [1, K])
@pytest.mark.parametrize("recomposes", [True, False])
def test_recompositions_are_drawn_where_there_are_any(recomposes, slots):
    names = ["decomposition", "recomposition"] if recomposes else ["decomposition"]
    for drawn, rank in ((sheets, 3), (animations, 4)):
        pictures = drawn(taken_apart(recomposes, slots))
        assert list(pictures) == names
        assert all(picture.dtype == np.uint8 and picture.ndim == rank for picture in pictures.values())


class Clips:
    def first_clips(self, count):
        return [taken_apart(recomposes=False)] * count


def test_files_and_summaries_are_those_that_were_drawn(tmp_path):
    pictures = Pictures(Clips(), 2)
    pictures.save(str(tmp_path / "pictures"))
    wanted = {f"decomposition_{index}.{kind}" for index in range(2) for kind in ("png", "gif")}
    assert {path.name for path in (tmp_path / "pictures").iterdir()} == wanted
    shown = []

    class Log:
        def image(self, step, name, image):
            shown.append((step, name, image.ndim))

    pictures.draw(Log(), 7)
    assert shown == [(7, "decomposition/clip_0", 4), (7, "decomposition/clip_1", 4)]
