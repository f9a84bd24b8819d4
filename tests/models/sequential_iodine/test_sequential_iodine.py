import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import special, stats

from simone_tf.errors import UserError
from simone_tf.models.parts.broadcast_decoder import BroadcastDecoder
from simone_tf.models.parts.likelihood import PixelMixture
from simone_tf.models.sequential_iodine.gaussian_parameters import kl_to_fixed_prior, posterior_of
from simone_tf.models.sequential_iodine.model import SequentialIODINE
from simone_tf.models.sequential_iodine.refinement import RefinementNetwork

FRAMES, HEIGHT, WIDTH, SLOTS, SIZE = 3, 8, 10, 3, 4
SEED, OTHER_SEED = tf.constant([3, 5]), tf.constant([4, 5])


def _make(frames=FRAMES, **arguments):
    defaults = {
        "num_slots": SLOTS,
        "latent_size": SIZE,
        "refinement": RefinementNetwork((4, 5), 3, (6,), 7),
        "decoder": BroadcastDecoder((6, 5), padding="same", activation="elu", output_kernel_size=3),
        "likelihood": PixelMixture(0.2),
        "burn_in": 2,
        "alpha": 0.7,
        "beta_objects": 0.05,
    }
    model = SequentialIODINE(**(defaults | arguments))
    model.build((None, frames, HEIGHT, WIDTH, 3))
    for number, variable in enumerate(model.variables):
        variable.assign(variable.numpy() + 0.2 * tf.random.stateless_normal(variable.shape, [7, number]))
    return model


def _video(batch=2, seed=0):
    return tf.random.stateless_uniform([batch, FRAMES, HEIGHT, WIDTH, 3], [seed, 0])


def _nats(video_frame, rgb, logits, scale=0.2):
    """Mean over pixels of each clip, float64."""
    image, rgb, logits = (np.asarray(value, np.float64) for value in (video_frame, rgb, logits))
    components = -np.sum((image[:, None] - rgb) ** 2, -1) / (2 * scale**2) - 3 * np.log(scale * np.sqrt(2 * np.pi))
    return special.logsumexp(special.log_softmax(logits, axis=1) + components, axis=1).mean((1, 2))


def _kl(posterior):
    mean, log_scale = (value.numpy().astype(np.float64) for value in posterior)
    return 0.5 * np.sum(np.exp(2 * log_scale) + mean**2 - 1 - 2 * log_scale, axis=-1)


def _by_hand(model, video, seed, frames, num_draws):
    """Draws and refinements in turn, of `frames`, with the noise of `losses`."""
    noise = tf.random.stateless_normal([num_draws, video.shape[0], SLOTS, SIZE], seed)
    parameters = tf.tile(model.initial_parameters.value[None, None], [video.shape[0], SLOTS, 1])
    state, draws = model.refinement.initial_state(video.shape[0] * SLOTS), []
    for number in range(num_draws):
        draws.append(model.inference.draw(parameters, noise[number]))
        if number + 1 < num_draws:
            update, state = model.refinement(model.inference.explain(draws[-1], video[:, frames[number]]), state)
            parameters = parameters + update
    return draws


