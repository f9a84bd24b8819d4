"""The optimizers: Muon and RMSprop beside the same steps by NumPy, which weights are left to Adam, and wrong values."""

import keras
import numpy as np
import pytest

from simone_tf.errors import UserError
from simone_tf.training.optimizers import make_adam, make_muon, make_rmsprop
from simone_tf.training.schedules import WarmupCosine

RATE = 0.01


@pytest.fixture
def layers():
    keras.utils.set_random_seed(0)
    hidden, last = keras.layers.Dense(6, name="hidden"), keras.layers.Dense(5, name="output_layer")
    hidden.build((None, 4))
    last.build((None, 6))
    return hidden, last


def steps_taken(optimizer, variables, gradients):
    """Values after each step, by variable: `[steps + 1, ...]`."""
    optimizer.build(variables)
    values = [[variable.numpy() for variable in variables]]
    for step in gradients:
        optimizer.apply([keras.ops.convert_to_tensor(gradient) for gradient in step], variables)
        values.append([variable.numpy() for variable in variables])
    return [np.stack(value) for value in zip(*values, strict=True)]


def random_gradients(variables, count=3):
    generator = np.random.default_rng(0)
    return [[generator.normal(size=variable.shape).astype(np.float32) for variable in variables] for _ in range(count)]


def orthogonalized(matrix, iterations):
    """The Newton-Schulz polynomial 3.4445 s - 4.775 s^3 + 2.0315 s^5 on the singular values themselves."""
    left, scales, right = np.linalg.svd(matrix.astype(np.float64), full_matrices=False)
    scales = scales / np.sqrt(np.sum(scales**2))
    for _ in range(iterations):
        scales = 3.4445 * scales - 4.7750 * scales**3 + 2.0315 * scales**5
    return left @ np.diag(scales) @ right


def test_muon_of_a_matrix_beside_its_singular_values(layers):
    kernel = layers[0].kernel
    gradients = random_gradients([kernel])
    (values,) = steps_taken(make_muon(RATE, momentum=0.9, ns_steps=4, rms_rate=0.3), [kernel], gradients)
    momentum = np.zeros(kernel.shape)
    for step, (gradient,) in enumerate(gradients):
        momentum = 0.9 * momentum + gradient
        update = orthogonalized(gradient + 0.9 * momentum, iterations=4)
        # No weight decay: the step is the update alone, times the root of the longer side.
        wanted = values[step] - RATE * 0.3 * np.sqrt(6) * update
        np.testing.assert_allclose(values[step + 1], wanted, atol=2e-6)


def test_what_is_no_matrix_and_what_is_excluded_is_left_to_adam(layers):
    hidden, last = layers
    convolution = keras.layers.Conv2D(3, 2, name="conv")
    convolution.build((None, 4, 4, 3))
    variables = [hidden.bias, convolution.kernel, last.kernel, last.bias]
    start = [variable.numpy() for variable in variables]
    gradients = random_gradients(variables)
    by_muon = steps_taken(make_muon(RATE), variables, gradients)
    for variable, value in zip(variables, start, strict=True):
        variable.assign(value)
    by_adam = steps_taken(make_adam(RATE), variables, gradients)
    for muon, adam in zip(by_muon, by_adam, strict=True):
        assert np.abs(np.diff(adam, axis=0)).min() > 0
        np.testing.assert_allclose(muon, adam, atol=1e-6)


def test_an_update_of_muon_is_as_large_as_it_says():
    """The root mean square is that of an orthogonal matrix, times rate: Newton-Schulz comes near it, within a third."""
    layer = keras.layers.Dense(64, name="hidden")
    layer.build((None, 64))
    (values,) = steps_taken(make_muon(RATE), [layer.kernel], random_gradients([layer.kernel], count=1))
    size = np.sqrt(np.mean((values[1] - values[0]) ** 2))
    np.testing.assert_allclose(size, 0.2 * RATE, rtol=1 / 3)


def test_rmsprop_divides_by_the_root_of_the_mean_square(layers):
    kernel = layers[0].kernel
    # As small as those of a mean over pixels: what is added to their squares is smaller still.
    gradients = [[1e-4 * gradient for gradient in step] for step in random_gradients([kernel])]
    (values,) = steps_taken(make_rmsprop(RATE, rho=0.8, momentum=0.5), [kernel], gradients)
    square, velocity = np.zeros(kernel.shape), np.zeros(kernel.shape)
    for step, (gradient,) in enumerate(gradients):
        square = 0.8 * square + 0.2 * gradient.astype(np.float64) ** 2
        velocity = 0.5 * velocity + RATE * gradient / np.sqrt(square + 1e-12)
        np.testing.assert_allclose(values[step + 1], values[step] - velocity, atol=1e-5)


@pytest.mark.parametrize(
    ("setting", "value"),
    [("learning_rate", "x"), ("rho", 1.0), ("momentum", -0.1), ("epsilon", None)],
)
def test_a_wrong_value_of_rmsprop_is_told(setting, value):
    with pytest.raises(UserError, match=f"^RMSprop.{setting} is "):
        make_rmsprop(**{setting: value})


@pytest.mark.parametrize("make", [make_adam, make_muon, make_rmsprop])
def test_a_bare_rate_is_no_variable(make):
    """Of a run that goes on, the configured rate counts, not the checkpoint's."""
    assert isinstance(make(3e-4)._learning_rate, WarmupCosine)
    np.testing.assert_allclose(float(make(3e-4).learning_rate), 3e-4)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("learning_rate", "x"),
        ("learning_rate", -1.0),
        ("momentum", 1.0),
        ("ns_steps", 0),
        ("ns_steps", 2.5),
        ("rms_rate", 0.0),
        ("exclude_layers", "output_layer"),
        ("exclude_layers", ["("]),
        ("exclude_layers", [3]),
        ("adam_beta_1", -0.1),
        ("adam_beta_2", 1.5),
        ("epsilon", float("nan")),
    ],
)
def test_a_wrong_value_of_muon_is_told(setting, value):
    with pytest.raises(UserError, match=f"^Muon.{setting} is "):
        make_muon(**{setting: value})
