"""Exports read back, and everything that is not one."""

import json
import shutil

import numpy as np
import pytest
import tensorflow as tf

from simone_tf.errors import UserError
from simone_tf.serving import serving_json
from simone_tf.serving.saved_model import load_export


@pytest.fixture
def copied(tiny_export, tmp_path):
    return shutil.copytree(tiny_export, tmp_path / "1")


def _change(folder, change):
    path = folder / serving_json.FILE
    description = json.loads(path.read_text())
    change(description)
    path.write_text(json.dumps(description))


def test_an_export_is_read(tiny_export, tiny_sizes):
    export = load_export(tiny_export)
    assert export.sizes == tiny_sizes
    assert export.description["step"] == 7
    video = tf.zeros([2, 3, 8, 16, 3])
    assert export.loaded.signatures["segment"](video=video)["segments"].shape == (2, 3, 8, 16)


@pytest.mark.parametrize("name", ["e[1]", "back\\slash", "b*"])
@pytest.mark.parametrize("below", ["1", ""])
def test_an_export_is_read_from_a_folder_of_any_name(tiny_export, tmp_path, monkeypatch, name, below):
    folder = shutil.copytree(tiny_export, tmp_path / name / below)
    video = tf.random.stateless_uniform([1, 3, 8, 16, 3], [1, 2])
    expected = load_export(tiny_export).loaded.signatures["encode"](video=video)
    monkeypatch.chdir(folder.parent)
    for path in (folder, folder.name):
        found = load_export(path).loaded.signatures["encode"](video=video)
        assert set(found) == set(expected)
        for key, value in expected.items():
            np.testing.assert_array_equal(found[key], value)


def test_a_file_that_may_not_be_read_is_not_called_damaged(tiny_export, monkeypatch):
    def refuse(folder, names):
        raise PermissionError(13, "Permission denied", f"{folder}/saved_model.pb")

    monkeypatch.setattr("simone_tf.serving.saved_model.file_sums", refuse)
    with pytest.raises(UserError, match=r"saved_model\.pb cannot be read \(Permission denied\): check its permissions"):
        load_export(tiny_export)


def test_folders_that_are_no_export(tmp_path, tiny_export):
    with pytest.raises(UserError, match="no such folder"):
        load_export(tmp_path / "nowhere")
    with pytest.raises(UserError, match=r"no saved_model\.pb"):
        load_export(tmp_path)
    with pytest.raises(UserError, match=r"tiny/1\?"):
        load_export(tiny_export.parent)


def test_a_saved_model_of_another_program_is_told(tmp_path):
    tf.saved_model.save(tf.Module(), str(tmp_path / "other"))
    with pytest.raises(UserError, match=r"no serving\.json"):
        load_export(tmp_path / "other")


def test_a_half_written_export_is_told(copied):
    graph = copied / "saved_model.pb"
    graph.write_bytes(graph.read_bytes()[:1000])
    with pytest.raises(UserError, match=r"saved_model\.pb is not the file that was exported"):
        load_export(copied)


@pytest.mark.parametrize("name", ["variables.index", "variables.data-00000-of-00001"])
def test_a_missing_file_is_told(copied, name):
    (copied / "variables" / name).unlink()
    with pytest.raises(UserError, match=rf"{name} is missing"):
        load_export(copied)


def test_a_missing_folder_is_told(copied):
    shutil.rmtree(copied / "variables")
    with pytest.raises(UserError, match="is not whole"):
        load_export(copied)


def test_changed_weights_are_told(copied):
    data = copied / "variables" / "variables.data-00000-of-00001"
    content = bytearray(data.read_bytes())
    content[100] ^= 1
    data.write_bytes(content)
    with pytest.raises(UserError, match="is not the file that was exported"):
        load_export(copied)


