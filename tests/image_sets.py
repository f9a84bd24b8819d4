"""Files in the schemas of multi_object_datasets' image sets, written byte by byte from their description.

Nothing is shared with the readers, and only the framing and GZIP are TensorFlow's, because the checksum of a long
record takes long in Python.
"""

import numpy as np
import tensorflow as tf

ENTITIES = {
    "objects_room_train": 7,
    "objects_room_test_six_objects": 10,
    "objects_room_test_empty_room": 4,
    "objects_room_test_identical_color": 10,
    "multi_dsprites_binarized": 4,
    "multi_dsprites_colored_on_grayscale": 6,
    "multi_dsprites_colored_on_colored": 5,
    "clevr_with_masks_train": 11,
    "tetrominoes_train": 4,
}
"""File name without its ending -> masks per image."""

SIZES = {"clevr_with_masks_train": (240, 320), "tetrominoes_train": (35, 35)}


def varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def delimited(number: int, payload: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def byte_strings(array) -> bytes:
    """tf.train.Feature of one string per byte: for each the tag of field 1, the length 1, the byte."""
    run = np.full((np.size(array), 3), 1, np.uint8)
    run[:, 0] = 1 << 3 | 2
    run[:, 2] = np.ravel(array)
    return delimited(1, run.tobytes())


def floats(array) -> bytes:
    return delimited(2, delimited(1, np.ravel(array).astype("<f4").tobytes()))


def example(features: dict[str, bytes]) -> bytes:
    """tf.train.Example of serialized features, in the order given."""
    entries = (delimited(1, delimited(1, name.encode()) + delimited(2, value)) for name, value in features.items())
    return delimited(1, b"".join(entries))


def arrays(name: str, seed: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """The features of one image as arrays, and the entity of every pixel [H, W]."""
    rng = np.random.default_rng(seed)
    entities, (height, width) = ENTITIES[name], SIZES.get(name, (64, 64))
    # Every entity shows somewhere, each in a few patches of 5x5 pixels.
    patches = rng.integers(0, entities, (-(-height // 5), -(-width // 5)))
    patches.flat[:entities] = np.arange(entities)
    owners = np.kron(patches, np.ones((5, 5), int))[:height, :width]
    channels = 1 if name.endswith("binarized") else 3
    values = {"image": rng.integers(0, 256, (height, width, channels)).astype(np.uint8)}
    masks = (owners == np.arange(entities)[:, None, None]).astype(np.uint8) * 255
    values["mask"] = masks.transpose(1, 2, 0)[..., None] if name.startswith("multi_dsprites") else masks[..., None]
    if name.startswith("objects_room"):
        return values, owners
    visibility = (rng.random(entities) < 0.7).astype(np.float32)
    visibility[0] = 1
    values |= {"visibility": visibility, "x": rng.normal(size=entities), "y": rng.normal(size=entities)}
    codes = {key: rng.integers(0, 3, entities).astype(np.uint8) for key in ("shape", "size", "material", "color")}
    if name.startswith("clevr"):
        values |= codes
        values |= {"z": rng.normal(size=entities), "rotation": rng.normal(size=entities)}
        values["pixel_coords"] = rng.normal(size=(entities, 3))
        return values, owners
    values |= {"shape": codes["shape"].astype(np.float32), "color": rng.random((entities, channels))}
    if name.startswith("multi_dsprites"):
        values |= {"orientation": rng.normal(size=entities), "scale": rng.random(entities)}
    return values, owners


def serialized(values: dict[str, np.ndarray], shuffle_seed: int | None = None) -> bytes:
    """One record; the order of its features, which the format leaves open, drawn from the seed."""
    names = list(values)
    if shuffle_seed is not None:
        np.random.default_rng(shuffle_seed).shuffle(names)
    return example(
        {key: byte_strings(values[key]) if values[key].dtype == np.uint8 else floats(values[key]) for key in names}
    )


def write_records(path, records, compression="GZIP") -> None:
    with tf.io.TFRecordWriter(str(path), compression) as writer:
        for record in records:
            writer.write(record)


def write_set(folder, name: str, num_images: int) -> None:
    """Image i of `<folder>/<name>.tfrecords` is `arrays(name, i)`."""
    write_records(folder / f"{name}.tfrecords", [serialized(arrays(name, seed)[0], seed) for seed in range(num_images)])
