"""The paper's rows, where a row of the probes asks for them."""

import pytest

from simone_tf.evaluation.report import paper


@pytest.mark.parametrize(
    ("row", "mean"),
    [
        ({"probe": "camera", "target": "location", "regressor": "linear", "input": "f_t"}, 0.832),
        ({"probe": "camera", "target": "orientation", "regressor": "mlp", "input": "o_1..K"}, 0.292),
        ({"probe": "trajectory", "trained_on": "moving", "input": "o_k,t"}, 0.894),
        ({"probe": "trajectory", "trained_on": "all", "input": "o_j,j!=k"}, -0.062),
    ],
)
def test_rows_of_the_tables(row, mean):
    assert paper.paper_row(row).mean == mean


def test_rows_that_the_paper_does_not_have():
    assert paper.paper_row({"probe": "trajectory", "trained_on": "all", "input": "p_j,j!=k"}) is None
    assert paper.paper_row({"probe": "camera", "target": "location", "regressor": "linear", "input": "o_1..K"}) is None
    assert paper.paper_row({"probe": "attribute", "target": "shape"}) is None


def test_the_tables_speak_of_the_same_datasets():
    assert set(paper.VIDEO_ARI_FOREGROUND) == set(paper.OTHER_MODELS)
    for name, models in paper.OTHER_MODELS.items():
        assert all(paper.VIDEO_ARI_FOREGROUND[name].mean > model.mean for model in models.values())
        # Keeping the slot from frame to frame is asked for as well.
        assert {model: row.mean for model, row in models.items()} == {
            model: min(row.mean, paper.STATIC_ARI_FOREGROUND[name][model].mean) for model, row in models.items()
        }
        assert set(paper.STATIC_ARI_FOREGROUND[name]) == set(models)
