import json
import pathlib

import gin
import numpy as np
import pytest
import tensorflow as tf

from simone_tf import train
from simone_tf.config import gin_files, registry
from simone_tf.data.formats import write_records
from simone_tf.errors import UserError
from simone_tf.runs import settings

import gqn_set
import image_sets
import movi_set

GIN = pathlib.Path(__file__).parents[2] / "gin"
ALIASES = {"playroom.gin": "simone/playroom.gin"}
"""Shipped file -> the file that is all it includes."""
# What is run: the files on top, and a folder of pairs (model, data set) for each model.
PARTS = {"models", "datasets", "optimization", "training"}
SHIPPED = sorted(
    path.relative_to(GIN).as_posix()
    for path in (*GIN.glob("*.gin"), *GIN.glob("*/*.gin"))
    if path.parent.name not in PARTS
)

IMAGE_SETS = {
    "simone/clevr_with_masks.gin": "clevr_with_masks_train",
    "simone/multi_dsprites.gin": "multi_dsprites_colored_on_colored",
    "simone/objects_room_images.gin": "objects_room_train",
    "simone/tetrominoes.gin": "tetrominoes_train",
}
"""Shipped file -> the one file of its data, which is divided by records."""

# The files' own structure, sizes a test can afford.
REDUCED = (
    "Encoder.width = 20",
    "Encoder.conv_channels = 4",
    "ViewEncoder.width = 20",
    "ViewEncoder.conv_channels = 4",
    "Transformer.num_layers = 1",
    "Transformer.mlp_size = 8",
    "LatentHead.hidden_size = 8",
    "PixelDecoder.hidden_size = 8",
    "StridedQueries.stride = 8",
    "RandomQueries.num_pixels = 16",
    "batch_size = 2",
)
ONE_STEP = (
    "num_steps = 1",
    "train.num_held_out_clips = 1",
    "train.evaluation_batch_size = 1",
    "train.num_pictures = 1",
)


@pytest.fixture(autouse=True)
def _clean_gin():
    yield
    gin.clear_config()


@pytest.fixture(scope="module")
def datasets(tmp_path_factory):
    """Clip TFRecords and a file in DeepMind's CATER schema, each with two clips of the full shape per split."""
    folder = tmp_path_factory.mktemp("datasets")
    rng = np.random.default_rng(0)
    clips = [
        {
            "video": rng.integers(0, 256, (16, 64, 64, 3), dtype=np.uint8),
            "segments": rng.integers(0, 4, (16, 64, 64)).astype(np.int32),
            "camera": gqn_set.poses(rng.uniform(-3, 3, (16, 5))),
        }
        for _ in range(2)
    ]
    small = folder / "quickstart_long"
    small.mkdir()
    views = folder / "quickstart_views"
    views.mkdir()
    for split in ("train", "test"):
        write_records.write_shard(
            views / write_records.shard_name(split, 0, 1),
            [
                {name: value[:8] if name == "camera" else value[:8, :24, :24] for name, value in clip.items()}
                for clip in clips
            ],
        )
        write_records.write_shard(folder / write_records.shard_name(split, 0, 1), clips)
        write_records.write_shard(
            small / write_records.shard_name(split, 0, 1),
            [{name: clip[name][:, :24, :24] for name in ("video", "segments")} for clip in clips],
        )
        # Written from DeepMind's description of the format; nothing is shared with the reader.
        path = folder / f"cater_with_masks_{split}.tfrecords-00000-of-00001"
        with tf.io.TFRecordWriter(str(path), "ZLIB") as writer:
            for _ in range(2):
                owners = rng.integers(0, 11, (33, 1, 64, 64, 1))
                masks = (owners == np.arange(11).reshape(1, 11, 1, 1, 1)).astype(np.uint8) * 255
                features = {
                    "image": _bytes(rng.integers(0, 256, (33, 64, 64, 3), dtype=np.uint8)),
                    "mask": _bytes(masks),
                    "camera_matrix": _floats(rng.normal(size=(33, 4, 4))),
                    "object_positions": _floats(rng.normal(size=(11, 33, 3))),
                }
                writer.write(tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString())
    for name in IMAGE_SETS.values():
        image_sets.write_set(folder, name, 2)
    for split in ("train", "test"):
        gqn_set.write(folder / "rooms_ring_camera" / split / "1-of-1.tfrecord", map(gqn_set.scene, range(2)))
    movi_set.write(folder, size=128, counts=(("train", 2), ("validation", 1)), layers=False)
    return folder


def _bytes(array):
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[array.tobytes()]))


def _floats(array):
    return tf.train.Feature(float_list=tf.train.FloatList(value=np.ravel(array)))


