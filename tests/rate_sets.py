"""Writes the files behind the input rates of docs/performance.md, and prints the command that measures each row.

    python tests/rate_sets.py sets

About as compressible as the published files, where they are not noise: discs before a shaded ground in the image sets,
smooth pictures in GQN's, rendered scenes in CATER's and in clip records, the records of a real file, over and over, in
Tetrominoes', frames of a real clip under smooth segments, flow, depth and normals in MOVi's. Takes 6 GB.
"""

import json
import pathlib
import subprocess
import sys

import numpy as np
import tensorflow as tf
from PIL import Image, ImageSequence

import gqn_set
import image_sets
import movi_set

ROOT = pathlib.Path(__file__).parents[1]
FILES = ROOT / "tests" / "data" / "files"


def image_set(name: str, distinct: int):
    """A writer of `count` images of one of the image sets, of which so many are distinct."""

    def write(folder: pathlib.Path, count: int) -> None:
        folder.mkdir(parents=True)
        records = [image_sets.serialized(_discs(name, seed)) for seed in range(min(distinct, count))]
        image_sets.write_records(folder / f"{name}.tfrecords", [records[i % len(records)] for i in range(count)])

    return write


def tetrominoes(folder: pathlib.Path, count: int) -> None:
    real = tf.data.TFRecordDataset(str(FILES / "tetrominoes_mini.tfrecords"), "GZIP").repeat().take(count)
    folder.mkdir(parents=True)
    image_sets.write_records(folder / "tetrominoes_train.tfrecords", real.as_numpy_iterator())


