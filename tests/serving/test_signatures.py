"""What an export computes, in a process that has TensorFlow and nothing else of ours, against the library."""

import json
import pathlib

import numpy as np
import pytest
import tensorflow as tf

from simone_tf.models.parts.queries import Query
from simone_tf.models.scene_model import Latent
from simone_tf.serving import serving_json
from simone_tf.serving.signatures import signature_table
from simone_tf.serving.sizes import Sizes, sizes_of

from export_client import ask

BATCHES = (1, 7)


def _inputs(signature, batch, sizes):
    rng = np.random.default_rng(batch)
    frames, queries = sizes.num_frames, 45
    video = {
        name: rng.integers(0, 256, (batch, frames, *sizes.frame_size, 3), np.uint8)
        for name in ("video", "object_video", "frame_video")
    }
    if not signature.endswith("_uint8"):
        video = {name: value.astype(np.float32) / np.float32(255) for name, value in video.items()}
    if signature.startswith("decode"):
        latents = {
            f"{name}_latents": rng.normal(size=(batch, *shape)).astype(np.float32)
            for name, shape in sizes.latent_shapes.items()
        }
        query = {
            "frames": rng.integers(0, frames, (batch, queries), np.int32),
            "coordinates": rng.uniform(-1, 1, (batch, queries, 2)).astype(np.float32),
        }
        return latents | (query if signature == "decode_queries" else {})
    names = ("object_video", "frame_video") if signature.startswith("recompose") else ("video",)
    return {name: video[name] for name in names}


def _expected(model, signature, inputs, sizes):
    """The library's own answer, eagerly and in one piece."""
    inputs = {name: tf.constant(value) for name, value in inputs.items()}
    if signature.endswith("_uint8"):
        inputs = {name: tf.cast(value, tf.float32) / 255 for name, value in inputs.items()}
    signature = signature.removesuffix("_uint8")
    if signature == "encode":
        posteriors = model.encode(inputs["video"])
        objects, frames = posteriors["object"], posteriors["frame"]
        names = ("object_means", "object_log_scales", "frame_means", "frame_log_scales")
        return dict(zip(names, (*objects, *frames), strict=True))
    if signature == "recompose":
        return {"recomposition": model.recompose(inputs["object_video"], inputs["frame_video"]).reconstruction}
    if signature == "decode":
        drawn = model.render(_latents(inputs), {}, sizes.frame_size)
        return {name: getattr(drawn, name) for name in ("reconstruction", "slot_rgb", "slot_masks")}
    if signature == "decode_queries":
        query = Query(inputs["frames"], inputs["coordinates"])
        decoded = model.decode(_latents(inputs), query)
        masks = np.exp(decoded.mask_logits) / np.exp(decoded.mask_logits).sum(axis=1, keepdims=True)
        rgb = (masks[..., None] * decoded.rgb_means.numpy()).sum(axis=1)
        return {"rgb": rgb, "slot_rgb": decoded.rgb_means, "slot_masks": masks}
    drawn = model.decompose(inputs["video"])
    outputs = {
        "segment": ("segments",),
        "segment_soft": ("segments", "slot_masks"),
        "reconstruct": ("reconstruction",),
    }
    return {name: getattr(drawn, name) for name in outputs[signature]}


def _latents(inputs):
    return {"object": inputs["object_latents"], "frame": inputs["frame_latents"]}


@pytest.fixture(scope="module")
def answers(tiny_export, tiny_sizes, tmp_path_factory):
    """Every signature asked for one clip and for seven, by a process without simone_tf."""
    folder = tmp_path_factory.mktemp("client")
    asked = {
        f"{signature}-{batch}/{name}": value
        for signature in [*signature_table(tiny_sizes), "serving_default"]
        for batch in BATCHES
        for name, value in _inputs(signature, batch, tiny_sizes).items()
    }
    return ask(tiny_export, asked, folder)