@pytest.mark.parametrize(
    ("arguments", "refined", "compared"),
    [
        # A frame is predicted before it is looked at: draw s stands beside the frame that comes next.
        ({"trained": "before"}, [0, 0, 0, 1], [(1, 0), (2, 0), (3, 1), (4, 2)]),
        ({"trained": "after"}, [0, 0, 0, 1, 2], [(1, 0), (2, 0), (3, 0), (4, 1), (5, 2)]),
        (
            {"trained": "before", "burn_in": 0, "refinements_per_frame": 2, "read": "after"},
            [0, 0, 1, 1, 2],
            [(1, 0), (2, 1), (3, 1), (4, 2), (5, 2)],
        ),
    ],
)
def test_the_loss_by_hand(arguments, refined, compared):
    model, video = _make(**arguments), _video()
    losses = model.losses(video, SEED, OTHER_SEED)
    draws = _by_hand(model, video, SEED, refined, len(refined) + 1)
    total = sum(number for number, _ in compared)  # weights in proportion to the refinements seen
    nats = sum(n / total * _nats(video[:, f], draws[n].slot_rgb, draws[n].mask_logits).mean() for n, f in compared)
    kl = sum(n / total * _kl(draws[n].posterior).mean() for n, _ in compared)
    np.testing.assert_allclose(losses["nats_per_pixel"], nats, rtol=1e-4)
    np.testing.assert_allclose(losses["object_kl"], kl, rtol=1e-4)
    np.testing.assert_allclose(losses["weighted_nats_per_pixel"], -0.7 * nats, rtol=1e-4)
    np.testing.assert_allclose(losses["weighted_object_kl"], 0.05 * kl, rtol=1e-4)
    np.testing.assert_allclose(losses["loss"], -0.7 * nats + 0.05 * kl, rtol=1e-4)
    assert model.loss_terms == type(model).loss_terms


def test_further_terms_of_the_likelihood_are_added_to_the_loss_and_to_nothing_that_is_seen():
    plain, blended = _make(), _make(likelihood=PixelMixture(0.2, 2.0, 0.3))
    blended.set_weights(plain.get_weights())
    video = _video()
    first, second = (model.losses(video, SEED, SEED) for model in (plain, blended))
    assert (
        tuple(second)
        == blended.loss_terms
        == (
            *plain.loss_terms,
            "weighted_blend_error",
            "weighted_mask_entropy",
        )
    )
    for name in plain.loss_terms[1:]:
        np.testing.assert_array_equal(second[name], first[name])
    draws = _by_hand(plain, video, SEED, [0, 0, 0, 1], 5)
    wanted, entropy = 0.0, 0.0
    for number, frame in [(1, 0), (2, 0), (3, 1), (4, 2)]:
        masks = special.softmax(draws[number].mask_logits.numpy().astype(np.float64), axis=1)
        blend = np.sum(masks[..., None] * draws[number].slot_rgb.numpy(), axis=1)
        wanted += number / 10 * np.sum((blend - video[:, frame].numpy()) ** 2, -1).mean() / (2 * 0.2**2)
        entropy += number / 10 * stats.entropy(masks, axis=1).mean()
    np.testing.assert_allclose(second["weighted_blend_error"], 2.0 * 0.7 * wanted, rtol=1e-4)
    np.testing.assert_allclose(second["weighted_mask_entropy"], 0.3 * 0.7 * entropy, rtol=1e-4)
    added = second["weighted_blend_error"] + second["weighted_mask_entropy"]
    np.testing.assert_allclose(second["loss"] - first["loss"], added, rtol=1e-4)


@pytest.mark.parametrize("prior_scale", [1.0, math.sqrt(math.log(2.0))])
def test_the_gradient_by_the_parameters_is_that_of_automatic_differentiation(prior_scale):
    """Of the whole objective, through posterior, draw, decoder and mixture, without any closed form."""
    model, video = _make(prior_scale=prior_scale), _video()
    parameters = tf.random.stateless_normal([2, SLOTS, 2 * SIZE], [1, 0])
    noise = tf.random.stateless_normal([2, SLOTS, SIZE], [2, 0])
    found = model.inference.explain(model.inference.draw(parameters, noise), video[:, 1])
    points = HEIGHT * WIDTH
    with tf.GradientTape() as tape:
        tape.watch(parameters)
        posterior = posterior_of(parameters)
        latents = posterior.mean + tf.exp(posterior.log_scale) * noise
        rgb, logits = model.decoder(tf.reshape(latents, [-1, SIZE]))
        nats = model.likelihood.log_prob(
            tf.reshape(video[:, 1], [2, points, 3]),
            tf.reshape(rgb, [2, SLOTS, points, 3]),
            tf.reshape(logits, [2, SLOTS, points]),
        )
        kl = kl_to_fixed_prior(posterior, prior_scale)
        # The loss of a frame, per clip, in units in which a pixel's likelihood weighs 1.
        loss = tf.reduce_sum(0.7 * tf.reduce_mean(nats, 1) * -1 + 0.05 * tf.reduce_mean(kl, 1)) * points / 0.7
    np.testing.assert_allclose(found.parameter_gradient, tape.gradient(loss, parameters), rtol=1e-3, atol=1e-3)
    assert np.abs(found.parameter_gradient).max() > 1


