import numpy as np
import pytest
import tensorflow as tf

from simone_tf.errors import UserError
from simone_tf.models.parts.likelihood import PixelMixture
from simone_tf.models.parts.queries import Query, RandomQueries, StridedQueries, full_query

FRAMES, HEIGHT, WIDTH, SLOTS = 3, 8, 16, 4
PIXELS = FRAMES * HEIGHT * WIDTH


def _video(batch=2, seed=0):
    return tf.random.stateless_uniform([batch, FRAMES, HEIGHT, WIDTH, 3], [seed, 0])


def _means(model, video):
    return {name: posterior.mean for name, posterior in model.encode(video).items()}


def _seed(number):
    return tf.constant([number, 5])


def test_loss_is_equation_3_by_hand(make_simone):
    model = make_simone(sampling="mean", queries=RandomQueries(PIXELS), alpha=0.7)
    video = _video()
    losses = model.losses(video, _seed(0), _seed(1))

    objects, frames = model.encode(video)["object"], model.encode(video)["frame"]
    decoded = model.decode(_means(model, video), full_query(FRAMES, HEIGHT, WIDTH))
    log_prob = model.likelihood.log_prob(tf.reshape(video, [2, PIXELS, 3]), *decoded).numpy()

    def kl(posterior):
        mean, log_scale = (value.numpy().astype(np.float64) for value in posterior)
        return 0.5 * np.sum(np.exp(2 * log_scale) + mean**2 - 1 - 2 * log_scale, axis=-1)

    per_clip = -0.7 / PIXELS * log_prob.sum(1) + 0.01 / SLOTS * kl(objects).sum(1) + 0.02 / FRAMES * kl(frames).sum(1)
    np.testing.assert_allclose(losses["loss"], per_clip.mean(), rtol=1e-5)
    np.testing.assert_allclose(losses["nats_per_pixel"], log_prob.mean(), rtol=1e-5)
    np.testing.assert_allclose(losses["object_kl"], kl(objects).mean(), rtol=1e-5)
    np.testing.assert_allclose(losses["frame_kl"], kl(frames).mean(), rtol=1e-5)
    weighted = sum(losses[f"weighted_{name}"] for name in ("nats_per_pixel", "object_kl", "frame_kl"))
    np.testing.assert_allclose(losses["loss"], weighted, rtol=1e-6)


def test_blend_error_is_a_further_term(make_simone):
    plain, blended = (
        make_simone(sampling="mean", queries=RandomQueries(PIXELS), alpha=0.7, likelihood=PixelMixture(0.1, weight))
        for weight in (0.0, 2.0)
    )
    blended.set_weights(plain.get_weights())
    losses = {model: model.losses(_video(), _seed(0), _seed(1)) for model in (plain, blended)}
    assert tuple(losses[plain]) == plain.loss_terms == type(plain).loss_terms
    assert tuple(losses[blended]) == blended.loss_terms == (*plain.loss_terms, "weighted_blend_error")
    for name in plain.loss_terms[1:]:
        np.testing.assert_array_equal(losses[blended][name], losses[plain][name])

    errors = plain.decompose(_video()).reconstruction.numpy().astype(np.float64) - _video().numpy()
    wanted = 2.0 * 0.7 * np.mean(np.sum(errors**2, axis=-1)) / (2 * 0.1**2)
    np.testing.assert_allclose(losses[blended]["weighted_blend_error"], wanted, rtol=1e-4)
    np.testing.assert_allclose(
        losses[blended]["loss"] - losses[plain]["loss"], losses[blended]["weighted_blend_error"], rtol=1e-4
    )


def test_mask_entropy_is_a_further_term(make_simone):
    plain, sharp = (
        make_simone(sampling="mean", queries=RandomQueries(PIXELS), alpha=0.7, likelihood=likelihood)
        for likelihood in (PixelMixture(0.1, 2.0), PixelMixture(0.1, 2.0, entropy_weight=0.3))
    )
    sharp.set_weights(plain.get_weights())
    losses = {model: model.losses(_video(), _seed(0), _seed(1)) for model in (plain, sharp)}
    assert tuple(losses[sharp]) == sharp.loss_terms == (*plain.loss_terms, "weighted_mask_entropy")
    masks = plain.decompose(_video()).slot_masks.numpy().astype(np.float64)
    wanted = 0.3 * 0.7 * np.mean(-np.sum(masks * np.log(masks), axis=1))
    np.testing.assert_allclose(losses[sharp]["weighted_mask_entropy"], wanted, rtol=1e-4)
    np.testing.assert_allclose(losses[sharp]["loss"] - losses[plain]["loss"], wanted, rtol=1e-3)