def _data_params(name, datasets):
    dataset = pathlib.PurePath(name).stem
    if name in IMAGE_SETS:
        macro = {"clevr_with_masks": "clevr_dir"}.get(dataset, f"{dataset}_dir")
        records = ["training_records = (1, None)", "held_out_records = (0, 1)", "train.microbatch_size = None"]
        return [f"{macro} = {str(datasets)!r}", *records]
    macros = {"objects_room": "objects_room_dir", "playroom": "playroom_dir", "cater": "cater_dir"}
    macro = (macros | {"gqn_rooms": "gqn_dir", "movi": "movi_dir"}).get(dataset)
    if name == "quickstart_long.gin":
        return [f"quickstart_long_dir = {str(datasets / 'quickstart_long')!r}"]
    if name == "simone_vs/quickstart_views.gin":
        return [f"quickstart_views_dir = {str(datasets / 'quickstart_views')!r}"]
    return [f"{macro} = {str(datasets)!r}"] if macro else []


def _train(name, run_dir, params):
    arguments = [f"--gin_file={GIN / name}", f"--run_dir={run_dir}"]
    train.main([*arguments, *(f"--gin_param={param}" for param in params)])
    return json.loads((run_dir / "metrics.json").read_text())


def test_there_are_shipped_files():
    assert {
        "quickstart.gin",
        "quickstart_long.gin",
        "simone/objects_room.gin",
        "simone/cater.gin",
        "playroom.gin",
        "simone/playroom.gin",
        "simone/gqn_rooms.gin",
        "simone/movi.gin",
        "simone_vs/quickstart_views.gin",
        "simone_vs/playroom.gin",
        "simone_vs/objects_room.gin",
        "simone_vs/gqn_rooms.gin",
        *IMAGE_SETS,
    } <= set(SHIPPED)


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_file_opens_with_its_purpose_and_command(name):
    if name in ALIASES:
        statements = [line for line in (GIN / name).read_text().splitlines() if not line.startswith("#")]
        assert statements == [f"include '{ALIASES[name]}'"]
        name = ALIASES[name]
    header = (GIN / name).read_text().split("include")[0]
    for part in ("# Reproduces: ", "# Expected result: ", "# Memory: ", "# Time: ", "# Command: "):
        assert part in header
    assert f"python -m simone_tf.train --gin_file=gin/{name} " in header


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_file_is_built_and_takes_a_step(name, datasets, tmp_path):
    metrics = _train(name, tmp_path / "run", [*_data_params(name, datasets), *REDUCED, *ONE_STEP])
    assert metrics["step"] == 1
    if name.endswith("/gqn_rooms.gin"):  # No masks, so no such score rather than one that says nothing.
        assert not [measure for measure in metrics if "ari" in measure]
        assert np.isfinite(metrics["reconstruction_mse"])
    else:
        assert np.isfinite(metrics["video_ari_foreground"])
    assert metrics["num_clips"] == 1
    assert list((tmp_path / "run" / "pictures").glob("*.png"))


def test_the_paper_size_model_takes_a_step_on_the_full_shape(datasets, tmp_path):
    # No pictures: decoding a clip of this size takes 2 TFLOP.
    params = [*_data_params("playroom.gin", datasets), "batch_size = 1", *ONE_STEP, "train.num_pictures = 0"]
    metrics = _train("playroom.gin", tmp_path / "run", params)
    assert metrics["step"] == 1
    assert metrics["parameters"] == 10_992_710
    assert metrics["resolution"] == [64, 64]
    assert metrics["frames"] == 16


def test_the_operative_config_reads_back_as_the_same_config(datasets, tmp_path):
    _train("playroom.gin", tmp_path / "run", [*_data_params("playroom.gin", datasets), *REDUCED, *ONE_STEP])
    stored = (tmp_path / "run" / gin_files.CONFIG_FILE).read_text()
    assert "PixelDecoder.hidden_size = 8" in stored
    # The folder alone is enough for the next command, and what that one stores is the same.
    train.main([f"--run_dir={tmp_path / 'run'}"])
    assert (tmp_path / "run" / gin_files.CONFIG_FILE).read_text() == stored


@pytest.mark.parametrize("name", sorted(registry.NAMES))
def test_every_registered_name_can_be_used_in_a_file(name, tmp_path):
    (tmp_path / "main.gin").write_text(f"train.model = @{name}\n")
    gin_files.parse_config([str(tmp_path / "main.gin")])
    used = gin.query_parameter("train.model").configurable.wrapped
    assert used is registry.load(name)


