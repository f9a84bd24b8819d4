"""What a configuration can name: collected from the rooms that own it, as text, so that it costs no TensorFlow."""

import functools
import importlib
from typing import Any

import gin

from simone_tf.data.formats import READERS
from simone_tf.data.pipeline import BATCHES
from simone_tf.models import MODELS, PARTS
from simone_tf.training import OPTIMIZERS

# Of the room above this one; they are only named here.
SETTINGS = {
    "train": "simone_tf.runs.settings:RunSettings",
    "nats_per_pixel_of": "simone_tf.runs.measured:nats_per_pixel_of",
}

BUILT = MODELS | PARTS | READERS | BATCHES | OPTIMIZERS
"""Name -> "module:attribute" of everything that a configuration has built."""

NAMES = SETTINGS | BUILT
"""Name -> "module:attribute" of everything that a configuration can name."""


def load(name: str) -> Any:
    """Imports what a name of `NAMES` stands for."""
    module, _, attribute = NAMES[name].partition(":")
    return getattr(importlib.import_module(module), attribute)


@functools.cache
def register() -> None:
    """Makes all names known to gin, for which TensorFlow is loaded; harmless when called again."""
    for name in NAMES:
        gin.external_configurable(load(name), name)


def is_known(selector: str) -> bool:
    """Whether a configuration can name this: the library has it, or gin was told of it, as of a model of one's own.

    Args:
        selector: a name, with parts of its module before it or without.
    """
    if selector.rpartition(".")[2] in NAMES:
        return True
    try:
        gin.get_configurable(selector)
    except ValueError:
        return False
    except KeyError:  # There are several, which gin tells better.
        return True
    return True
