"""Summaries, read back from the event file and through TensorBoard's own image plugin; a disk that fills up."""

import io
import json
import os

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tensorboard.backend.event_processing import data_provider, plugin_event_accumulator, plugin_event_multiplexer
from tensorboard.plugins import base_plugin
from tensorboard.plugins.image import images_plugin, metadata
from werkzeug import test as werkzeug_test

from simone_tf.errors import UserError
from simone_tf.training import summaries as summaries_module
from simone_tf.training.summaries import Summaries, as_markdown


@pytest.fixture
def animation():
    return np.random.default_rng(0).integers(0, 256, (3, 20, 30, 3)).astype(np.uint8)


def events(log_dir):
    """(step, tag, plugin, value) of every summary in every event file of the folder."""
    found = []
    for name in sorted(os.listdir(log_dir)):
        for record in tf.data.TFRecordDataset(os.path.join(log_dir, name)):
            event = tf.compat.v1.Event.FromString(record.numpy())
            for value in event.summary.value:
                array = tf.make_ndarray(value.tensor)
                found.append((event.step, value.tag, value.metadata.plugin_data.plugin_name, array))
    return found


def test_scalars_and_text_are_read_back(tmp_path):
    summaries = Summaries(tmp_path / "run")
    summaries.scalars(5, {"train/loss": 1.5, "train/learning_rate": np.float32(0.25), "train/norm": tf.constant(2.0)})
    summaries.scalars(6, {"train/loss": float("nan")})
    summaries.text(0, "config", "# heading")
    summaries.close()
    found = events(tmp_path / "run")
    assert [(step, tag, plugin) for step, tag, plugin, _ in found] == [
        (5, "train/loss", "scalars"),
        (5, "train/learning_rate", "scalars"),
        (5, "train/norm", "scalars"),
        (6, "train/loss", "scalars"),
        (0, "config", "text"),
    ]
    values = [value for *_, value in found]
    assert values[:3] == [1.5, 0.25, 2.0]
    assert np.isnan(values[3])
    assert values[4].item() == b"# heading"


def test_flush_brings_everything_to_the_disk(tmp_path):
    summaries = Summaries(tmp_path)
    summaries.scalars(1, {"a": 1.0})
    summaries.flush()
    assert len(events(tmp_path)) == 1
    summaries.close()


def test_picture_is_a_lossless_png_of_its_size(tmp_path, animation):
    summaries = Summaries(tmp_path)
    summaries.image(7, "sheet", animation[0])
    summaries.close()
    ((step, tag, plugin, value),) = events(tmp_path)
    assert (step, tag, plugin) == (7, "sheet", metadata.PLUGIN_NAME)
    width, height, encoded = value.tolist()
    assert (width, height) == (b"30", b"20")
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(encoded))), animation[0])


def test_tensorboard_serves_an_animation_that_moves(tmp_path, animation):
    summaries = Summaries(tmp_path / "run")
    for step in (0, 100):
        summaries.image(step, "decomposition/clip_0", animation, frames_per_second=10)
    summaries.close()

    multiplexer = plugin_event_multiplexer.EventMultiplexer()
    multiplexer.AddRunsFromDirectory(str(tmp_path))
    multiplexer.Reload()
    provider = data_provider.MultiplexerDataProvider(multiplexer, str(tmp_path))
    plugin = images_plugin.ImagesPlugin(base_plugin.TBContext(data_provider=provider, logdir=str(tmp_path)))
    apps = {path: werkzeug_test.Client(app) for path, app in plugin.get_plugin_apps().items()}

    tags = json.loads(apps["/tags"].get("/").get_data())
    assert tags["run"]["decomposition/clip_0"]["samples"] == 1
    listed = json.loads(apps["/images"].get("/?run=run&tag=decomposition%2Fclip_0&sample=0").get_data())
    assert [image["step"] for image in listed] == [0, 100]
    response = apps["/individualImage"].get("/?" + listed[1]["query"])
    assert response.headers["Content-Type"] == "image/gif"
    with Image.open(io.BytesIO(response.get_data())) as gif:
        assert (gif.n_frames, gif.size, gif.info["loop"], gif.info["duration"]) == (3, (30, 20), 0, 100)


def test_config_is_a_code_block_as_tensorboard_renders_it():
    from tensorboard import plugin_util

    config = "# Macros:\nbatch_size = 8\n\ntrain.name = '<b>*x*</b>'\n```\n"
    rendered = plugin_util.markdown_to_safe_html(as_markdown(config))
    assert rendered == (
        "<pre><code># Macros:\nbatch_size = 8\n\ntrain.name = '&lt;b&gt;*x*&lt;/b&gt;'\n```\n</code></pre>"
    )


def test_unwritable_folder_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("x")
    for log_dir in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(UserError) as caught:
            Summaries(log_dir)
        assert str(log_dir) in str(caught.value)
        assert "\n" not in str(caught.value)
    assert (tmp_path / "file").read_text() == "x"