def test_later_files_and_bindings_win(tmp_path):
    (tmp_path / "a.gin").write_text("PixelDecoder.hidden_size = 1\nPixelDecoder.num_hidden_layers = 1\n")
    (tmp_path / "b.gin").write_text("PixelDecoder.hidden_size = 2\nPixelDecoder.num_hidden_layers = 2\n")
    gin_files.parse_config([str(tmp_path / "a.gin"), str(tmp_path / "b.gin")], ["PixelDecoder.hidden_size = 3"])
    assert gin.query_parameter("PixelDecoder.hidden_size") == 3
    assert gin.query_parameter("PixelDecoder.num_hidden_layers") == 2


@pytest.mark.parametrize(
    ("params", "named"),
    [
        (["PixelDecodr.hidden_size = 3"], "PixelDecodr"),
        (["PixelDecoder.hiden_size = 3"], "hiden_size"),
        (["PixelDecoder.hidden_size 3"], "PixelDecoder"),
        (["PixelDecoder.hidden_size = @Nothing()"], "Nothing"),
        (["batch_sise = 3"], "batch_sise"),
        (["train.num_steps = %number_of_steps"], "number_of_steps"),
    ],
)
def test_a_wrong_binding_is_one_sentence_that_names_it(params, named):
    with pytest.raises(UserError, match=named) as caught:
        gin_files.parse_config([str(GIN / "quickstart.gin")], params)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("num_steps = 3\nnum_stpes = 3\ntrain.num_steps = %num_steps", ["main.gin, line 2", "num_stpes"]),
        (
            "train.clips = @training/ClipRecords()\ntraining/ClipRecords.split = 'a'\ntrainin/ClipRecords.split = 'b'",
            ["main.gin, line 3", "trainin/ClipRecords.split", "there is training"],
        ),
        ("a/ClipRecords.split = 'a'", ["main.gin, line 1", "a/ClipRecords.split"]),
        ("include 'inner.gin'\n", ["inner.gin, line 3", "PixelDecodr"]),
        ("train.seed = 1\ninclude 'parts/../inner.gin'\n", ["inner.gin, line 3", "PixelDecodr"]),
        ("train.seed = 1\ninclude 'fine.gin'\n\ntrain.sede = 2\n", ["main.gin, line 4", "sede"]),
        ("train.seed = 1\ninclude inner.gin\n", ["main.gin, line 2", "include 'file.gin'"]),
        ("train.seed = 1\ntrain.num_steps = (1,\n", ["main.gin", "multi-line"]),
        ("train.seed = 1\n\ntrain.num_steps 3\n", ["main.gin, line 3"]),
        ("train.seed = 1\nimport no_such_module\n", ["main.gin, line 2", "no_such_module"]),
    ],
)
def test_what_is_wrong_in_a_file_is_told_with_its_own_name_and_line(tmp_path, caplog, text, named):
    (tmp_path / "parts").mkdir()
    (tmp_path / "main.gin").write_text(text)
    (tmp_path / "inner.gin").write_text("# A comment.\n\nPixelDecodr.hidden_size = 3\n")
    (tmp_path / "fine.gin").write_text("# A comment.\n\nPixelDecoder.hidden_size = 3\n")
    with pytest.raises(UserError) as caught:
        gin_files.parse_config([str(tmp_path / "main.gin")])
    for part in named:
        assert part in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not caplog.records


def test_names_that_a_later_binding_makes_needless_are_no_mistake(tmp_path):
    (tmp_path / "main.gin").write_text(
        "size = 3\n"
        "PixelDecoder.hidden_size = %size\n"
        "train.num_steps = %nowhere_set\n"
        "train.clips = @training/small/ClipRecords()\n"
        "training/ClipRecords.split = 'train'\n"
        "training/small/ClipRecords.data_dir = 'a'\n"
    )
    params = ["PixelDecoder.hidden_size = 4", "train.clips = @ClipRecords()", "train.num_steps = 1"]
    gin_files.parse_config([str(tmp_path / "main.gin")], params)
    assert gin.query_parameter("PixelDecoder.hidden_size") == 4


def test_bindings_under_an_outer_scope_are_used(tmp_path):
    (tmp_path / "main.gin").write_text(
        "train.clips = @training/small/ClipRecords()\n"
        "training/ClipRecords.split = 'train'\n"
        "training/small/ClipRecords.data_dir = 'a'\n"
    )
    gin_files.parse_config([str(tmp_path / "main.gin")])
    reader = gin.query_parameter("train.clips").scoped_configurable_fn()
    assert (reader.split, reader.data_dir) == ("train", "a")


def test_a_mistake_of_the_program_itself_keeps_its_traceback(monkeypatch):
    def broken(*arguments, **keywords):
        raise TypeError("a genuine bug")

    monkeypatch.setattr(settings, "check_values", broken)
    with pytest.raises(TypeError, match="genuine"):
        settings.read_settings([str(GIN / "quickstart.gin")])


