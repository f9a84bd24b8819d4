"""The second model's export: what follows from latents of objects in every frame, and from a camera that is given."""

import json

import numpy as np
import pytest
import tensorflow as tf

from simone_tf.errors import UserError
from simone_tf.models.scene_model import Latent
from simone_tf.serving import serving_json
from simone_tf.serving.saved_model import load_export
from simone_tf.serving.signatures import signature_table
from simone_tf.serving.sizes import Sizes

from export_client import ask

BATCHES = (1, 5)
CLIP = ["video", "camera"]


def inputs_of(text, rng, batch):
    shape = [batch, *text.shape[1:]]
    return rng.integers(0, 256, shape, np.uint8) if text.dtype == "uint8" else rng.random(shape, np.float32)


@pytest.fixture(scope="module")
def asked(colour_sizes):
    return {
        f"{signature}-{batch}/{name}": inputs_of(text, np.random.default_rng(batch), batch)
        for signature, table in signature_table(colour_sizes).items()
        for batch in BATCHES
        for name, text in table.inputs.items()
    }


@pytest.fixture(scope="module")
def answers(colour_export, asked, tmp_path_factory):
    return ask(colour_export, asked, tmp_path_factory.mktemp("client"))


def expected(model, signature, inputs, frame_size):
    inputs = {
        name: tf.cast(value, tf.float32) / 255 if value.dtype == np.uint8 else tf.constant(value)
        for name, value in inputs.items()
    }
    if signature == "encode":
        posterior = model.encode(inputs)["object"]
        return {"object_means": posterior.mean, "object_log_scales": posterior.log_scale}
    if signature == "decode":
        drawn = model.render({"object": inputs["object_latents"]}, {"camera": inputs["camera"]}, frame_size)
        return drawn._asdict()
    if signature == "recompose":
        batch = {"video": inputs["object_video"], "camera": inputs["object_camera"]}
        return {"recomposition": model.recompose(batch, {"camera": inputs["frame_camera"]}).reconstruction}
    drawn = model.decompose(inputs)._asdict()
    names = {
        "segment": ("segments",),
        "segment_soft": ("segments", "slot_masks"),
        "reconstruct": ("reconstruction",),
    }
    return {name: drawn[name] for name in names[signature]}


@pytest.mark.parametrize("batch", BATCHES)
def test_a_process_without_the_library_gets_the_librarys_answers(asked, answers, colour_model, colour_sizes, batch):
    def of(arrays, signature):
        start = f"{signature}-{batch}/"
        return {name.removeprefix(start): value for name, value in arrays.items() if name.startswith(start)}

    for signature in signature_table(colour_sizes):
        known = signature.removesuffix("_uint8")
        wanted = expected(colour_model, known, of(asked, signature), colour_sizes.frame_size)
        found = of(answers, signature)
        assert set(found) == set(wanted), signature
        for name, value in found.items():
            np.testing.assert_allclose(value, wanted[name], atol=1e-5, rtol=0, err_msg=f"{signature} {name}")


def test_what_it_takes_and_gives(colour_sizes):
    table = signature_table(colour_sizes)
    assert {name: (list(signature.inputs), list(signature.outputs)) for name, signature in table.items()} == {
        "encode": (CLIP, ["object_means", "object_log_scales"]),
        "decode": (["object_latents", "camera"], ["reconstruction", "slot_rgb", "slot_masks"]),
        "segment": (CLIP, ["segments"]),
        "segment_soft": (CLIP, ["segments", "slot_masks"]),
        "reconstruct": (CLIP, ["reconstruction"]),
        "recompose": (["object_video", "object_camera", "frame_camera"], ["recomposition"]),
        "encode_uint8": (CLIP, ["object_means", "object_log_scales"]),
        "segment_uint8": (CLIP, ["segments"]),
        "segment_soft_uint8": (CLIP, ["segments", "slot_masks"]),
        "reconstruct_uint8": (CLIP, ["reconstruction"]),
        "recompose_uint8": (["object_video", "object_camera", "frame_camera"], ["recomposition"]),
    }
    assert table["encode"].outputs["object_means"].shape == (None, 3, 3, 5)
    assert table["encode_uint8"].inputs["video"].dtype == "uint8"
    assert table["encode_uint8"].inputs["camera"].dtype == "float32"
    assert table["recompose"].meaning == "The objects of one clip as the camera of another would see them."


def test_what_other_models_would_take_and_give():
    latents = {"scene": Latent((), 7), "object": Latent(("slot",), 4, is_point=True)}
    table = signature_table(Sizes(3, (8, 16), 2, latents, {}, False))
    assert list(table["encode"].outputs) == ["scene_means", "scene_log_scales", "object_means"]
    assert table["encode"].outputs["scene_means"].shape == (None, 7)
    assert table["encode"].meaning == (
        "What the model infers of a clip: Gaussian posteriors of the scene as a whole, points of its objects."
    )
    assert not {"recompose", "recompose_uint8", "decode_queries"} & set(table)
    both = Sizes(3, (8, 16), 2, {"frame": Latent(("frame",), 4)}, {"camera": 2}, False)
    assert list(signature_table(both)["recompose"].inputs) == [
        "object_video",
        "object_camera",
        "frame_video",
        "frame_camera",
    ]


def test_the_camera_counts(answers):
    """Another camera gives another recomposition: the input reaches the picture."""
    assert answers["recompose-5/recomposition"].std(axis=0).max() > 1e-3


def test_the_file_says_what_the_model_is_given_and_infers(colour_export, colour_sizes):
    description = json.loads((colour_export / serving_json.FILE).read_text())
    assert description["latents"] == {"object": {"axes": ["slot", "frame"], "size": 5, "is_point": False}}
    assert description["given"] == {"camera": 5}
    assert description["object_latent_size"] == 5
    assert "frame_latent_size" not in description
    assert load_export(colour_export).sizes == colour_sizes
    with pytest.raises(UserError, match="signature decode_queries is missing"):
        load_export(colour_export, names=("decode_queries",))