@pytest.mark.parametrize("batch", BATCHES)
def test_a_process_without_the_library_gets_the_librarys_answers(answers, tiny_model, tiny_sizes, batch):
    for signature, table in [*signature_table(tiny_sizes).items(), ("serving_default", None)]:
        inputs = _inputs(signature, batch, tiny_sizes)
        known = "segment" if table is None else signature
        expected = _expected(tiny_model, known, inputs, tiny_sizes)
        found = {
            name.split("/")[1]: value for name, value in answers.items() if name.startswith(f"{signature}-{batch}/")
        }
        assert set(found) == set(expected), signature
        for name, value in found.items():
            if name == "segments":
                masks = tiny_model.decompose(_as_float(inputs["video"])).slot_masks.numpy()
                largest = np.sort(masks, axis=1)
                clear = largest[:, -1] - largest[:, -2] > 1e-4
                assert clear.mean() > 0.9
                np.testing.assert_array_equal(value[clear], expected[name].numpy()[clear], err_msg=signature)
            else:
                np.testing.assert_allclose(value, expected[name], atol=1e-5, rtol=0, err_msg=f"{signature} {name}")


def _as_float(video):
    return tf.constant(video.astype(np.float32) / 255 if video.dtype == np.uint8 else video)


def test_tensors_are_what_the_table_says(answers, tiny_sizes):
    table = signature_table(tiny_sizes)
    table["serving_default"] = table["segment"]
    for place, value in answers.items():
        case, name = place.split("/")
        signature, batch = case.split("-")
        text = table[signature].outputs[name]
        assert value.dtype == text.dtype, place
        assert value.shape[0] == int(batch), place
        assert all(stated in (None, size) for size, stated in zip(value.shape, text.shape, strict=True)), place
        if text.range:
            low, high = text.range
            assert low <= value.min(), place
            assert value.max() <= high + 1e-6, place


def test_the_numbers_are_those_of_the_model(tiny_sizes, tiny_model):
    latents = {"object": Latent(("slot",), 5), "frame": Latent(("frame",), 3)}
    assert tiny_sizes == (3, (8, 16), 4, latents, {}, True)
    # The biggest tensor by hand: 7 clips, 4 slots, 3 frames of 8x16.
    assert signature_table(tiny_sizes)["decode"].outputs["slot_rgb"].shape == (None, 4, 3, 8, 16, 3)
    assert sizes_of(tiny_model, 3, [8, 16]) == tiny_sizes


def test_those_of_this_model_are_the_same_ever_since():
    """Names, their order, texts and shapes: clients rely on them."""
    golden = (pathlib.Path(__file__).parents[1] / "golden" / "simone_signatures.json").read_text(encoding="utf-8")
    sizes = Sizes(3, (8, 16), 4, {"object": Latent(("slot",), 5), "frame": Latent(("frame",), 3)}, {}, True)
    assert json.dumps(serving_json.describe_signatures(signature_table(sizes))) == json.dumps(json.loads(golden))


def test_a_frame_that_there_is_not_is_refused(tiny_export, tiny_sizes):
    loaded = tf.saved_model.load(str(tiny_export))
    inputs = _inputs("decode_queries", 1, tiny_sizes)
    inputs["frames"][0, 3] = tiny_sizes.num_frames
    with pytest.raises(tf.errors.InvalidArgumentError):
        loaded.signatures["decode_queries"](**{name: tf.constant(value) for name, value in inputs.items()})


@pytest.mark.parametrize("order", [(0, 4, 1, 2, 3), (0, 2, 1, 3, 4)])
def test_video_of_another_layout_is_refused(tiny_export, tiny_sizes, order):
    """It has as many numbers, so that a reshape would not notice."""
    signatures = tf.saved_model.load(tiny_export).signatures
    video = np.zeros([3, tiny_sizes.num_frames, *tiny_sizes.frame_size, 3], np.float32)
    signatures["segment"](video=tf.constant(video))
    with pytest.raises(tf.errors.InvalidArgumentError):
        signatures["segment"](video=tf.constant(video.transpose(order)))


def test_nothing_in_the_file_names_a_class_of_the_library(tiny_export):
    assert b"simone_tf" not in (tiny_export / "saved_model.pb").read_bytes()
