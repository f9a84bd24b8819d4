"""The models that are shipped: complete, whole, and as good as their cards say."""

import json
import os

import numpy as np
import pytest

from simone_tf.data.pipeline.batches import evaluation_batches
from simone_tf.evaluation.held_out import HeldOut
from simone_tf.files import file_sums
from simone_tf.runs.load import load_pretrained
from simone_tf.runs.pretrained import CARD_TEXT, SHIPPED, SUMMED, find_pretrained, read_card, shipped_names

from tiny_run import REPOSITORY

MAX_BYTES = 5 * 10**6


def test_quickstart_is_shipped():
    assert "quickstart" in shipped_names()


@pytest.mark.parametrize("name", shipped_names())
def test_shipped_models_are_small_whole_and_described(name):
    folder = os.path.join(SHIPPED, name)
    run = load_pretrained(name)
    with open(os.path.join(folder, "card.json"), encoding="utf-8") as file:
        card = json.load(file)
    assert card["name"] == name
    assert (run.step, run.settings.seed) == (card["step"], card["seed"])
    assert (run.settings.num_frames, list(run.settings.frame_size)) == (card["num_frames"], card["frame_size"])
    assert sum(sums["bytes"] for sums in file_sums(folder, SUMMED).values()) < MAX_BYTES
    assert card["command"].startswith("python -m simone_tf.train")
    with open(os.path.join(folder, CARD_TEXT), encoding="utf-8") as file:
        text = file.read()
    for part in (
        card["command"],
        card["files"]["weights.npz"]["sha256"],
        *card["data"]["training/ClipRecords"].values(),
    ):
        assert part in text
    for content in (text, run.config, json.dumps(card)):
        assert str(REPOSITORY) not in content
        assert "'/" not in content


@pytest.mark.parametrize("name", ["quickstart", str(REPOSITORY / "tests" / "golden" / "pretrained_0_2")])
def test_quickstart_scores_what_its_card_says(name):
    """The one that is shipped, and the one that was shipped with 0.2.0: its configuration has to go on to be read.

    On a quarter of the clips of the card; the mean over fewer clips spreads by the card's deviation.
    """
    run = load_pretrained(name)
    stated = read_card(find_pretrained(name))["metrics"]["video_ari_foreground"]
    count = 80
    batches = evaluation_batches(
        run.settings.held_out_clips,
        batch_size=20,
        num_frames=run.settings.num_frames,
        num_clips=count,
        fields=("video", "segments"),
        frame_size=run.settings.frame_size,
    )
    found = HeldOut(run.model, batches, 4096).evaluate()["video_ari_foreground"]
    assert found == pytest.approx(stated["mean"], abs=4 * stated["std"] / np.sqrt(count))