def test_gradients_beyond_the_largest_number_of_float16_pass_back_in_it():
    video, noise = _video(), tf.random.stateless_normal([2, SLOTS, SIZE], [2, 0])
    parameters = tf.random.stateless_normal([2, SLOTS, 2 * SIZE], [1, 0])
    found = []
    for policy in ("float32", "mixed_float16"):
        keras.config.set_dtype_policy(policy)
        keras.utils.set_random_seed(0)
        inference = _make(likelihood=PixelMixture(0.02)).inference
        found.append(inference.explain(inference.draw(parameters, noise), video[:, 1]).parameter_gradient)
    assert np.abs(found[0]).max() > 65504
    # Colours that a decoder rounds are other ones, with another slot nearest to a pixel here and there.
    errors = tf.norm(found[1] - found[0], axis=[1, 2]) / tf.norm(found[0], axis=[1, 2])
    assert np.max(errors) < 0.05


def test_the_decoder_is_run_forward_once_and_back_once_for_a_refinement():
    model = _make()

    @tf.function
    def refine(parameters, noise, image):
        explained = model.inference.explain(model.inference.draw(parameters, noise), image)
        return explained.parameter_gradient

    operations = refine.get_concrete_function(
        tf.TensorSpec([2, SLOTS, 2 * SIZE]), tf.TensorSpec([2, SLOTS, SIZE]), tf.TensorSpec([2, HEIGHT, WIDTH, 3])
    ).graph.get_operations()
    kinds = [operation.type for operation in operations]
    assert kinds.count("Conv2D") == 4  # three layers, of the first the coordinates apart
    assert kinds.count("Conv2DBackpropInput") == 3


def test_training_ignores_the_gradient_that_the_network_is_shown():
    """One refinement: its gradient with the shown gradients replaced by numbers is the model's own."""
    model, video = _make(burn_in=1), _video()
    variables = [variable.value for variable in model.trainable_variables]
    draws = _by_hand(model, video, SEED, [0, 0, 1], 4)
    again = [model.inference.draw(draw.parameters, draw.noise) for draw in draws[:3]]
    shown = [model.inference.explain(draw, video[:, frame]) for draw, frame in zip(again, [0, 0, 1], strict=True)]
    with tf.GradientTape() as tape:
        loss = model.losses(video, SEED, SEED)["loss"]
    own = tape.gradient(loss, variables)

    with tf.GradientTape() as tape:
        noise = tf.random.stateless_normal([4, 2, SLOTS, SIZE], SEED)
        parameters = tf.tile(model.initial_parameters.value[None, None], [2, SLOTS, 1])
        state, loss = model.refinement.initial_state(2 * SLOTS), 0.0
        for number, frame in enumerate([0, 0, 1, 2]):
            draw = model.inference.draw(parameters, noise[number])
            terms = model.inference.explain(draw, video[:, frame]).terms
            kl = tf.reduce_mean(kl_to_fixed_prior(draw.posterior, 1.0))
            loss += number / 6 * (-0.7 * tf.reduce_mean(terms.log_prob) + 0.05 * kl)
            if number < 3:
                numbers = shown[number]
                constants = numbers.terms._asdict()
                live = {name: getattr(terms, name) for name in ("masks", "component_posterior")}
                explained = numbers._replace(
                    slot_rgb=draw.slot_rgb,
                    mask_logits=draw.mask_logits,
                    terms=numbers.terms._replace(**(constants | live)),
                    parameters=parameters,
                )
                update, state = model.refinement(explained, state)
                parameters = parameters + update
    wanted = tape.gradient(loss, variables)
    for variable, first, second in zip(model.trainable_variables, own, wanted, strict=True):
        np.testing.assert_allclose(first, second, rtol=2e-3, atol=2e-4, err_msg=variable.path)