@pytest.mark.parametrize("queries", [RandomQueries(48), StridedQueries(2, 2)])
def test_decoding_a_subset_leaves_the_loss_unchanged_in_expectation(make_simone, queries):
    model = make_simone(sampling="mean", normalize_masks=False, queries=queries)
    video = _video()
    subset = tf.function(lambda number: model.losses(video, _seed(0), tf.stack([number, 9]))["loss"])
    losses = np.array([subset(tf.constant(number)) for number in range(600)])
    model.queries = RandomQueries(PIXELS)
    full = float(model.losses(video, _seed(0), _seed(0))["loss"])
    standard_error = losses.std() / np.sqrt(len(losses))
    assert losses.std() > 10 * 1e-5  # the subsets do differ
    assert abs(losses.mean() - full) < 4 * standard_error


@pytest.mark.parametrize("sampling", ["per_pixel", "per_frame", "shared"])
def test_sampling_repeats_noise_just_where_it_says(make_simone, sampling):
    model = make_simone(sampling=sampling, queries=RandomQueries(PIXELS))
    posteriors = model.encode(_video())
    objects, frames = model.drawn(posteriors, {}, full_query(FRAMES, HEIGHT, WIDTH), _seed(3))
    objects = tf.broadcast_to(objects, [2, SLOTS, PIXELS, 5]).numpy().reshape(2, SLOTS, FRAMES, HEIGHT * WIDTH, 5)
    frames = frames.numpy().reshape(2, FRAMES, HEIGHT * WIDTH, 3)
    distinct_objects = len(np.unique(objects[0, 0].reshape(-1, 5), axis=0))
    distinct_frames = len(np.unique(frames[0].reshape(-1, 3), axis=0))
    assert distinct_objects == {"per_pixel": PIXELS, "per_frame": FRAMES, "shared": 1}[sampling]
    assert distinct_frames == {"per_pixel": PIXELS, "per_frame": FRAMES, "shared": FRAMES}[sampling]
    # Noise is centred on the posterior: the mean over a frame's pixels of many seeds tends to the mean.
    if sampling == "per_pixel":
        spread = np.exp(posteriors["object"].log_scale.numpy())[:, :, None]
        error = objects.mean((2, 3))[:, :, None] - posteriors["object"].mean.numpy()[:, :, None]
        assert np.all(np.abs(error) < 5 * spread / np.sqrt(PIXELS))


def test_an_unknown_sampling_is_refused(make_simone):
    with pytest.raises(UserError, match=r"SIMONe\.sampling.*per_pixel"):
        make_simone(sampling="per_pixl")


def test_the_loss_is_a_function_of_both_seeds(make_simone):
    model = make_simone()
    video = _video()
    pairs = [(1, 0), (1, 0), (2, 0), (1, 3)]
    loss = [float(model.losses(video, _seed(noise), _seed(query))["loss"]) for noise, query in pairs]
    assert loss[0] == loss[1]
    assert len(set(loss)) == 3


def test_without_noise_only_the_choice_of_pixels_is_random(make_simone):
    model = make_simone(sampling="mean")
    video = _video()
    loss = [float(model.losses(video, _seed(noise), _seed(query))["loss"]) for noise, query in [(1, 0), (2, 0), (1, 3)]]
    assert loss[0] == loss[1] != loss[2]


@pytest.mark.parametrize("normalize_masks", [True, False])
@pytest.mark.parametrize("chunk_size", [1, 37, PIXELS - 1])
def test_decoding_in_chunks_equals_decoding_at_once(make_simone, chunk_size, normalize_masks):
    model = make_simone(normalize_masks=normalize_masks)
    latents = _means(model, _video())
    query = full_query(FRAMES, HEIGHT, WIDTH)
    at_once = model.decode(latents, query)
    decode = tf.function(lambda: model.decode(latents, query, chunk_size))
    for whole, chunked in zip(at_once, decode(), strict=True):
        assert whole.shape == chunked.shape
        np.testing.assert_allclose(whole, chunked, atol=1e-5)


