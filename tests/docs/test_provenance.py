"""What the README and the gin files say of the paper: what is not built, and which values it does not state."""

import re

import pytest

from tiny_run import REPOSITORY

GIN = f"{REPOSITORY}/gin"

# From the text of the paper (sections 3 and 4) and a comparison of reproductions, not from the gin files.
PAPER = {"Encoder.feature_map", "Encoder.slot_grid", "PixelDecoder.coordinate_octaves"}
AGREED = {
    "SIMONe.sampling",
    "SIMONe.normalize_masks",
    "SIMONe.alpha",
    "Encoder.conv_channels",
    "Transformer.num_layers",
    "Transformer.num_heads",
    "Transformer.head_size",
    "Transformer.mlp_size",
    "LatentHead.latent_size",
    "LatentHead.hidden_size",
    "PixelMixture.pixel_scale",
    "StridedQueries.num_frames",
    "StridedQueries.stride",
}
ONE = {
    "Encoder.conv_kernel",
    "Encoder.width",
    "Encoder.position_base",
    "LatentHead.log_scale_range",
    "PixelDecoder.hidden_size",
    "PixelDecoder.num_hidden_layers",
}


def marks_of(path):
    """Binding -> what stands behind its value; bindings to parts (`@Part()`) need nothing."""
    with open(f"{GIN}/{path}", encoding="utf-8") as file:
        found = re.findall(r"^([\w./]+) = (?!@\w+\(\)$)([^#\n]*?)(?:  # (.*))?$", file.read(), re.MULTILINE)
    return {name: mark for name, _, mark in found}


def readme():
    with open(f"{REPOSITORY}/README.md", encoding="utf-8") as file:
        return file.read()


def section(title):
    return re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", readme(), re.MULTILINE | re.DOTALL)[1]


def test_every_value_of_the_model_says_where_it_comes_from():
    marks = marks_of("models/simone.gin")
    marks.pop("train.model")
    kinds = ("paper", "recovered, agreed", "recovered, one", "ours")
    of_kind = {kind: {name for name, mark in marks.items() if mark.startswith(kind)} for kind in kinds}
    assert set().union(*of_kind.values()) == set(marks)
    assert of_kind["paper"] == PAPER
    assert of_kind["recovered, agreed"] == AGREED
    assert of_kind["recovered, one"] == ONE
    with open(f"{GIN}/models/simone.gin", encoding="utf-8") as file:
        head = file.read().split("train.model")[0]
    for kind in kinds:
        assert re.search(rf"^#   {kind} ", head, re.MULTILINE), kind


def test_the_view_supervised_model_has_simones_values_where_the_paper_gives_it_none_of_its_own():
    own, simone = marks_of("models/simone_vs.gin"), marks_of("models/simone.gin")
    del own["train.model"], simone["train.model"]
    shared = {name.replace("SIMONeVS.", "SIMONe.").replace("ViewEncoder.", "Encoder."): name for name in own}
    assert len(shared.keys() & simone.keys()) >= 20
    for name in shared.keys() & simone.keys():
        assert own[shared[name]].split(":")[0] == simone[name].split(":")[0], name
    for name in shared.keys() - simone.keys():
        assert own[shared[name]].startswith("ours"), name


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("simone/cater.gin", {"SIMONe.beta_objects": "recovered, agreed", "SIMONe.beta_frames": "recovered, agreed"}),
        ("simone/objects_room.gin", {"SIMONe.beta_objects": "recovered, one", "SIMONe.beta_frames": "recovered, one"}),
        ("simone/playroom.gin", {"SIMONe.beta_objects": "recovered, one", "SIMONe.beta_frames": "recovered, one"}),
        ("optimization/constant.gin", {"learning_rate": "recovered, agreed", "train.clip_norm": "recovered, one"}),
        ("datasets/cater.gin", {"train.num_frames": "recovered, agreed", "train.frame_size": "recovered, agreed"}),
        ("training/long.gin", {"num_steps": "ours", "batch_size": "ours"}),
    ],
)
def test_values_of_the_configurations_do_too(path, wanted):
    marks = marks_of(path)
    for name, mark in wanted.items():
        assert marks[name].startswith(mark), name


def test_the_readme_says_what_is_not_built_or_not_trained():
    text = section("Not verified")
    rows = {line for line in text.splitlines() if "not built" in line or "not trained" in line}
    for model in ("MONet", "Slot Attention", "S-IODINE", "GQN", "NeRF-VAE"):
        assert any(model in row for row in rows), model
    for place in ("Table 1", "Figure 3"):
        assert any(place in row for row in rows), place


def test_the_readme_says_what_was_recovered():
    text = section("Not verified")
    assert "recovered from public reproductions" in text
    for value in ("_x = 0.08", "layer norm of the mask logits", " = 0.2,", "CATER's unequal"):
        assert value in text, value
    assert len(readme().splitlines()) <= 150