def test_noise_alone_makes_slots_differ():
    model, video = _make(), _video()
    parameters = tf.tile(model.initial_parameters.value[None, None], [2, SLOTS, 1])
    silent = model.inference.explain(model.inference.draw(parameters, tf.zeros([1, SLOTS, SIZE])), video[:, 0])
    update, _ = model.refinement(silent, model.refinement.initial_state(2 * SLOTS))
    np.testing.assert_allclose(update, tf.tile(update[:, :1], [1, SLOTS, 1]), atol=1e-6)
    means = model.encode(video)["object"].mean.numpy()
    assert np.abs(means[:, 0] - means[:, 1]).max() > 1e-3


def test_a_clip_is_encoded_alike_wherever_it_stands():
    model, video = _make(), _video(3)
    together = model.encode(video)["object"]
    for place in range(3):
        alone = model.encode(video[place : place + 1])["object"]
        np.testing.assert_allclose(alone.mean[0], together.mean[place], atol=1e-5)
        np.testing.assert_allclose(alone.log_scale[0], together.log_scale[place], atol=1e-5)
    np.testing.assert_array_equal(model.encode(video)["object"].mean, together.mean)


@pytest.mark.parametrize(("read", "seen"), [("before", (1, 1, 2)), ("after", (1, 2, 3))])
def test_what_is_read_of_a_frame_depends_on_the_frames_seen_until_then(read, seen):
    model, video = _make(read=read), _video()
    means = model.encode(video)["object"].mean.numpy()
    for changed in range(FRAMES):
        other = tf.tensor_scatter_nd_update(
            tf.transpose(video, [1, 0, 2, 3, 4]), [[changed]], [1.0 - video[:, changed]]
        )
        others = model.encode(tf.transpose(other, [1, 0, 2, 3, 4]))["object"].mean.numpy()
        for frame in range(FRAMES):
            differs = bool(np.abs(others[:, :, frame] - means[:, :, frame]).max() > 1e-4)
            assert differs == (changed < seen[frame]), (changed, frame)


def test_after_the_last_refinement_of_a_frame_is_before_the_first_of_the_next():
    before, after = (_make(read=read, refinements_per_frame=2) for read in ("before", "after"))
    after.set_weights(before.get_weights())
    first, second = (model.encode(_video())["object"].mean for model in (before, after))
    np.testing.assert_allclose(first[:, :, 1:], second[:, :, :-1], atol=1e-5)


def test_frames_are_drawn_from_their_own_latents():
    model = _make()
    latents = tf.random.stateless_normal([2, SLOTS, FRAMES, SIZE], [5, 0])
    rendering = model.render({"object": latents}, {}, (HEIGHT, WIDTH))
    rgb, logits = model.decoder(tf.reshape(latents[1, :, 2], [-1, SIZE]))
    masks = special.softmax(logits.numpy(), axis=0)
    np.testing.assert_allclose(rendering.slot_masks[1, :, 2], masks, atol=1e-5)
    np.testing.assert_allclose(rendering.slot_rgb[1, :, 2], rgb, atol=1e-5)
    np.testing.assert_allclose(rendering.reconstruction[1, 2], np.sum(masks[..., None] * rgb, 0), atol=1e-5)
    nats = model.log_prob(_video(), rendering).numpy().mean((2, 3))
    frame = rendering.slot_rgb[:, :, 2], np.log(rendering.slot_masks[:, :, 2])
    np.testing.assert_allclose(nats[:, 2], _nats(_video()[:, 2], *frame), rtol=1e-4)


