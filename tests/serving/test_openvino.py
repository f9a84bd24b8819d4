"""An export read by a runtime that shares no code with TensorFlow."""

import numpy as np
import pytest
import tensorflow as tf

from simone_tf.serving.write_export import write_export

openvino = pytest.importorskip("openvino", reason="OpenVINO is not installed (pip install openvino)")


@pytest.fixture(scope="module", params=["one chunk", "several chunks"])
def export_dir(request, tiny_export, tiny_model, tiny_sizes, tmp_path_factory):
    if request.param == "several chunks":
        return tiny_export
    folder = tmp_path_factory.mktemp("openvino") / "1"
    write_export(str(folder), tiny_model, tiny_sizes, {})
    return folder


@pytest.fixture(scope="module")
def compiled(export_dir):
    # What convert_model reads is the default signature, `segment`.
    model = openvino.convert_model(str(export_dir))
    # On processors with bfloat16 that is what it computes in unless told otherwise.
    return openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})


@pytest.mark.parametrize("batch", [1, 7])
def test_segments_are_the_librarys(compiled, tiny_model, batch):
    video = np.random.default_rng(batch).random((batch, 3, 8, 16, 3), np.float32)
    decomposition = tiny_model.decompose(tf.constant(video))
    segments = compiled({"video": video})["segments"]
    assert segments.dtype == np.int32
    assert segments.shape == (batch, 3, 8, 16)
    # The mask of the slot that was chosen is the largest to 1e-3.
    masks = decomposition.slot_masks.numpy()
    chosen = np.take_along_axis(masks, segments[:, None], axis=1)[:, 0]
    np.testing.assert_allclose(chosen, masks.max(axis=1), atol=1e-3)
    assert len(np.unique(segments)) > 1


def test_the_checks_are_left_out(compiled):
    """It answers what TensorFlow refuses, as `serving.json` says."""
    video = np.random.default_rng(0).random((2, 3, 8, 16, 3), np.float32)
    for nonsense in (video * 255, np.full_like(video, np.nan)):
        segments = compiled({"video": nonsense})["segments"]
        assert segments.shape == (2, 3, 8, 16)
