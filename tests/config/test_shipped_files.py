"""Every shipped gin file: parsed, built and stepped once at sizes a test can afford."""

import json
import pathlib

import gin
import numpy as np
import pytest
import tensorflow as tf

from simone_tf import train
from simone_tf.config import gin_files
from simone_tf.data.formats import write_records

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
    "monet/clevr_with_masks.gin": "clevr_with_masks_train",
    "monet/multi_dsprites.gin": "multi_dsprites_colored_on_colored",
    "monet/tetrominoes.gin": "tetrominoes_train",
    "simone/clevr_with_masks.gin": "clevr_with_masks_train",
    "simone/multi_dsprites.gin": "multi_dsprites_colored_on_colored",
    "simone/objects_room_images.gin": "objects_room_train",
    "simone/tetrominoes.gin": "tetrominoes_train",
    "slot_attention/clevr_with_masks.gin": "clevr_with_masks_train",
    "slot_attention/multi_dsprites.gin": "multi_dsprites_colored_on_grayscale",
    "slot_attention/tetrominoes.gin": "tetrominoes_train",
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
    "AttentionUNet.channels = (4, 4, 4)",
    "AttentionUNet.hidden_size = 8",
    "ComponentEncoder.channels = (4, 4)",
    "BroadcastDecoder.channels = (4, 4)",
    "StridedQueries.stride = 8",
    "RandomQueries.num_pixels = 16",
    "SlotAttentionEncoder.channels = 4",
    "SlotAttentionModule.slot_size = 8",
    "SlotAttentionDecoder.channels = 4",
    "RefinementNetwork.conv_channels = (4, 4)",
    "RefinementNetwork.mlp_sizes = (8,)",
    "RefinementNetwork.lstm_size = 8",
    "Tower.channels = 4",
    "ConvDraw.num_steps = 2",
    "ConvDraw.hidden_channels = 4",
    "ConvDraw.canvas_channels = 4",
    "RayEncoder.channels = (4, 4)",
    "RayEncoder.view_size = 8",
    "RadianceField.width = 8",
    "RadianceField.num_layers = 2",
    "NeRFVAE.coarse_points = 4",
    "NeRFVAE.fine_points = 3",
    "batch_size = 2",
)
CLIPS = ("simone/", "playroom.gin", "monet/", "slot_attention/")
"""Files of models to which it is all the same how many frames a clip has."""
UNDIVIDED = ("gqn/", "nerf_vae/")
"""Folders of models that do not divide a scene."""
SCENES = {
    "rooms_dir": "objects_room",
    "pushed_dir": "objects_room_moving",
    "tables_dir": "tabletop",
    "tricks_dir": "cater",
    "toys_dir": "playroom",
}
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
    pictures = folder / "generated_tetrominoes"
    pictures.mkdir()
    scenes = [folder / "scenes" / name for name in SCENES.values()]
    for kind in scenes:
        kind.mkdir(parents=True)
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
            pictures / write_records.shard_name(split, 0, 1),
            [{name: clip[name][:1, :35, :35] for name in ("video", "segments")} for clip in clips],
        )
        for kind in scenes:
            short = [{name: clip[name][:8] for name in ("video", "segments")} for clip in clips]
            write_records.write_shard(kind / write_records.shard_name(split, 0, 1), short)
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
    for name in set(IMAGE_SETS.values()):
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
    if name == "simone/scenes.gin":
        return [f"{macro} = {str(datasets / 'scenes' / folder)!r}" for macro, folder in SCENES.items()]
    if name == "slot_attention/generated_tetrominoes.gin":
        return [f"generated_tetrominoes_dir = {str(datasets / 'generated_tetrominoes')!r}"]
    if dataset == "quickstart_views":
        return [f"quickstart_views_dir = {str(datasets / 'quickstart_views')!r}"]
    further = []
    if name.startswith("slot_attention/"):
        further = ["train.microbatch_size = None"]
    if name.startswith("sequential_iodine/"):
        further = ["train.num_frames = 3"]  # A graph for every frame: of 16 they take minutes to trace.
    return [f"{macro} = {str(datasets)!r}", *further] if macro else further


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
        "simone/scenes.gin",
        "monet/quickstart.gin",
        "monet/objects_room.gin",
        "monet/cater.gin",
        "monet/playroom.gin",
        "simone_vs/quickstart_views.gin",
        "simone_vs/playroom.gin",
        "simone_vs/objects_room.gin",
        "simone_vs/gqn_rooms.gin",
        "gqn/quickstart_views.gin",
        "gqn/gqn_rooms.gin",
        "nerf_vae/quickstart_views.gin",
        "nerf_vae/gqn_rooms.gin",
        "slot_attention/quickstart.gin",
        "slot_attention/generated_tetrominoes.gin",
        "slot_attention/objects_room.gin",
        "slot_attention/cater.gin",
        "slot_attention/playroom.gin",
        "sequential_iodine/quickstart.gin",
        "sequential_iodine/objects_room.gin",
        "sequential_iodine/cater.gin",
        "sequential_iodine/playroom.gin",
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


