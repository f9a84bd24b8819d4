"""Sets in MOVi's feature specification, written by TensorFlow Datasets itself."""

import numpy as np
import tensorflow_datasets as tfds

FRAMES = 24
SHAPES, SIZES, MATERIALS = ("cube", "cylinder", "sphere"), ("small", "large"), ("metal", "rubber")
COLOURS = ("blue", "brown", "cyan", "gray", "green", "purple", "red", "yellow")
CATEGORIES = ("Bag", "Hat", "None", "Shoe")


def instance_features(variant: str) -> dict:
    features = {name: np.float32 for name in ("mass", "friction", "restitution")}
    widths = {"positions": 3, "quaternions": 4, "velocities": 3, "angular_velocities": 3, "image_positions": 2}
    features |= {name: tfds.features.Tensor(shape=(FRAMES, n), dtype=np.float32) for name, n in widths.items()}
    features |= {
        "bboxes_3d": tfds.features.Tensor(shape=(FRAMES, 8, 3), dtype=np.float32),
        "bboxes": tfds.features.Sequence(tfds.features.BBoxFeature()),
        "bbox_frames": tfds.features.Sequence(tfds.features.Tensor(shape=(), dtype=np.int32)),
        "visibility": tfds.features.Tensor(shape=(FRAMES,), dtype=np.uint16),
    }
    if variant == "movi_a":
        features |= {
            "shape_label": tfds.features.ClassLabel(names=SHAPES),
            "size_label": tfds.features.ClassLabel(names=SIZES),
            "color": tfds.features.Tensor(shape=(3,), dtype=np.float32),
            "color_label": tfds.features.ClassLabel(names=COLOURS),
            "material_label": tfds.features.ClassLabel(names=MATERIALS),
        }
    else:
        features |= {
            "asset_id": tfds.features.Text(),
            "category": tfds.features.ClassLabel(names=CATEGORIES),
            "scale": np.float32,
            "is_dynamic": np.bool_,
        }
    return features


def features(variant: str, size: int, layers: bool) -> tfds.features.FeaturesDict:
    """MOVi's features; without `layers` those of optical flow, depth, normals and object coordinates are left out."""
    pair = tfds.features.Tensor(shape=(2,), dtype=np.float32)
    content = {
        "metadata": {
            "video_name": tfds.features.Text(),
            "width": np.int32,
            "height": np.int32,
            "num_frames": np.int32,
            "num_instances": np.uint16,
            "depth_range": pair,
            "forward_flow_range": pair,
            "backward_flow_range": pair,
        },
        "instances": tfds.features.Sequence(instance_features(variant)),
        "camera": {
            "focal_length": np.float32,
            "sensor_width": np.float32,
            "field_of_view": np.float32,
            "positions": tfds.features.Tensor(shape=(FRAMES, 3), dtype=np.float32),
            "quaternions": tfds.features.Tensor(shape=(FRAMES, 4), dtype=np.float32),
        },
        "events": {
            "collisions": tfds.features.Sequence(
                {
                    "instances": tfds.features.Tensor(shape=(2,), dtype=np.uint16),
                    "frame": np.int32,
                    "force": np.float32,
                    "position": tfds.features.Tensor(shape=(3,), dtype=np.float32),
                    "image_position": tfds.features.Tensor(shape=(2,), dtype=np.float32),
                    "contact_normal": tfds.features.Tensor(shape=(3,), dtype=np.float32),
                }
            )
        },
        "video": tfds.features.Video(shape=(FRAMES, size, size, 3)),
        "segmentations": tfds.features.Sequence(
            tfds.features.Image(shape=(size, size, 1), dtype=np.uint8), length=FRAMES
        ),
    }
    if variant != "movi_a":
        content["background"] = tfds.features.Text()
    if layers:
        flow = tfds.features.Tensor(shape=(size, size, 2), dtype=np.uint16)
        depth = tfds.features.Image(shape=(size, size, 1), dtype=np.uint16)
        content |= {
            "forward_flow": tfds.features.Sequence(flow, length=FRAMES),
            "backward_flow": tfds.features.Sequence(flow, length=FRAMES),
            "depth": tfds.features.Sequence(depth, length=FRAMES),
            "normal": tfds.features.Video(shape=(FRAMES, size, size, 3), dtype=np.uint16),
            "object_coordinates": tfds.features.Video(shape=(FRAMES, size, size, 3), dtype=np.uint16),
        }
    return tfds.features.FeaturesDict(content)


