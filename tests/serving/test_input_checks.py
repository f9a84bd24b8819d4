"""What an export refuses, signature by signature, and in what words; and what it answers all the same."""

import json
import re

import numpy as np
import pytest
import tensorflow as tf

from simone_tf.serving import serving_json
from simone_tf.serving.saved_model import load_export
from simone_tf.serving.signatures import signature_table

QUERIES = 6
DECODING = ("decode", "decode_queries")


@pytest.fixture(scope="module")
def simone(tiny_export):
    return load_export(tiny_export)


@pytest.fixture(scope="module")
def colours(colour_export):
    """Of a model that is given a camera."""
    return load_export(colour_export)


def good(export, name, batch=2):
    """Inputs as `serving.json` describes them."""
    rng, inputs = np.random.default_rng(0), {}
    for key, text in signature_table(export.sizes)[name].inputs.items():
        shape = [batch, *(QUERIES if size is None else size for size in text.shape[1:])]
        if text.dtype == "float32":
            inputs[key] = rng.uniform(*(text.range or (-2, 2)), shape).astype(np.float32)
        else:
            inputs[key] = rng.integers(text.range[0], text.range[1] + 1, shape).astype(text.dtype)
    return inputs


def ask(export, name, inputs):
    return export.loaded.signatures[name](**{key: tf.constant(value) for key, value in inputs.items()})


def refusal(export, name, **changed):
    """The sentence."""
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        ask(export, name, {**good(export, name), **changed})
    (sentence,) = re.findall(r"assertion failed: \[(.*)\]", caught.value.message)
    assert "\\" not in sentence
    return sentence


def with_one(values, number):
    values = values.copy()
    values[(-1,) * values.ndim] = number
    return values


def every_input(export, dtype="float32"):
    return [
        (name, key)
        for name, signature in signature_table(export.sizes).items()
        for key, text in signature.inputs.items()
        if text.dtype == dtype
    ]


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_none_are_refused_in_every_input(simone, colours, number):
    """One number of the last clip is enough."""
    seen = set()
    for export in (simone, colours):
        for name, key in every_input(export):
            told = refusal(export, name, **{key: with_one(good(export, name)[key], number)})
            assert told.startswith(f"{key} holds NaN or "), (name, key, told)
            assert told.endswith("."), told
            seen.add(key)
    latents, cameras = {"object_latents", "frame_latents"}, {"camera", "object_camera", "frame_camera"}
    assert seen == {"video", "object_video", "frame_video", "coordinates"} | latents | cameras


@pytest.mark.parametrize("bad", [lambda x: x * 255, lambda x: 2 * x - 1, lambda x: with_one(x, 1.02)])
def test_floats_of_another_range_are_refused(simone, bad):
    for name, key in every_input(simone):
        if key.endswith("video"):
            told = refusal(simone, name, **{key: bad(good(simone, name)[key])})
            assert told == (
                f"{key} holds NaN or numbers outside of 0 to 1: give red, green and blue from 0 to 1, or bytes from 0 "
                f"to 255 to the signature {name}_uint8."
            )


def test_the_rounding_of_a_filter_is_let_pass(simone):
    video = good(simone, "segment")["video"] * np.float32(1.018) - np.float32(0.009)
    assert video.min() < 0
    assert video.max() > 1
    assert ask(simone, "segment", {"video": video})["segments"].shape == video.shape[:-1]


def test_latents_from_far_away_are_refused(simone):
    for name in DECODING:
        for key in ("object_latents", "frame_latents"):
            told = refusal(simone, name, **{key: with_one(good(simone, name)[key], -1e7)})
            assert told == f"{key} holds NaN or numbers beyond 1,000,000: give latents such as `encode` infers."
            inputs = good(simone, name)
            answer = ask(simone, name, {**inputs, key: with_one(inputs[key], -1e5)})
            assert all(np.isfinite(value).all() for value in answer.values())


def test_different_numbers_of_clips_are_refused(simone, colours):
    """Also one clip beside two, which would be used for both."""
    pairs = 0
    for export in (simone, colours):
        for name, signature in signature_table(export.sizes).items():
            first, *others = signature.inputs
            for other in others:
                pairs += 1
                for few, many in ((1, 2), (2, 1), (3, 2)):
                    changed = {key: good(export, name, few if key == other else many)[key] for key in signature.inputs}
                    told = refusal(export, name, **changed)
                    assert told.endswith("are of different numbers of clips: give as many of each."), (name, told)
                    assert told.startswith(f"{first} and "), told
    assert pairs > 10


def test_queries_that_are_none_are_refused(simone):
    inputs = good(simone, "decode_queries")
    none = {key: inputs[key][:, :0] for key in ("frames", "coordinates")}
    assert refusal(simone, "decode_queries", **none) == "frames holds no query: give at least one."
    told = refusal(simone, "decode_queries", frames=inputs["frames"][:, :1])
    assert told == "coordinates and frames are of different numbers of queries: give as many of each."
    for number in (-1, 3):
        told = refusal(simone, "decode_queries", frames=with_one(inputs["frames"], number))
        assert told == "frames holds numbers outside of 0 to 2: give the frame of each query."
    told = refusal(simone, "decode_queries", coordinates=with_one(inputs["coordinates"], 1.1))
    assert told == (
        "coordinates holds NaN or numbers outside of -1 to 1: give row and column of each query, -1 for the first of "
        "a frame and 1 for the last."
    )


def test_no_clip_at_all(simone):
    for name, signature in signature_table(simone.sizes).items():
        inputs = good(simone, name, batch=0)
        if name in DECODING:
            outputs = ask(simone, name, inputs)
            assert {key: len(value) for key, value in outputs.items()} == dict.fromkeys(signature.outputs, 0)
        else:
            assert refusal(simone, name, **inputs) == f"{next(iter(inputs))} holds no clip: give at least one."


def test_bytes_are_always_right(simone):
    for name, key in every_input(simone, "uint8"):
        ends = np.tile(np.uint8([0, 255]), good(simone, name)[key].size // 2).reshape(good(simone, name)[key].shape)
        assert all(np.isfinite(value).all() for value in ask(simone, name, {**good(simone, name), key: ends}).values())


def test_other_shapes_are_refused_as_ever(simone):
    inputs = good(simone, "decode")
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"object_latents \[2,3,5\] is not compatible"):
        ask(simone, "decode", {**inputs, "object_latents": inputs["object_latents"][:, :3]})


def test_xla_takes_the_same_signatures_and_leaves_the_checks_out(simone):
    encode = simone.loaded.signatures["encode"]
    compiled = tf.function(lambda video: encode(video=video), jit_compile=True)
    video = tf.constant(good(simone, "encode")["video"])
    for key, value in compiled(video).items():
        np.testing.assert_allclose(value, encode(video=video)[key], atol=1e-4)
    # What `serving.json` says of NaN.
    assert all(np.isnan(value).all() for value in compiled(video * np.nan).values())


def test_the_file_says_what_is_checked(tiny_export):
    description = json.loads((tiny_export / serving_json.FILE).read_text())
    for words in ("NaN", "more than 0.01", "1,000,000", "different numbers of clips", "0 queries"):
        assert words in description["checked"], words
    for words in ("XLA and OpenVINO", "NaN", "0 to 255"):
        assert words in description["unchecked"], words