def test_a_raw_decode_depends_on_its_own_query_only(make_simone):
    model = make_simone(normalize_masks=False)
    latents = _means(model, _video())
    query = full_query(FRAMES, HEIGHT, WIDTH)
    whole = model.decode(latents, query)
    chosen = [0, 130, 257, 383]
    part = Query(tf.gather(query.frames, chosen, axis=1), tf.gather(query.coordinates, chosen, axis=1))
    decoded = model.decode(latents, part)
    np.testing.assert_allclose(tf.gather(whole.rgb_means, chosen, axis=2), decoded.rgb_means, atol=1e-5)
    np.testing.assert_allclose(tf.gather(whole.mask_logits, chosen, axis=2), decoded.mask_logits, atol=1e-5)


def test_a_query_for_each_clip_of_the_batch(make_simone):
    model = make_simone(normalize_masks=False)
    latents = _means(model, _video())
    rng = np.random.default_rng(0)
    query = Query(
        tf.constant(rng.integers(0, FRAMES, size=(2, 9)), tf.int32),
        tf.constant(rng.uniform(-1, 1, size=(2, 9, 2)), tf.float32),
    )
    both = model.decode(latents, query)
    for clip in range(2):
        one = slice(clip, clip + 1)
        alone = model.decode(
            {name: value[one] for name, value in latents.items()}, Query(query.frames[one], query.coordinates[one])
        )
        np.testing.assert_allclose(both.rgb_means[one], alone.rgb_means, atol=1e-5)


def test_decompose_gives_consistent_parts(make_simone):
    model = make_simone()
    video = _video()
    parts = model.decompose(video)
    assert parts.reconstruction.shape == video.shape
    assert parts.slot_rgb.shape == (2, SLOTS, FRAMES, HEIGHT, WIDTH, 3)
    np.testing.assert_allclose(tf.reduce_sum(parts.slot_masks, 1), np.ones([2, FRAMES, HEIGHT, WIDTH]), atol=1e-5)
    np.testing.assert_array_equal(parts.segments, np.argmax(parts.slot_masks, axis=1))
    mixture_mean = np.sum(parts.slot_masks.numpy()[..., None] * parts.slot_rgb.numpy(), axis=1)
    np.testing.assert_allclose(parts.reconstruction, mixture_mean, atol=1e-5)


def test_recompose_decodes_one_clips_objects_with_anothers_frames(make_simone):
    model = make_simone()
    video, other = _video(seed=0), _video(seed=1)
    recomposed = model.recompose(video, other)
    decoded = model.decode(
        {"object": model.encode(video)["object"].mean, "frame": model.encode(other)["frame"].mean},
        full_query(FRAMES, HEIGHT, WIDTH),
    )
    np.testing.assert_allclose(
        recomposed.slot_rgb, tf.reshape(decoded.rgb_means, [2, SLOTS, FRAMES, HEIGHT, WIDTH, 3]), atol=1e-5
    )
    own = model.recompose(video, video)
    np.testing.assert_allclose(own.reconstruction, model.decompose(video).reconstruction, atol=1e-5)
    assert np.abs(recomposed.reconstruction - own.reconstruction).max() > 1e-4
    # Any pair: clip 0's objects with clip 1's frames of the same batch.
    crossed = model.recompose(video, tf.reverse(video, [0]))
    assert crossed.reconstruction.shape == video.shape


def test_the_papers_sizes(make_simone):
    from simone_tf.models.simone.encoder import Encoder
    from simone_tf.models.simone.model import SIMONe

    model = SIMONe()
    model.build((None, 16, 64, 64, 3))
    assert isinstance(model.encoder, Encoder)
    assert model.encoder.num_slots == 16
    # By hand: CNN, projection, two transformers of four layers, two heads, decoder, mask layer norm.
    convolutions = (16 * 3 + 1) * 128 + 2 * (16 * 128 + 1) * 128
    layer = 2 * 640 + 4 * 320 * 320 + 320 + (320 + 1) * 1024 + (1024 + 1) * 320
    head = 321 * 1024 + 2 * 1025 * 32
    decoder = 68 * 512 + 4 * 513 * 512 + 513 * 4
    expected = convolutions + 129 * 320 + 2 * (4 * layer + 640) + 2 * head + decoder + 2
    assert model.count_params() == expected


def test_the_epsilon_of_the_mask_normalization_is_configured(make_simone):
    logits = tf.random.stateless_normal([2, SLOTS, 50], [3, 4])
    model = make_simone(mask_epsilon=0.5)
    values = logits.numpy()
    mean, variance = values.mean((1, 2), keepdims=True), values.var((1, 2), keepdims=True)
    np.testing.assert_allclose(model.mask_normalization(logits), (values - mean) / np.sqrt(variance + 0.5), atol=1e-5)
