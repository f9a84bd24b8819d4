import numpy as np
import pytest
import tensorflow as tf

from simone_tf.errors import UserError
from simone_tf.models.sequential_iodine.mixture_terms import MixtureTerms, mixture_terms
from simone_tf.models.sequential_iodine.refinement import Explained, RefinementNetwork

B, K, H, W, D = 2, 3, 8, 12, 4


def _network(**sizes):
    network = RefinementNetwork(**({"conv_channels": (5, 6), "mlp_sizes": (7,), "lstm_size": 9} | sizes))
    network.build((H, W), 2 * D)
    for number, variable in enumerate(network.variables):
        variable.assign(variable.numpy() + 0.2 * tf.random.stateless_normal(variable.shape, [7, number]))
    return network


def _explained(seed=0):
    def draw(number, *shape):
        return tf.random.stateless_normal(shape, [seed, number])

    image, rgb, logits = draw(0, B, H, W, 3), draw(1, B, K, H, W, 3), draw(2, B, K, H, W)
    return Explained(
        image, rgb, logits, mixture_terms(image, rgb, logits, 0.5), draw(3, B, K, 2 * D), draw(4, B, K, 2 * D)
    )


def _run(network, explained, steps=1):
    state = network.initial_state(B * K)
    for _ in range(steps):
        update, state = network(explained, state)
    return update


def _weight(network, name):
    (variable,) = [v for v in network.variables if v.path.endswith(name)]
    return variable.numpy().astype(np.float64)


def _normalised(network, name, values):
    """Layer norm over all axes but the first."""
    axes = tuple(range(1, values.ndim))
    values = (values - values.mean(axes, keepdims=True)) / np.sqrt(values.var(axes, keepdims=True) + 1e-5)
    return values * _weight(network, f"{name}/gain") + _weight(network, f"{name}/bias")


def _convolved(values, kernel, bias):
    """3x3, stride 2, padding as TensorFlow's 'same': at even sizes the border is behind."""
    height, width = values.shape[0] // 2, values.shape[1] // 2
    padded = np.pad(values, ((0, 1), (0, 1), (0, 0)))
    result = np.empty((height, width, kernel.shape[-1]))
    for row in range(height):
        for column in range(width):
            patch = padded[2 * row : 2 * row + 3, 2 * column : 2 * column + 3]
            result[row, column] = np.tensordot(patch, kernel, 3) + bias
    return np.where(result > 0, result, np.expm1(result))


def _sigmoid(values):
    return 1 / (1 + np.exp(-values))


def test_two_refinements_equal_float64():
    """The whole network by hand for every slot, from the inputs that IODINE's authors name."""
    network = _network()
    explained = _explained()
    found = _run(network, explained, steps=2)
    assert found.shape == (B, K, 2 * D)
    assert found.dtype == tf.float32

    given = tf.nest.map_structure(lambda value: value.numpy().astype(np.float64), explained)
    terms = given.terms
    rows, columns = np.meshgrid(np.linspace(-1, 1, H), np.linspace(-1, 1, W), indexing="ij")
    for clip in range(B):
        for slot in range(K):
            one = (slice(clip, clip + 1), slice(slot, slot + 1))
            images = [
                given.image[clip],
                given.slot_rgb[clip, slot],
                terms.masks[clip, slot][..., None],
                given.mask_logits[clip, slot][..., None],
                terms.component_posterior[clip, slot][..., None],
                np.stack([rows, columns], axis=-1),
                _normalised(network, "rgb_gradient_norm", terms.rgb_gradient[one][0])[0],
                _normalised(network, "logit_gradient_norm", terms.logit_gradient[one][0][..., None])[0],
                _normalised(network, "log_prob_norm", terms.log_prob[clip : clip + 1, ..., None])[0],
                _normalised(network, "counterfactual_norm", terms.counterfactual[one][0][..., None])[0],
            ]
            features = np.concatenate(images, axis=-1)
            for number in range(2):
                kernel = _weight(network, f"conv_{number}/kernel")
                features = _convolved(features, kernel, _weight(network, f"conv_{number}/bias"))
            features = features.mean((0, 1)) @ _weight(network, "mlp_0/kernel") + _weight(network, "mlp_0/bias")
            gradient = _normalised(network, "parameter_gradient_norm", given.parameter_gradient[one][0])[0]
            entered = np.concatenate([features, given.parameters[clip, slot], gradient])
            hidden, cell = np.zeros(9), np.zeros(9)
            for _ in range(2):
                gates = np.concatenate([entered, hidden]) @ _weight(network, "gates/kernel")
                gates = (gates + _weight(network, "gates/bias")).reshape(4, 9)
                cell = _sigmoid(gates[1] + 1) * cell + _sigmoid(gates[0]) * np.tanh(gates[2])
                hidden = _sigmoid(gates[3]) * np.tanh(cell)
            wanted = hidden @ _weight(network, "update/kernel") + _weight(network, "update/bias")
            np.testing.assert_allclose(found[clip, slot], wanted, rtol=1e-3, atol=1e-4)