def test_damage_that_the_sums_agree_with_is_told(copied):
    """Such as an export made by something else: the graph is no graph, or another one."""
    from simone_tf.files import file_sums
    from simone_tf.serving.saved_model import model_files

    (copied / "saved_model.pb").write_bytes(b"\x00nothing of the kind")
    _change(copied, lambda description: description.update(files=file_sums(copied, model_files(str(copied)))))
    with pytest.raises(UserError, match="cannot be read as a SavedModel"):
        load_export(copied)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d.update(format="other"), "not that of an export"),
        (lambda d: d.update(format_version=2), "format_version"),
        (lambda d: d.update(num_frames=4), "signature encode"),
        (lambda d: d.update(num_slots="4"), "num_slots"),
        (lambda d: d.update(num_slots=True), "num_slots"),
        (lambda d: d.update(num_frames=0), "num_frames"),
        (lambda d: d.update(frame_size=8), "frame_size"),
        (lambda d: d.update(frame_size=[8, 10**9]), "2 .. 31"),
        (lambda d: d.pop("files"), "names no files"),
        (lambda d: d.update(latents=[]), '"latents" is not a table'),
        (lambda d: d.update(latents={}), '"latents" names none'),
        (lambda d: d.update(latents={"a b": {"axes": [], "size": 1}}), '"latents" is not a table'),
        (lambda d: d.update(latents={f"a{i}": {"axes": [], "size": 1} for i in range(65)}), '"latents" is not a table'),
        (lambda d: d["latents"]["object"].update(axes=["frame", "slot"]), "no axes of object"),
        (lambda d: d["latents"]["object"].update(axes=["slot", "slot"]), "no axes of object"),
        (lambda d: d["latents"]["object"].update(axes=[[]]), "no axes of object"),
        (lambda d: d["latents"]["object"].update(axes="slot"), "no axes of object"),
        (lambda d: d["latents"]["object"].update(size=-5), '"object" is not a size'),
        (lambda d: d["latents"]["object"].update(size=2**40), '"object" is not a size'),
        (lambda d: d["latents"]["object"].update(size=2**31 - 1), "2 .. 31"),
        (lambda d: d["latents"]["object"].update(size=6), "signature encode"),
        (lambda d: d["latents"]["object"].update(is_point=True), "signature encode"),
        (lambda d: d["latents"].update(object=5), "no axes of object"),
        (lambda d: d.update(given={"camera": 5}), "signature encode"),
        (lambda d: d.update(given={"camera": "5"}), '"camera" is not a size'),
        (lambda d: d.update(given=5), '"given" is not a table'),
    ],
)
def test_a_wrong_description_is_told(copied, change, words):
    _change(copied, change)
    with pytest.raises(UserError, match=words):
        load_export(copied)


def test_an_export_from_before_latents_were_listed_is_read(copied, tiny_sizes):
    _change(copied, lambda description: [description.pop(name) for name in ("latents", "given")])
    assert load_export(copied).sizes == tiny_sizes
    _change(copied, lambda description: description.pop("frame_latent_size"))
    with pytest.raises(UserError, match='"frame_latent_size" is not a size'):
        load_export(copied)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"[1]", b"[" * 100_000, b"{}"])
def test_a_description_that_is_none_is_told(copied, content):
    (copied / serving_json.FILE).write_bytes(content)
    with pytest.raises(UserError, match=r"serving\.json is not that of an export"):
        load_export(copied)


def test_the_description_is_strict_json_with_every_tensor(tiny_export, tiny_sizes):
    def refuse(constant):
        raise AssertionError(constant)

    text = (tiny_export / serving_json.FILE).read_text()
    description = json.loads(text, parse_constant=refuse)
    segments = description["signatures"]["segment_uint8"]
    assert segments["inputs"]["video"]["dtype"] == "uint8"
    assert segments["inputs"]["video"]["range"] == [0, 255]
    assert segments["outputs"]["segments"]["shape"] == [None, 3, 8, 16]
    assert segments["outputs"]["segments"]["range"] == [0, 3]
    assert '"shape": [null, 3, 8, 16, 3],' in text


def test_texts_and_numbers_survive_the_writing():
    awkward = {"a": "x[\n  1,\n  2\n]\\n, [ 3,  4 ]", "b": [1, [2, 3]], "c": [], "d": float("nan"), "e": (1.5, "y, z")}
    expected = {**awkward, "d": None, "e": [1.5, "y, z"]}
    assert json.loads(serving_json.to_text(awkward)) == expected
    assert np.isnan(awkward["d"])