@pytest.fixture
def _eager():
    """Tracing the graphs of a step and of an evaluation takes longer than taking them; other tests do that."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.mark.usefixtures("_eager")
@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_file_is_built_and_takes_a_step(name, datasets, tmp_path):
    params = [*_data_params(name, datasets), *REDUCED, *ONE_STEP]
    if name.startswith(CLIPS) and pathlib.PurePath(name).stem in ("cater", "objects_room", "playroom", "movi"):
        params.append("train.num_frames = 8")  # of 16; StridedQueries decodes 8
    is_drawn = "quickstart" in name  # One of each model: drawing takes as long as the step.
    if not is_drawn:
        params.append("train.num_pictures = 0")
    metrics = _train(name, tmp_path / "run", params)
    assert metrics["step"] == 1
    # No masks, or one for all pixels, so no such score rather than one that says nothing.
    if name.endswith("/gqn_rooms.gin") or name.startswith(UNDIVIDED):
        assert not [measure for measure in metrics if "ari" in measure]
        assert np.isfinite(metrics["reconstruction_mse"])
    else:
        assert np.isfinite(metrics["video_ari_foreground"])
    assert metrics["num_clips"] == (len(SCENES) if name == "simone/scenes.gin" else 1)
    assert bool(list((tmp_path / "run").glob("pictures/*.png"))) == is_drawn


def test_the_paper_size_model_takes_a_step_on_the_full_shape(datasets, tmp_path):
    # No pictures: decoding a clip of this size takes 2 TFLOP.
    params = [*_data_params("playroom.gin", datasets), "batch_size = 1", *ONE_STEP, "train.num_pictures = 0"]
    metrics = _train("playroom.gin", tmp_path / "run", params)
    assert metrics["step"] == 1
    assert metrics["parameters"] == 10_992_710
    assert metrics["resolution"] == [64, 64]
    assert metrics["frames"] == 16


def test_monet_has_a_million_weights_at_the_paper_size(datasets, tmp_path):
    params = [*_data_params("monet/tetrominoes.gin", datasets), "batch_size = 1", *ONE_STEP, "train.num_pictures = 0"]
    metrics = _train("monet/tetrominoes.gin", tmp_path / "run", params)
    # Its four blocks, and maps of 5x5 where 64x64 pixels leave 4x4.
    down = 9 * (4 * 32 + 32 * 64 + 2 * 64 * 64) + 2 * (32 + 3 * 64)
    up = 9 * (2 * 128 * 64 + 128 * 32 + 64 * 32) + 2 * (2 * 64 + 2 * 32)
    dense = (1600 * 128 + 128) + (128 * 128 + 128) + (128 * 1600 + 1600)
    encoder = 1184 + 9248 + 18496 + 36928 + (3 * 3 * 64 * 256 + 256) + (256 * 32 + 32)
    assert metrics["parameters"] == down + dense + up + 33 + encoder + 70148
    assert metrics["resolution"] == [35, 35]


def test_the_operative_config_reads_back_as_the_same_config(datasets, tmp_path):
    _train("playroom.gin", tmp_path / "run", [*_data_params("playroom.gin", datasets), *REDUCED, *ONE_STEP])
    stored = (tmp_path / "run" / gin_files.CONFIG_FILE).read_text()
    assert "PixelDecoder.hidden_size = 8" in stored
    # The folder alone is enough for the next command, and what that one stores is the same.
    train.main([f"--run_dir={tmp_path / 'run'}"])
    assert (tmp_path / "run" / gin_files.CONFIG_FILE).read_text() == stored


@pytest.mark.parametrize("name", [name for name in SHIPPED if not name.startswith(("training/", "optimization/"))])
def test_only_cater_is_trained_on_the_first_frames(name):
    gin_files.parse_config([str(GIN / name)], [])
    bound = gin.get_bindings("training_batches", resolve_references=False)
    assert bound.get("window") == ("start" if name.endswith("/cater.gin") else None)
    gin_files.parse_config([str(GIN / name)], ["training_batches.window = 'random'"])
    assert gin.get_bindings("training_batches", resolve_references=False)["window"] == "random"