def test_failing_writes_are_said_once_and_never_raise(tmp_path, monkeypatch, capsys, animation):
    summaries = Summaries(tmp_path)
    summaries.scalars(1, {"a": 1.0})
    summaries.flush()

    def full(*args, **kwargs):
        raise tf.errors.ResourceExhaustedError(
            None, None, "{{function_node x}} events.out; No space left on device\n\tmore"
        )

    monkeypatch.setattr(tf.summary, "scalar", full)
    summaries.scalars(2, {"a": 1.0})
    monkeypatch.undo()
    summaries.scalars(3, {"a": 1.0})  # not behind a place where the file may be broken
    summaries.image(3, "b", animation)
    summaries.text(3, "c", "d")
    summaries.flush()
    summaries.close()
    assert [step for step, *_ in events(tmp_path)] == [1]
    told = capsys.readouterr().err.splitlines()
    told = [line for line in told if "TensorBoard" in line]
    assert len(told) == 1
    assert "(events.out; No space left on device; " in told[0]
    assert str(tmp_path) in told[0]


def test_nearly_full_disk_is_left_to_the_checkpoint(tmp_path, monkeypatch, capsys):
    summaries = Summaries(tmp_path)
    usage = summaries_module.shutil.disk_usage(tmp_path)
    free = iter([2**30, 2**20, 2**20, 2**30, 2**30])
    monkeypatch.setattr(summaries_module.shutil, "disk_usage", lambda folder: usage._replace(free=next(free)))
    for step in range(4):
        summaries.scalars(step, {"a": 1.0})
    summaries.close()
    assert [step for step, *_ in events(tmp_path)] == [0, 3]
    assert capsys.readouterr().err.count("almost full") == 1


def test_nothing_fails_after_close(tmp_path):
    summaries = Summaries(tmp_path)
    summaries.close()
    summaries.scalars(1, {"a": 1.0})
    summaries.flush()
    summaries.close()
    assert events(tmp_path) == []


def shown_by_tensorboard(log_dir):
    """(tag, step, value) of the scalars that TensorBoard shows of a folder, in its order."""
    accumulator = plugin_event_accumulator.EventAccumulator(str(log_dir))
    accumulator.Reload()
    return [
        (tag, event.step, float(tf.make_ndarray(event.tensor_proto)))
        for tag in sorted(accumulator.Tags()["tensors"])
        for event in accumulator.Tensors(tag)
        if tf.make_ndarray(event.tensor_proto).dtype.kind == "f"
    ]


def test_what_was_logged_behind_the_checkpoint_is_shown_once(tmp_path):
    """Three sessions; the second goes on from step 20 of the first and has other periods, the third starts afresh."""
    first = Summaries(tmp_path)
    for step in (10, 20, 30, 40):
        first.scalars(step, {"train/loss": step + 0.25})
    first.scalars(40, {"evaluation/score": 0.5})
    first.close()
    second = Summaries(tmp_path, first_step=21)
    for step in (35, 50):
        second.scalars(step, {"train/loss": step + 0.75})
    second.close()
    assert shown_by_tensorboard(tmp_path) == [
        ("train/loss", 10, 10.25),
        ("train/loss", 20, 20.25),
        ("train/loss", 35, 35.75),
        ("train/loss", 50, 50.75),
    ]
    third = Summaries(tmp_path)
    third.scalars(10, {"train/loss": 1.0})
    third.close()
    assert shown_by_tensorboard(tmp_path) == [("train/loss", 10, 1.0)]


def test_a_session_that_logs_nothing_leaves_nothing_twice(tmp_path):
    Summaries(tmp_path).close()
    for _ in range(2):
        later = Summaries(tmp_path, first_step=1)
        later.scalars(1, {"a": 2.0})
        later.close()
    assert shown_by_tensorboard(tmp_path) == [("a", 1, 2.0)]


def test_the_start_is_written_when_there_is_room_again(tmp_path, monkeypatch):
    Summaries(tmp_path).scalars(5, {"a": 1.0})
    later = Summaries(tmp_path, first_step=5)
    usage = summaries_module.shutil.disk_usage(tmp_path)
    free = iter([2**20, 2**30, 2**30, 2**30])
    monkeypatch.setattr(summaries_module.shutil, "disk_usage", lambda folder: usage._replace(free=next(free)))
    later.scalars(5, {"a": 2.0})
    later.scalars(6, {"a": 3.0})
    later.close()
    assert shown_by_tensorboard(tmp_path) == [("a", 6, 3.0)]


def test_a_first_session_has_no_start(tmp_path):
    summaries = Summaries(tmp_path / "new", first_step=0)
    summaries.scalars(1, {"a": 1.0})
    summaries.close()
    (name,) = os.listdir(tmp_path / "new")
    records = list(tf.data.TFRecordDataset(str(tmp_path / "new" / name)))
    kinds = [tf.compat.v1.Event.FromString(record.numpy()).WhichOneof("what") for record in records]
    assert kinds == ["file_version", "summary"]


def test_what_an_ended_evaluation_had_shown_is_shown_once(tmp_path):
    """It is made again at the step of the checkpoint; what the training logged at that step is not."""
    first = Summaries(tmp_path)
    for step in (10, 20, 30):
        first.scalars(step, {"train/loss": step + 0.25, "train/norm": step + 0.5})
    first.scalars(20, {"evaluation/score": 0.125})
    first.close()
    for value in (0.25, 0.75):  # ended once more
        later = Summaries(tmp_path, first_step=20, kept="train/")
        later.scalars(20, {"evaluation/score": value})
        later.close()
    assert shown_by_tensorboard(tmp_path) == [
        ("evaluation/score", 20, 0.75),
        ("train/loss", 10, 10.25),
        ("train/loss", 20, 20.25),
        ("train/norm", 10, 10.5),
        ("train/norm", 20, 20.5),
    ]
