"""GECO against its steps by hand in float64, and on a problem whose answer is known."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from simone_tf.errors import UserError
from simone_tf.models.monet.model import MONet
from simone_tf.models.monet.unet import AttentionUNet
from simone_tf.models.parts.broadcast_decoder import BroadcastDecoder
from simone_tf.models.parts.camera_vector import CameraVector
from simone_tf.models.parts.decoder import PixelDecoder
from simone_tf.models.parts.objective import OBJECTIVE_TERMS, Geco
from simone_tf.models.parts.queries import RandomQueries
from simone_tf.models.simone.model import SIMONe
from simone_tf.models.simone.view_supervised import SIMONeVS

from small_models import make_component_encoder, make_encoder, make_view_encoder

SEEDS = tf.constant([3, 1]), tf.constant([4, 1])
MODELS = {
    "SIMONe": lambda **options: SIMONe(make_encoder(), PixelDecoder(8, 2), queries=RandomQueries(40), **options),
    "SIMONeVS": lambda **options: SIMONeVS(
        make_view_encoder(), PixelDecoder(8, 2), queries=RandomQueries(40), camera=CameraVector(), **options
    ),
    "MONet": lambda **options: MONet(
        AttentionUNet((4, 6, 6), 8), make_component_encoder(), BroadcastDecoder((4, 6)), slots=3, **options
    ),
}


def make_geco(*arguments, **options):
    geco = Geco(*arguments, **options)
    geco.build()
    return geco


def make_model(name, **options):
    keras.utils.set_random_seed(0)
    model = MODELS[name](**options)
    model.build((None, 2, 8, 16, 3))
    return model


def batch_of(model):
    shapes = {"video": (2, 2, 8, 16, 3), **{name: (2, 2, size) for name, size in model.given.items()}}
    return {
        name: tf.random.stateless_uniform(shape, [0, number]) for number, (name, shape) in enumerate(shapes.items())
    }


def test_steps_by_hand():
    """The average of the first step is what that step missed; a large miss moves the multiplier by the bound alone."""
    decay, size, bound, low, high = 0.9, 0.3, 0.1, 0.8, 1.3
    geco = make_geco(2.0, decay, size, bound, 1.0, (low, high))
    log, average = 0.0, None
    for number, nats in enumerate((1.9, -50.0, 1.0, 1.5, 1.9, 2.1, 2.6, 9.0, 12.0, 20.0, 30.0, 2.0)):
        np.testing.assert_allclose(geco.kl_scale(), math.exp(-log), rtol=1e-5)
        np.testing.assert_allclose(geco.terms()["multiplier"], math.exp(log), rtol=1e-5)
        np.testing.assert_allclose(geco.terms()["missing_nats"], average or 0.0, rtol=1e-4, atol=1e-5)
        geco.update(tf.constant(nats))
        weights = decay ** np.arange(number, -1, -1.0)
        missed = weights @ (
            2.0 - np.array((1.9, -50.0, 1.0, 1.5, 1.9, 2.1, 2.6, 9.0, 12.0, 20.0, 30.0, 2.0)[: number + 1])
        )
        average = missed / weights.sum()
        log = min(max(log + min(max(size * average, -bound), bound), math.log(low)), math.log(high))
    assert tuple(geco.terms()) == OBJECTIVE_TERMS


def test_a_toy_problem_comes_to_its_constraint():
    """KL w^2 / 2 and log-likelihood -(w - 3)^2: with at least -0.25 nats the least KL is at w = 2.5, multiplier 2.5."""
    geco, w = make_geco(-0.25, decay=0.9, step_size=0.1, max_log_step=0.1), tf.Variable(0.0)

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            nats = -tf.square(w - 3.0)
            loss = -nats + geco.kl_scale() * 0.5 * tf.square(w)
        w.assign_sub(0.02 * tape.gradient(loss, w))
        geco.update(nats)

    for _ in range(3000):
        step()
    np.testing.assert_allclose(w, 2.5, atol=0.01)
    np.testing.assert_allclose(geco.terms()["multiplier"], 2.5, rtol=0.03)
    np.testing.assert_allclose(geco.terms()["missing_nats"], 0.0, atol=0.01)


@pytest.mark.parametrize("name", MODELS)
def test_the_multiplier_divides_the_weights_of_the_kls_and_nothing_else(name):
    plain, model = make_model(name), make_model(name, objective=Geco(1.0, initial_multiplier=4.0))
    batch = batch_of(model)
    losses, own = model.losses(batch, *SEEDS), plain.losses(batch, *SEEDS)
    assert tuple(losses) == model.loss_terms
    assert set(model.loss_terms) == {*plain.loss_terms, *OBJECTIVE_TERMS}
    for term, value in own.items():
        factor = 0.25 if term.startswith("weighted_") and term.endswith("_kl") else 1.0
        if term != "loss":
            np.testing.assert_allclose(losses[term], factor * value, rtol=1e-5, err_msg=term)
    weighted = [value for term, value in losses.items() if term.startswith("weighted_")]
    np.testing.assert_allclose(losses["loss"], tf.add_n(weighted), rtol=1e-5)


@pytest.mark.parametrize("name", MODELS)
def test_a_model_without_it_has_no_more_variables(name):
    plain, model = make_model(name), make_model(name, objective=Geco(1.0))
    assert len(model.variables) == len(plain.variables) + 4
    assert len(model.trainable_variables) == len(plain.trainable_variables)


def test_no_gradient_leads_through_the_multiplier():
    model = make_model("SIMONe", objective=Geco(1.0))
    state = [variable.value for variable in model.objective.variables]
    with tf.GradientTape() as tape:
        tape.watch(state)
        loss = model.losses(batch_of(model), *SEEDS)["loss"]
    assert tape.gradient(loss, state) == [None] * 4


def test_only_a_step_moves_it():
    model = make_model("SIMONe", objective=Geco(5.0))
    losses = model.losses(batch_of(model), *SEEDS)
    assert float(model.objective.terms()["multiplier"]) == 1.0
    model.after_step(losses)
    np.testing.assert_allclose(model.objective.terms()["multiplier"], math.exp(0.01), rtol=1e-6)
    np.testing.assert_allclose(model.objective.terms()["missing_nats"], 5.0 - losses["nats_per_pixel"], rtol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"target": "much"}, "Geco.target is 'much': it must be a finite number of nats"),
        ({"target": math.nan}, "Geco.target is nan: it must be a finite number of nats"),
        ({"target": 1.0, "decay": 1.0}, "Geco.decay is 1.0: it must be a number of at least 0 and below 1"),
        ({"target": 1.0, "step_size": 0.0}, "Geco.step_size is 0.0: it must be a number above 0"),
        ({"target": 1.0, "max_log_step": -1.0}, "Geco.max_log_step is -1.0: it must be a number above 0"),
        ({"target": 1.0, "initial_multiplier": 0}, "Geco.initial_multiplier is 0: it must be a number above 0"),
        ({"target": 1.0, "multiplier_range": (2.0, 3.0)}, r"Geco.multiplier_range is \(2.0, 3.0\): .* around 1.0"),
        ({"target": 1.0, "multiplier_range": 7}, "Geco.multiplier_range is 7: it must be two numbers above 0"),
    ],
)
def test_values_that_are_refused(arguments, message):
    with pytest.raises(UserError, match=message):
        Geco(**arguments)


def test_what_is_no_objective_is_refused():
    with pytest.raises(UserError, match=r"SIMONe.objective is 'geco': it must be @Geco\(\), or None"):
        SIMONe(objective="geco")