def test_compiled_losses_and_their_gradients_are_the_same(monkeypatch):
    # TensorFlow and XLA draw different noise from the same seed.
    noise = tf.random.stateless_normal([6, 2, SLOTS, SIZE], SEED)
    model, video = _make(trained="after"), _video()
    monkeypatch.setattr(tf.random, "stateless_normal", lambda shape, seed: noise)
    variables = [variable.value for variable in model.trainable_variables]

    def measured(video):
        with tf.GradientTape() as tape:
            losses = model.losses(video, SEED, SEED)
        return losses, tape.gradient(losses["loss"], variables)

    losses, gradients = measured(video)
    compiled_losses, compiled_gradients = tf.function(measured, jit_compile=True)(video)
    for name, value in losses.items():
        np.testing.assert_allclose(compiled_losses[name], value, rtol=1e-4, err_msg=name)
    for first, second in zip(gradients, compiled_gradients, strict=True):
        np.testing.assert_allclose(second, first, rtol=1e-2, atol=1e-3)


def _parameters(layer):
    return sum(math.prod(variable.shape) for variable in layer.variables)


def _conv(kernel, inputs, outputs):
    return kernel * kernel * inputs * outputs + outputs


def test_parameters_at_the_size_of_iodine_on_clevr():
    """Published sizes: decoder 0.15 M, refinement 1.0 M."""
    model = SequentialIODINE()
    model.build((None, 2, 64, 64, 3))
    decoder = _conv(3, 66, 64) + 3 * _conv(3, 64, 64) + _conv(3, 64, 4)
    assert _parameters(model.decoder) == decoder == 151_172
    mlp, lstm, update = 64 * 256 + 256 + 256 * 256 + 256, 4 * 256 * (256 + 256 + 256 + 1), 256 * 128 + 128
    norms = 2 * (3 + 1 + 1 + 1 + 128)
    refinement = _conv(3, 17, 64) + 3 * _conv(3, 64, 64) + mlp + lstm + update + norms
    assert _parameters(model.refinement) == refinement == 1_023_692
    assert _parameters(model) == decoder + refinement + 128


def test_parameters_at_the_size_of_iodine_on_multi_dsprites():
    """Published: 0.34 M in all, with one constant channel each of decoder, images and numbers, and 8 coordinates."""
    model = SequentialIODINE(
        6,
        16,
        RefinementNetwork((32, 32, 32), 5, (128,), 128),
        BroadcastDecoder((32, 32, 32, 32), 5, "same", "elu", 5),
    )
    model.build((None, 2, 64, 64, 3))
    theirs = _parameters(model) + 25 * 32 * 1 + 25 * 32 * (1 + 6) + 4 * 128 * 1
    norms_and_start = 2 * (6 + 32) + 32
    assert theirs - norms_and_start == 339_044


@pytest.mark.parametrize(
    ("arguments", "binding"),
    [
        ({"num_slots": 1}, "num_slots"),
        ({"burn_in": -1}, "burn_in"),
        ({"refinements_per_frame": 0}, "refinements_per_frame"),
        ({"trained": "later"}, "trained"),
        ({"read": "later"}, "read"),
        ({"alpha": 0.0}, "alpha"),
        ({"prior_scale": 0.0}, "prior_scale"),
    ],
)
def test_a_wrong_value_is_told(arguments, binding):
    with pytest.raises(UserError, match=rf"^SequentialIODINE\.{binding} is "):
        SequentialIODINE(**arguments)


def test_a_first_frame_without_a_refinement_is_told():
    with pytest.raises(UserError, match=r"burn_in is 0 and read is 'before'.*read 'after'"):
        _make(burn_in=0)
    with pytest.raises(UserError, match=r"one refinement only: give burn_in or train 'after'"):
        _make(frames=1, burn_in=0, read="after")
