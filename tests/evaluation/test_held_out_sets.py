import numpy as np
import pytest

from simone_tf.evaluation.held_out_sets import HeldOutSets


class Fake:
    """Gives these measures, and as many clips as are asked for, up to ten."""

    def __init__(self, name, **measures):
        self.name, self.measures = name, measures

    def evaluate(self):
        return self.measures

    def first_clips(self, count):
        return [f"{self.name}{index}" for index in range(min(count, 10))]


def test_one_set_is_as_if_it_were_alone():
    alone = Fake("a", reconstruction_mse=0.5, num_clips=3)
    assert HeldOutSets({"": alone}).evaluate() is alone.measures
    assert HeldOutSets({"": alone}).first_clips(3) == ["a0", "a1", "a2"]


def test_of_several_sets_each_counts_alike():
    sets = HeldOutSets(
        {
            "rooms": Fake("r", video_ari=0.9, reconstruction_mse=0.1, num_clips=100),
            "toys": Fake("t", video_ari=0.3, reconstruction_mse=0.3, num_clips=10),
            "videos": Fake("v", reconstruction_mse=0.2, num_clips=1),  # has no masks
        }
    )
    measures = sets.evaluate()
    assert measures["video_ari"] == pytest.approx(0.6)
    assert measures["reconstruction_mse"] == pytest.approx(np.mean([0.1, 0.3, 0.2]))
    assert measures["num_clips"] == 111
    assert (measures["rooms/video_ari"], measures["toys/video_ari"]) == (0.9, 0.3)
    assert "videos/video_ari" not in measures
    assert sets.first_clips(4) == ["r0", "r1", "t0", "v0"]
    assert sets.first_clips(2) == ["r0", "t0"]
    assert sets.first_clips(0) == []
