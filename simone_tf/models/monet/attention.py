"""How MONet's attention divides a frame: each slot takes a share of what those before it left (paper, section 2.2)."""

from collections.abc import Callable

import tensorflow as tf


def log_attention_masks(
    attend: Callable[[tf.Tensor, tf.Tensor], tf.Tensor], frames: tf.Tensor, num_slots: int
) -> tf.Tensor:
    """Logarithms of masks that sum to 1 over the slots at every pixel.

    The scope starts as 1; a slot takes sigmoid(logit) of it and leaves the rest, and the last slot takes all that is
    left. Only logarithms are kept, so that no small mask is rounded to 0 or to what 1 leaves.

    Args:
        attend: frames and log scope to logits, such as a built `AttentionUNet`; called K - 1 times.
        frames: `[N, H, W, 3]` float32 in [0, 1].
        num_slots: K.

    Returns:
        `[N, K, H, W]` float32, at most 0 and finite.
    """
    log_scope = tf.zeros_like(frames[..., 0])
    log_masks = []
    for _ in range(num_slots - 1):
        logits = attend(frames, log_scope)
        log_masks.append(log_scope + tf.math.log_sigmoid(logits))
        log_scope += tf.math.log_sigmoid(-logits)
    return tf.stack([*log_masks, log_scope], axis=1)
