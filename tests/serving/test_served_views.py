"""The signature `render` of models that draw unseen views, against the library, eagerly and in one piece."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from simone_tf.serving import serving_json
from simone_tf.serving.input_checks import checked
from simone_tf.serving.signatures import signature_table
from simone_tf.serving.sizes import sizes_of
from simone_tf.serving.write_export import write_export

from export_client import ask
from small_models import SMALL_MODELS
from view_world import TurningCamera, cameras

FRAMES, SIZE = 3, (8, 16)
VIEWS = (1, 8)


def poses(rng, *shape):
    """Cameras of whatever yaw, at any place."""
    camera = cameras(rng.uniform(-180.0, 180.0, shape))
    camera[..., :3] += rng.normal(size=(*shape, 3))
    return camera


@pytest.fixture(scope="module", params=["SIMONeVS", "GQN", "NeRFVAE"])
def model(request):
    keras.utils.set_random_seed(4)
    model = SMALL_MODELS[request.param]()
    model.build((None, FRAMES, *SIZE, 3))
    for number, variable in enumerate(model.variables):
        variable.assign_add(0.1 * tf.random.stateless_normal(variable.shape, [number, 3]))
    return model


@pytest.fixture(scope="module")
def export(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exports") / "views" / "1"
    write_export(str(folder), model, sizes_of(model, FRAMES, SIZE), {"step": 7, "metrics": None}, chunk_size=370)
    return folder


def test_a_process_without_the_library_gets_the_views(model, export, tmp_path):
    asked = {}
    for count in VIEWS:
        rng = np.random.default_rng(count)
        video = rng.integers(0, 256, (2, FRAMES, *SIZE, 3), np.uint8)
        seen, views = poses(rng, 2, FRAMES), poses(rng, 2, count)
        for name, pixels in (("render", video.astype(np.float32) / np.float32(255)), ("render_uint8", video)):
            case = f"{name}-{count}/"
            asked |= {f"{case}video": pixels, f"{case}camera": seen, f"{case}view_camera": views}
    answers = ask(export, asked, tmp_path)
    for count in VIEWS:
        clip = {name: tf.constant(asked[f"render-{count}/{name}"]) for name in ("video", "camera")}
        drawn = model.render_views(clip, {"camera": tf.constant(asked[f"render-{count}/view_camera"])})
        for name in ("render", "render_uint8"):
            views, segments = (answers[f"{name}-{count}/{output}"] for output in ("views", "segments"))
            assert views.shape == (2, count, *SIZE, 3)
            np.testing.assert_allclose(views, drawn.reconstruction, atol=1e-4)
            assert (segments == drawn.segments.numpy()).mean() > 0.99


def test_what_it_takes_and_gives(model, export):
    table = signature_table(sizes_of(model, FRAMES, SIZE))
    render = table["render"]
    assert {name: text.shape for name, text in render.inputs.items()} == {
        "video": (None, FRAMES, *SIZE, 3),
        "camera": (None, FRAMES, 7),
        "view_camera": (None, None, 7),
    }
    assert {name: (text.dtype, text.shape) for name, text in render.outputs.items()} == {
        "views": ("float32", (None, None, *SIZE, 3)),
        "segments": ("int32", (None, None, *SIZE)),
    }
    assert table["render_uint8"].inputs["video"].dtype == "uint8"
    described = json.loads((export / serving_json.FILE).read_text())["signatures"]["render"]
    assert described["inputs"]["view_camera"]["shape"] == [None, None, 7]


def test_only_models_that_draw_unseen_views_have_it():
    for name in ("SIMONe", "ColourMixture"):
        model = SMALL_MODELS[name]()
        model.build((None, FRAMES, *SIZE, 3))
        assert "render" not in signature_table(sizes_of(model, FRAMES, SIZE)), name
    assert "render" in signature_table(sizes_of(TurningCamera(), FRAMES, SIZE))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"view_camera": np.zeros((2, 0, 7), np.float32)}, "view_camera holds no view: give at least one."),
        ({"view_camera": np.full((2, 1, 7), np.nan, np.float32)}, "view_camera holds NaN or infinite numbers"),
        ({"view_camera": np.zeros((1, 1, 7), np.float32)}, "video and view_camera are of different numbers of clips"),
    ],
)
def test_what_cannot_be_answered_is_refused(change, sentence):
    signature = signature_table(sizes_of(TurningCamera(), FRAMES, SIZE))["render"]
    good = {
        "video": np.zeros((2, FRAMES, *SIZE, 3), np.float32),
        "camera": cameras(np.zeros((2, FRAMES))),
        "view_camera": cameras(np.zeros((2, 4))),
    }
    checked("render", signature, {name: tf.constant(value) for name, value in good.items()})
    with pytest.raises(tf.errors.InvalidArgumentError, match=sentence):
        checked("render", signature, {name: tf.constant(value) for name, value in (good | change).items()})
