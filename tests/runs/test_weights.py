"""Weights as .npz files: names that do not depend on the process, and every file that does not fit told."""

import io
import tracemalloc
import zipfile

import numpy as np
import pytest

from simone_tf.errors import UserError
from simone_tf.models.parts.decoder import PixelDecoder
from simone_tf.models.parts.latents import LatentHead
from simone_tf.models.parts.transformer import Transformer
from simone_tf.models.simone.encoder import Encoder
from simone_tf.models.simone.model import SIMONe
from simone_tf.runs.weights import load_weights, named_variables, save_weights


def make_model(hidden_size=8, normalize_masks=True):
    def transformer():
        return Transformer(num_layers=2, num_heads=1, head_size=4, mlp_size=8)

    encoder = Encoder(
        feature_map=(4, 4),
        slot_grid=(2, 2),
        conv_channels=4,
        width=8,
        first_transformer=transformer(),
        second_transformer=transformer(),
        object_head=LatentHead(3, 8),
        frame_head=LatentHead(3, 8),
    )
    model = SIMONe(encoder, PixelDecoder(hidden_size, 2), normalize_masks=normalize_masks)
    model.build((None, 2, 8, 8, 3))
    return model


def values(model):
    return {name: np.asarray(variable) for name, variable in named_variables(model).items()}


def refused(path, model):
    before = values(model)
    with pytest.raises(UserError) as caught:
        load_weights(path, model)
    assert str(path) in str(caught.value)
    for name, value in values(model).items():
        np.testing.assert_array_equal(value, before[name])
    return str(caught.value)


@pytest.fixture
def packed(tmp_path):
    model = make_model()
    save_weights(tmp_path / "weights.npz", model)
    return tmp_path / "weights.npz", model


def test_names_are_the_same_for_every_model_of_a_process():
    first, second = named_variables(make_model()), named_variables(make_model())
    assert list(first) == list(second)
    assert len(first) == len(make_model().variables)
    assert "encoder.second_transformer.blocks.1.attention.output_projection.kernel" in first
    assert "mask_normalization.scale" in first


def test_what_is_written_is_read_back(packed):
    path, model = packed
    other = make_model()
    assert any(not np.array_equal(value, values(model)[name]) for name, value in values(other).items())
    load_weights(path, other)
    for name, value in values(other).items():
        np.testing.assert_array_equal(value, values(model)[name])
    with np.load(path, allow_pickle=False) as arrays:
        assert set(arrays) == set(values(model))
        assert {array.dtype for array in arrays.values()} == {np.dtype(np.float32)}


def test_variables_outside_attributes_are_an_error():
    model = make_model()
    model.decoder.hidden_layers = list(model.decoder.hidden_layers)
    with pytest.raises(ValueError, match="outside"):
        named_variables(model)


def test_other_models_are_refused(packed):
    path, _ = packed
    text = refused(path, make_model(hidden_size=9))
    assert "does not fit this config (decoder." in text
    assert "cannot be read" not in text
    assert "mask_normalization" in refused(path, make_model(normalize_masks=False))


def rewritten(path, change):
    """The archive with one member changed by hand."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def as_npy(array, **options):
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, **options)
    return buffer.getvalue()


def test_hostile_members_are_refused(packed):
    path, model = packed
    whole = path.read_bytes()
    name = "mask_normalization.scale.npy"
    for content in (
        as_npy(np.array(None, dtype=object), allow_pickle=True),
        as_npy(np.zeros((), np.int32)),
        as_npy(np.zeros(1, np.float32)),
        as_npy(np.zeros(10**6, np.float32)),
        b"",
    ):
        path.write_bytes(whole)
        rewritten(path, lambda members, content=content: members.update({name: content}))
        assert name.removesuffix(".npy") in refused(path, model)


def test_a_small_file_that_unfolds_to_a_large_one_is_not_unfolded(packed):
    path, model = packed
    rewritten(
        path, lambda members: members.update({"mask_normalization.scale.npy": as_npy(np.zeros(10**6, np.float32))})
    )
    tracemalloc.start()
    assert "[1000000], not []" in refused(path, model)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10**6


def test_a_claimed_size_is_not_believed(packed):
    path, model = packed
    text = "{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000,), }".ljust(117) + "\n"
    header = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()
    rewritten(path, lambda members: members.update({"mask_normalization.scale.npy": header + bytes(4)}))
    assert "[1000000000000]" in refused(path, model)


@pytest.mark.parametrize("text", ["{'shape': (4,", "(" * 3000, "{'x': __import__('os')}", "{'descr': '<f4'}"])
def test_a_damaged_header_is_no_traceback_and_is_not_quoted(packed, text):
    path, model = packed
    header = b"\x93NUMPY\x01\x00" + (len(text) + 1).to_bytes(2, "little") + text.encode() + b"\n"
    rewritten(path, lambda members: members.update({"mask_normalization.scale.npy": header + bytes(4)}))
    message = refused(path, model)
    assert "its header is damaged" in message
    assert "ast." not in message


def test_damaged_files_are_refused(packed):
    path, model = packed
    whole = path.read_bytes()
    for cut in (0, 10, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:cut])
        refused(path, model)
    middle = len(whole) // 2
    path.write_bytes(whole[:middle] + bytes([whole[middle] ^ 0xFF]) + whole[middle + 1 :])
    refused(path, model)
    path.unlink()
    refused(path, model)