def test_slots_are_treated_alike():
    network, order = _network(), [2, 0, 1]

    def permuted(values):
        return tf.gather(values, order, axis=1)

    explained = _explained()
    terms = MixtureTerms(explained.terms.log_prob, *map(permuted, explained.terms[1:]))
    other = Explained(explained.image, *map(permuted, explained[1:3]), terms, *map(permuted, explained[4:]))
    np.testing.assert_allclose(_run(network, other, 2), permuted(_run(network, explained, 2)), atol=1e-5)


def test_the_training_passes_through_what_is_seen_but_not_through_what_is_normalised():
    """The authors stop the gradient of five inputs; the others pass it on."""
    network, explained = _network(), _explained()
    with tf.GradientTape() as tape:
        leaves = tf.nest.map_structure(tf.identity, explained)
        tape.watch(tf.nest.flatten(leaves))
        total = tf.reduce_sum(tf.square(_run(network, leaves)))
    gradients = tape.gradient(total, leaves)
    terms = gradients.terms
    stopped = (terms.rgb_gradient, terms.logit_gradient, terms.log_prob, terms.counterfactual)
    for name, gradient in zip(("rgb", "logits", "log_prob", "counterfactual"), stopped, strict=True):
        assert gradient is None, name
    assert gradients.parameter_gradient is None
    passed = (gradients.image, gradients.slot_rgb, gradients.mask_logits, gradients.parameters)
    for gradient in (*passed, terms.masks, terms.component_posterior):
        assert np.any(gradient)


def test_magnitudes_of_gradients_are_lost_and_their_pattern_is_kept():
    network, explained = _network(), _explained()

    def scaled(factor):
        terms = explained.terms
        terms = terms._replace(rgb_gradient=terms.rgb_gradient * factor, logit_gradient=terms.logit_gradient * factor)
        return explained._replace(terms=terms, parameter_gradient=explained.parameter_gradient * factor)

    np.testing.assert_allclose(_run(network, scaled(50.0)), _run(network, scaled(5.0)), atol=1e-3)
    assert np.abs(_run(network, scaled(5.0)) - _run(network, scaled(-5.0))).max() > 1e-2


@pytest.mark.parametrize(
    ("sizes", "binding"),
    [
        ({"conv_channels": ()}, "conv_channels"),
        ({"mlp_sizes": (8, 0)}, "mlp_sizes"),
        ({"lstm_size": 0}, "lstm_size"),
        ({"conv_kernel": 2.5}, "conv_kernel"),
    ],
)
def test_a_wrong_size_is_told(sizes, binding):
    with pytest.raises(UserError, match=rf"^RefinementNetwork\.{binding} is "):
        RefinementNetwork(**sizes)
