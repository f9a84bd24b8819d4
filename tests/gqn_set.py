"""Scenes in the schema of the GQN datasets, encoded by Pillow."""

import io

import numpy as np
import tensorflow as tf
from PIL import Image


def jpeg(seed, size, mode="RGB"):
    """A smooth picture, which JPEG keeps nearly as it is, encoded by Pillow."""
    coarse = Image.fromarray(np.random.default_rng(seed).integers(0, 256, (4, 4, 3)).astype(np.uint8))
    out = io.BytesIO()
    coarse.resize((size, size), Image.Resampling.BICUBIC).convert(mode).save(out, "JPEG", quality=95)
    return out.getvalue()


def scene(seed, views=10, size=64):
    frames = [jpeg(seed * 100 + view, size) for view in range(views)]
    cameras = np.random.default_rng(seed).uniform(-3, 3, (views, 5)).astype(np.float32)
    return {"frames": frames, "cameras": cameras}


def poses(cameras):
    """[T, 7] of [T, 5]: x, y, z, sin(yaw), cos(yaw), sin(pitch), cos(pitch)."""
    yaw, pitch = cameras[:, 3:4], cameras[:, 4:5]
    angles = (np.sin(yaw), np.cos(yaw), np.sin(pitch), np.cos(pitch))
    return np.concatenate([cameras[:, :3], *angles], axis=1).astype(np.float32)


def write(path, scenes):
    """One file of the published kind."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for content in scenes:
            frames = tf.train.Feature(bytes_list=tf.train.BytesList(value=content["frames"]))
            cameras = tf.train.Feature(float_list=tf.train.FloatList(value=content["cameras"].ravel()))
            features = tf.train.Features(feature={"frames": frames, "cameras": cameras})
            writer.write(tf.train.Example(features=features).SerializeToString())