def example(seed: int, variant: str, size: int, layers: bool, num_objects: int) -> dict:
    """A clip of random content; objects of even index stand still, and every third is never seen."""
    rng = np.random.default_rng(seed)

    def normal(*shape):
        return rng.normal(size=shape).astype(np.float32)

    instances = []
    for index in range(num_objects):
        positions = np.repeat(normal(1, 3), FRAMES, axis=0)
        if index % 2:
            positions[5:] += np.float32([0.0, 0.5, -0.25])
        shown = np.flatnonzero(rng.random(FRAMES) < 0.7)
        visibility = np.zeros(FRAMES, np.uint16)
        if index % 3 != 2:
            visibility[shown] = rng.integers(1, 60000, len(shown))
        low = rng.random((len(shown), 2)) / 2
        instance = {
            **{name: float(rng.random()) for name in ("mass", "friction", "restitution")},
            "positions": positions,
            "quaternions": normal(FRAMES, 4),
            "velocities": normal(FRAMES, 3),
            "angular_velocities": normal(FRAMES, 3),
            "image_positions": normal(FRAMES, 2),
            "bboxes_3d": normal(FRAMES, 8, 3),
            "bboxes": [tfds.features.BBox(y, x, y + 0.3, x + 0.3) for y, x in low],
            "bbox_frames": shown.astype(np.int32),
            "visibility": visibility,
        }
        if variant == "movi_a":
            instance |= {
                "shape_label": str(rng.choice(SHAPES)),
                "size_label": str(rng.choice(SIZES)),
                "color": rng.random(3).astype(np.float32),
                "color_label": str(rng.choice(COLOURS)),
                "material_label": str(rng.choice(MATERIALS)),
            }
        else:
            instance |= {
                "asset_id": f"asset {index}",
                "category": str(rng.choice(CATEGORIES)),
                "scale": 0.75 + float(rng.random()),
                "is_dynamic": bool(index % 2),
            }
        instances.append(instance)
    content = {
        "metadata": {
            "video_name": str(seed),
            "width": size,
            "height": size,
            "num_frames": FRAMES,
            "num_instances": num_objects,
            **{f"{name}_range": normal(2) for name in ("depth", "forward_flow", "backward_flow")},
        },
        "instances": instances,
        "camera": {
            "focal_length": 35.0,
            "sensor_width": 32.0,
            "field_of_view": 0.86,
            "positions": normal(FRAMES, 3),
            "quaternions": normal(FRAMES, 4),
        },
        "events": {
            "collisions": [
                {
                    "instances": np.array([0, 65535], np.uint16),
                    "frame": 3 + i,
                    "force": 1.5,
                    "position": normal(3),
                    "image_position": normal(2),
                    "contact_normal": normal(3),
                }
                for i in range(seed % 3)
            ]
        },
        "video": rng.integers(0, 256, (FRAMES, size, size, 3)).astype(np.uint8),
        "segmentations": rng.integers(0, num_objects + 1, (FRAMES, size, size, 1)).astype(np.uint8),
    }
    if variant != "movi_a":
        content["background"] = "a meadow"
    if layers:
        channels = {"forward_flow": 2, "backward_flow": 2, "depth": 1, "normal": 3, "object_coordinates": 3}
        for name, depth in channels.items():
            content[name] = rng.integers(0, 2**16, (FRAMES, size, size, depth)).astype(np.uint16)
    return content


def write(
    data_dir,
    variant: str = "movi_a",
    size: int = 16,
    counts=(("train", 3), ("validation", 2)),
    num_shards: int = 1,
    layers: bool = True,
    resolution: str | None = None,
    most_objects: int = 5,
    make_example=example,
):
    """Writes `<data_dir>/<variant>/<resolution>/1.0.0`, clips of 1 to `most_objects` objects; returns the folder."""
    first = 0
    examples = {}
    for split, count in counts:
        examples[split] = [
            (seed, make_example(seed, variant, size, layers, num_objects=1 + (seed * 3 + 2) % most_objects))
            for seed in range(first, first + count)
        ]
        first += count
    builder = tfds.dataset_builders.store_as_tfds_dataset(
        name=variant,
        version="1.0.0",
        features=features(variant, size, layers),
        split_datasets=examples,
        config=resolution or f"{size}x{size}",
        data_dir=data_dir,
        download_config=tfds.download.DownloadConfig(num_shards=num_shards),
    )
    return builder.data_path