def test_a_macro_that_is_only_named_in_a_text_is_not_taken_for_one(tmp_path):
    gin_files.parse_config([str(GIN / "quickstart.gin")], ["training/ClipRecords.data_dir = 'a%b'"])
    assert gin.query_parameter("training/ClipRecords.data_dir") == "a%b"


def test_an_include_is_looked_up_beside_its_file_and_then_beside_the_file_that_was_named(tmp_path):
    for folder in ("parts", "pairs"):
        (tmp_path / folder).mkdir()
    (tmp_path / "main.gin").write_text("include 'pairs/pair.gin'\n")
    (tmp_path / "pairs" / "pair.gin").write_text("include '../parts/a.gin'\ninclude 'parts/b.gin'\n")
    (tmp_path / "parts" / "a.gin").write_text("include 'c.gin'\n")
    (tmp_path / "parts" / "b.gin").write_text("PixelDecoder.hidden_size = 2\n")
    (tmp_path / "parts" / "c.gin").write_text("PixelDecoder.num_hidden_layers = 3\n")
    (tmp_path / "c.gin").write_text("PixelDecoder.num_hidden_layers = 4\n")
    gin_files.parse_config([str(tmp_path / "main.gin")])
    assert gin.query_parameter("PixelDecoder.hidden_size") == 2
    assert gin.query_parameter("PixelDecoder.num_hidden_layers") == 3


def test_a_missing_file_or_include_is_named(tmp_path):
    with pytest.raises(UserError, match=r"absent\.gin"):
        gin_files.parse_config([str(tmp_path / "absent.gin")])
    (tmp_path / "main.gin").write_text("include 'models/absent.gin'\n")
    with pytest.raises(UserError, match=r"models/absent\.gin"):
        gin_files.parse_config([str(tmp_path / "main.gin")])
    with pytest.raises(UserError, match="--gin_file"):
        gin_files.parse_config([], [], str(tmp_path))


def test_a_value_that_nobody_set_is_named(tmp_path):
    (tmp_path / "main.gin").write_text("train.num_steps = 1\n")
    with pytest.raises(UserError, match="clips"):
        train.main([f"--gin_file={tmp_path / 'main.gin'}", f"--run_dir={tmp_path / 'run'}"])
    assert not (tmp_path / "run").exists()


def test_a_file_that_is_not_there_itself_is_not_called_wrong(tmp_path, monkeypatch):
    path = tmp_path / "a.gin"
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:12\nsize 3\n")
    with pytest.raises(UserError) as raised:
        gin_files.parse_config([str(path)], [])
    assert str(raised.value) == f"{path}: it is a Git LFS pointer, not the file itself: run git lfs pull."

    def withheld(name, *arguments, **named):
        raise PermissionError(13, "Permission denied", name)

    monkeypatch.setattr("builtins.open", withheld)
    with pytest.raises(UserError) as raised:
        gin_files.parse_config([str(path)], [])
    assert str(raised.value) == (
        f"{path} cannot be read as a gin file (Permission denied); check its name and permissions."
    )


@pytest.mark.parametrize("name", [name for name in SHIPPED if not name.startswith(("training/", "optimization/"))])
def test_only_cater_is_trained_on_the_first_frames(name):
    gin_files.parse_config([str(GIN / name)], [])
    bound = gin.get_bindings("training_batches", resolve_references=False)
    assert bound.get("window") == ("start" if name == "simone/cater.gin" else None)
    gin_files.parse_config([str(GIN / name)], ["training_batches.window = 'random'"])
    assert gin.get_bindings("training_batches", resolve_references=False)["window"] == "random"


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbfinclude 'part.gin'\r\ntrain.num_steps = %num_steps\r\n",
        b"# two\x0bcolumns, and \xe2\x80\xa8 another line\ninclude 'part.gin'\ntrain.num_steps = %num_steps",
        b"include 'part.gin'\rtrain.num_steps = \\\r\n  %num_steps\r",
    ],
)
def test_files_of_other_editors(tmp_path, content):
    """A mark at the beginning, the line ends of Windows and of old Macs, other breaks than those of lines."""
    (tmp_path / "part.gin").write_bytes(b"\xef\xbb\xbfnum_steps = 7\r\n")
    (tmp_path / "whole.gin").write_bytes(content)
    gin_files.parse_config([str(tmp_path / "whole.gin")])
    assert gin.get_bindings("train") == {"num_steps": 7}


def test_a_name_that_is_no_utf8_is_told():
    param = "train.clips = @ClipRecords()\nClipRecords.data_dir = 'l\udce4uft'"
    with pytest.raises(UserError, match=r"l\\xe4uft' holds bytes that are no UTF-8"):
        gin_files.check_names([str(GIN / "quickstart.gin")], [param])
