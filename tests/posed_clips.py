"""Clips of noise with a camera that looks anywhere from anywhere, in the numbers of generated scenes."""

import tensorflow as tf


def posed_clips(seed, count, frame_size):
    """Two clips of `count` frames."""
    yaw = tf.random.stateless_uniform([2, count], [seed, 1], -3.0, 3.0)
    pitch = tf.random.stateless_uniform([2, count], [seed, 2], -1.0, 1.0)
    place = tf.random.stateless_normal([2, count, 3], [seed, 3])
    angles = tf.stack([tf.sin(yaw), tf.cos(yaw), tf.sin(pitch), tf.cos(pitch)], -1)
    return {
        "video": tf.random.stateless_uniform([2, count, *frame_size, 3], [seed, 0]),
        "camera": tf.concat([place, angles], -1),
    }
