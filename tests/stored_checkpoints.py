"""Small checkpoints, and what a dying disk does to their files."""

import keras
import tensorflow as tf

from simone_tf.training.checkpoints import Checkpoints

INDEX, DATA = "ckpt-{}.index", "ckpt-{}.data-00000-of-00001"
# What a killed `files.replacing_folder` leaves: a folder that was being written, the whole new one, the old one.
UNFINISHED, NEW, OLD = ".best.abc.tmp", ".best.abc.tmp.new", ".best.abc.tmp.old"


def simple_parts():
    dense = keras.layers.Dense(40)
    dense.build((None, 30))
    return {"model": dense, "step": tf.Variable(0, dtype=tf.int64)}


def restored_step(folder):
    parts = simple_parts()
    Checkpoints(folder.parent, parts).restore_latest()
    return int(parts["step"].numpy())


def cut(path, count):
    path.write_bytes(path.read_bytes()[:count])


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


def zero(path, first=0, count=None):
    content = bytearray(path.read_bytes())
    end = len(content) if count is None else first + count
    content[first:end] = bytes(end - first)
    path.write_bytes(content)


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