def gqn(folder: pathlib.Path, count: int) -> None:
    for shard in range(8):
        scenes = [gqn_set.scene(100 * shard + i) for i in range(min(100, count))] * -(-count // 800)
        gqn_set.write(folder / "rooms_ring_camera" / "train" / f"{shard + 1:05d}-of-00008.tfrecord", scenes)


def rendered(preset: str, *options: str):
    """A writer of `count` generated clips in eight files."""

    def write(folder: pathlib.Path, count: int) -> None:
        line = [sys.executable, str(ROOT / "tools" / "make_dataset.py"), f"--preset={preset}", f"--num_clips={count}"]
        line += [f"--clips_per_shard={-(-count // 8)}", f"--out={folder}", *options]
        subprocess.run(line, check=True, stdout=subprocess.DEVNULL)

    return write


def movi(folder: pathlib.Path, count: int) -> None:
    """Look-alikes of MOVi A."""
    _movi(folder, count, _movi_example)


def movi_noise(folder: pathlib.Path, count: int) -> None:
    """Every picture is noise, which zlib stores and does not compress: records are larger, decoding takes less."""
    _movi(folder, count, movi_set.example)


# Row of the table -> writer, number of clips, gin file, and bindings that `{folder}` is put into.
_IMAGES = ("training_records = (0, None)",)
ROWS = {
    "cater": (
        rendered("cater", "--format=cater_with_masks"),
        256,
        "cater",
        ("cater_dir = '{folder}'", "held_out/CaterWithMasks.split = 'train'"),
    ),
    "clips": (
        rendered("objects_room"),
        320,
        "playroom",
        ("playroom_dir = '{folder}'", "held_out/ClipRecords.split = 'train'"),
    ),
    "multi_dsprites": (
        image_set("multi_dsprites_colored_on_colored", 1000),
        3000,
        "multi_dsprites",
        ("multi_dsprites_dir = '{folder}'", *_IMAGES),
    ),
    "objects_room_images": (
        image_set("objects_room_train", 1000),
        3000,
        "objects_room_images",
        ("objects_room_images_dir = '{folder}'", *_IMAGES),
    ),
    "clevr": (image_set("clevr_with_masks_train", 40), 120, "clevr_with_masks", ("clevr_dir = '{folder}'", *_IMAGES)),
    "movi": (movi, 288, "movi", ("movi_dir = '{folder}'",)),
    "movi_noise": (movi_noise, 288, "movi", ("movi_dir = '{folder}'",)),
    "tetrominoes": (tetrominoes, 30000, "tetrominoes", ("tetrominoes_dir = '{folder}'", *_IMAGES)),
    "gqn": (gqn, 4000, "gqn_rooms", ("gqn_dir = '{folder}'", "held_out/GQNRooms.split = 'train'")),
}


def bindings(row: str, folder: pathlib.Path) -> list[str]:
    """The gin bindings that point a row's gin file at its folder."""
    return [binding.format(folder=folder) for binding in ROWS[row][3]]


def _discs(name: str, seed: int) -> dict[str, np.ndarray]:
    values, _ = image_sets.arrays(name, seed)
    rng = np.random.default_rng(seed)
    entities, (height, width, channels) = image_sets.ENTITIES[name], values["image"].shape
    rows, columns = np.mgrid[:height, :width]
    owners = np.zeros((height, width), int)
    for entity in range(1, entities):
        row, column, radius = rng.uniform(0, height), rng.uniform(0, width), rng.uniform(height / 10, height / 5)
        owners[(rows - row) ** 2 + (columns - column) ** 2 < radius**2] = entity
    colours = rng.integers(0, 256, (entities, channels))
    # Rendered images have a little noise, sprites have none.
    noise = 0 if name.startswith("multi_dsprites") else rng.integers(0, 3, (height, width, 1))
    shade = (1 - 0.3 * rows / height)[..., np.newaxis]
    values["image"] = (colours[owners] * shade + noise).clip(0, 255).astype(np.uint8)
    masks = (owners == np.arange(entities)[:, np.newaxis, np.newaxis]).astype(np.uint8) * 255
    values["mask"] = masks.transpose(1, 2, 0)[..., None] if name.startswith("multi_dsprites") else masks[..., None]
    return values


def _movi_example(seed: int, variant: str, size: int, layers: bool, num_objects: int) -> dict:
    """Frames of a real clip, moved and mirrored, and discs as segments, with smooth flow, depth, normals and so on."""
    assert layers
    content = movi_set.example(seed, variant, size, False, num_objects)
    rng = np.random.default_rng(seed)
    with Image.open(FILES / "movi_a_first_frames.gif") as gif:
        resized = [
            frame.convert("RGB").resize((size, size), Image.Resampling.BOX) for frame in ImageSequence.Iterator(gif)
        ]
    frames = np.stack([np.asarray(resized[t % len(resized)]) for t in range(movi_set.FRAMES)])
    content["video"] = np.roll(frames[:, :, :: 1 - 2 * (seed % 2)], int(rng.integers(size)), axis=2)
    shape = (movi_set.FRAMES, size, size)
    rows, columns = np.mgrid[:size, :size]
    segments, depth = np.zeros(shape, np.uint8), np.tile(20000.0 + 150 * rows, (shape[0], 1, 1))
    normal = np.tile([32767.0, 32767.0, 65535.0], (*shape, 1))
    coordinates, flow = np.zeros((*shape, 3)), np.full((*shape, 2), 32768.0)
    for index in range(num_objects):
        (row, column), radius = rng.uniform(0.1 * size, 0.9 * size, 2), rng.uniform(0.06, 0.14) * size
        speed = rng.normal(size=2) * 1.5
        for t in range(shape[0]):
            across, down = (columns - column - speed[0] * t) / radius, (rows - row - speed[1] * t) / radius
            inside = across**2 + down**2 < 1
            height = np.sqrt(np.clip(1 - across**2 - down**2, 0, 1))
            segments[t][inside] = index + 1
            depth[t][inside] = (15000 + 400 * index - 3000 * height)[inside]
            normal[t][inside] = coordinates[t][inside] = ((np.stack([across, down, height], -1) + 1) * 32767)[inside]
            flow[t][inside] = 32768 + speed * 300 + rng.normal(size=(inside.sum(), 2)) * 20
    layers = {
        "depth": depth[..., None],
        "normal": normal,
        "object_coordinates": coordinates,
        "forward_flow": flow,
        "backward_flow": 65535 - flow,
    }
    content |= {name: values.clip(0, 65535).astype(np.uint16) for name, values in layers.items()}
    return content | {"segmentations": segments[..., None]}


def _movi(folder: pathlib.Path, count: int, example) -> None:
    """`count` clips in eight files, of which 48 are distinct; the others are the same bytes once more."""
    repeats = -(-count // 48)
    distinct = -(-count // repeats)
    counts = (("train", distinct), ("validation", 8))
    written = pathlib.Path(movi_set.write(folder, size=128, counts=counts, num_shards=8, make_example=example))
    for path in written.glob("*-train.tfrecord-*"):
        path.write_bytes(path.read_bytes() * repeats)
    info = json.loads((written / "dataset_info.json").read_text())
    for split in info["splits"]:
        if split["name"] == "train":
            split["shardLengths"] = [str(int(length) * repeats) for length in split["shardLengths"]]
            split["numBytes"] = str(int(split["numBytes"]) * repeats)
    (written / "dataset_info.json").write_text(json.dumps(info))


def main() -> None:
    out = pathlib.Path(sys.argv[1])
    for row, (write, count, gin_file, _) in ROWS.items():
        if not (out / row).exists():
            write(out / row, count)
        params = " ".join(f'--gin_param="{binding}"' for binding in bindings(row, out / row))
        print(f"python tools/benchmark.py --input --gin_file=gin/simone/{gin_file}.gin {params}", flush=True)


if __name__ == "__main__":
    main()
