"""A tiny model, and training steps of it on given clips under any strategy."""

import keras
import pytest
import tensorflow as tf

from simone_tf.models.parts.decoder import PixelDecoder
from simone_tf.models.parts.latents import LatentHead
from simone_tf.models.parts.likelihood import PixelMixture
from simone_tf.models.parts.queries import RandomQueries
from simone_tf.models.parts.transformer import Transformer
from simone_tf.models.simone.encoder import Encoder
from simone_tf.models.simone.model import SIMONe
from simone_tf.training.averaging import WeightAverage
from simone_tf.training.checkpoints import Checkpoints
from simone_tf.training.distribution import make_strategy
from simone_tf.training.step import TrainingStep

from stored_checkpoints import simple_parts

FRAMES, HEIGHT, WIDTH = 2, 8, 8


@pytest.fixture
def clips():
    """Four clips `[4, 2, 8, 8, 3]` that differ in colour and contrast, so that their gradients differ in size."""
    noise = tf.random.stateless_uniform([4, FRAMES, HEIGHT, WIDTH, 3], [7, 1])
    return noise * tf.reshape([1.0, 0.1, 0.6, 0.3], [4, 1, 1, 1, 1]) + tf.reshape([0.0, 0.9, 0.2, 0.0], [4, 1, 1, 1, 1])


@pytest.fixture
def two_replicas():
    return make_strategy(devices=["CPU:0", "CPU:1"])


@pytest.fixture
def one_replica():
    return tf.distribute.get_strategy()


@pytest.fixture
def make_model():
    """A function that builds a SIMONe of 4 slots for 2 frames of 8x8 pixels, always with the same initial weights."""

    def make(width=12, num_layers=1, **parts):
        keras.utils.set_random_seed(3)
        encoder = Encoder(
            feature_map=(4, 4),
            slot_grid=(2, 2),
            conv_channels=6,
            width=width,
            first_transformer=Transformer(num_layers, 2, 4, 16),
            second_transformer=Transformer(num_layers, 2, 4, 16),
            object_head=LatentHead(5, 16),
            frame_head=LatentHead(3, 16),
        )
        # Every pixel: then the choice of pixels is only an order, and a loss tells of weights, clips and noise alone.
        defaults = {"queries": RandomQueries(FRAMES * HEIGHT * WIDTH), "sampling": "mean"}
        defaults |= {"likelihood": PixelMixture(0.5), "alpha": 1.0, "beta_objects": 0.01, "beta_frames": 0.02}
        model = SIMONe(encoder=encoder, decoder=PixelDecoder(16, 2), **(defaults | parts))
        model.build((None, FRAMES, HEIGHT, WIDTH, 3))
        return model

    return make


@pytest.fixture
def make_step(make_model):
    """A function (strategy, optional optimizer factory, model and step options) -> `TrainingStep`."""

    def make(strategy, optimizer=lambda: keras.optimizers.SGD(0.1), average_decay=None, model=None, **options):
        with strategy.scope():
            network = make_model(**(model or {}))
            built = optimizer()
            built.build(network.trainable_variables)
            average = None if average_decay is None else WeightAverage(network, average_decay)
            return TrainingStep(network, built, strategy, average=average, **options)

    return make


@pytest.fixture
def feed():
    """A function (strategy, clips `[N, ...]`, global batch size) -> endless iterator in the clips' order."""

    def make(strategy, clips, batch_size):
        def dataset(context):
            del context
            replica_batch_size = batch_size // strategy.num_replicas_in_sync
            return tf.data.Dataset.from_tensor_slices({"video": clips}).repeat().batch(replica_batch_size, True)

        return iter(strategy.distribute_datasets_from_function(dataset))

    return make


@pytest.fixture
def stored(tmp_path):
    """The folder of checkpoints 1 and 2 of simple parts."""
    parts = simple_parts()
    for step in (1, 2):
        parts["step"].assign(step)
        Checkpoints(tmp_path / "run", parts).save(step)
    return tmp_path / "run" / "checkpoints"
