"""The autoencoder: its loss in float64, where slots start, and what a clip's result depends on."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from simone_tf.errors import UserError
from simone_tf.models.slot_attention.attention import SlotAttentionModule
from simone_tf.models.slot_attention.decoder import SlotAttentionDecoder
from simone_tf.models.slot_attention.encoder import SlotAttentionEncoder
from simone_tf.models.slot_attention.model import SlotAttention

import slot_attention_oracle as oracle

B, T, H, W, K, D = 2, 3, 6, 8, 3, 6
NOISE, SHARED = tf.constant([3, 1]), tf.constant([4, 1])


def make(frames=T, **arguments):
    keras.utils.set_random_seed(0)
    parts = SlotAttentionEncoder(5, (2, 1), 3), SlotAttentionModule(K, D, 2, 7), SlotAttentionDecoder(1, 1, 5, 3)
    model = SlotAttention(*parts, **arguments)
    model.build((None, frames, H, W, 3))
    rng = np.random.default_rng(0)
    for variable in model.variables:
        variable.assign(variable.numpy() + 0.3 * rng.normal(size=variable.shape))
    return model


@pytest.fixture
def video():
    return np.random.default_rng(1).uniform(size=(B, T, H, W, 3)).astype(np.float32)


def slots_of(model, video):
    """[B, K, T, D]"""
    return model.encode(video)["object"].mean.numpy()


def features_of(model, images):
    return oracle.encoded(model.encoder, 2.0 * np.asarray(images, np.float64) - 1.0)


def test_the_loss_is_the_squared_error_of_the_mixture_in_minus_1_to_1(video):
    """All of it in float64; only the noise is TensorFlow's."""
    model = make()
    noise = tf.random.stateless_normal([B, T, K, D], NOISE).numpy().astype(np.float64)
    mean, log_scale = model.attention.initial_mean.numpy(), model.attention.initial_log_scale.numpy()
    errors = []
    for clip in range(B):
        for frame in range(T):
            features = features_of(model, video[clip, frame][None])
            start = mean[0] + np.exp(log_scale[0]) * noise[clip, frame]
            (slots,) = oracle.attended(model.attention, features, start[None])
            drawn = oracle.mixed(*oracle.decoded(model.decoder, slots))
            errors.append((drawn - (2.0 * video[clip, frame] - 1.0)) ** 2)
    losses = model.losses({"video": video}, NOISE, SHARED)
    assert set(losses) == {"loss"}
    np.testing.assert_allclose(losses["loss"], np.mean(errors), rtol=1e-4)


def test_what_is_drawn_has_the_videos_scale(video):
    model = make()
    rendering = model.render({"object": slots_of(model, video)}, {}, (H, W))
    slots = slots_of(model, video)[1, :, 2]
    colours, logits = oracle.decoded(model.decoder, slots)
    np.testing.assert_allclose(rendering.slot_rgb[1, :, 2], (colours + 1) / 2, atol=1e-4)
    np.testing.assert_allclose(rendering.slot_masks[1, :, 2], oracle.softmax(logits, axis=0), atol=1e-4)
    np.testing.assert_allclose(rendering.reconstruction[1, 2], (oracle.mixed(colours, logits) + 1) / 2, atol=1e-4)


@pytest.mark.parametrize("chunk_size", [1, H * W - 1, H * W, 2 * H * W, 10**6, "tensor"])
def test_frames_are_decoded_some_at_a_time_with_the_same_result(video, chunk_size):
    model = make()
    latents = {"object": slots_of(model, video)}
    chunk_size = tf.constant(2 * H * W + 5) if chunk_size == "tensor" else chunk_size
    whole, parts = model.render(latents, {}, (H, W)), model.render(latents, {}, (H, W), chunk_size)
    for value, expected in zip(parts, whole, strict=True):
        np.testing.assert_allclose(value, expected, atol=1e-5)


def test_no_likelihood_and_no_distribution(video):
    model = make()
    assert model.log_prob(video, model.decompose(video)) is None
    assert model.encode(video)["object"].log_scale is None
    assert not model.recomposes


def test_a_clips_result_does_not_depend_on_its_neighbours(video):
    model = make()
    together, alone = slots_of(model, video), slots_of(model, video[1:])
    np.testing.assert_allclose(together[1:], alone, atol=1e-5)
    np.testing.assert_array_equal(slots_of(model, video), together)


def test_encoding_starts_from_noise_that_is_the_same_of_all_clips_and_differs_between_frames(video):
    model = make()
    still = np.broadcast_to(video[:1, :1], video.shape)
    slots = slots_of(model, still)
    np.testing.assert_allclose(slots[0], slots[1], atol=1e-5)
    noise = model.encoding_noise
    assert noise.shape == (T, K, D)
    assert len(np.unique(noise)) == noise.size
    # Of frames that are alike too.
    assert np.abs(slots[0, :, 0] - slots[0, :, 1]).max() > 1e-3
    # Another model of that size, or of longer clips, starts alike.
    np.testing.assert_array_equal(make().encoding_noise, noise)
    np.testing.assert_array_equal(make(frames=5).encoding_noise[:T], noise)


def test_each_frame_is_encoded_as_by_itself(video):
    model = make()
    start = model.attention.initial(model.encoding_noise[None])[0].numpy()
    for frame in range(T):
        expected = oracle.attended(model.attention, features_of(model, video[:, frame]), np.stack([start[frame]] * B))
        np.testing.assert_allclose(slots_of(model, video)[:, :, frame], expected, atol=2e-4)


def test_slots_of_a_frame_start_the_next_where_that_is_asked(video):
    model = make(initial_slots="previous")
    slots = np.stack([model.attention.initial(model.encoding_noise[None])[0, 0].numpy()] * B)
    found = slots_of(model, video)
    for frame in range(T):
        slots = oracle.attended(model.attention, features_of(model, video[:, frame]), slots)
        np.testing.assert_allclose(found[:, :, frame], slots, atol=1e-3)
    np.testing.assert_allclose(found[:, :, 0], slots_of(make(), video)[:, :, 0], atol=1e-5)


@pytest.mark.parametrize(("initial_slots", "is_known"), [("previous", True), ("noise", False)])
def test_with_previous_slots_a_step_runs_through_the_clip(video, initial_slots, is_known):
    """The slots of the last frame have a gradient by the pixels of the first, which they have not of frames apart."""
    model, clip = make(initial_slots=initial_slots), tf.constant(video)
    with tf.GradientTape() as tape:
        tape.watch(clip)
        last = tf.reduce_sum(model._slots(clip, tf.random.stateless_normal([B, T, K, D], NOISE))[:, :, -1] ** 2)
    gradient = tape.gradient(last, clip).numpy()
    assert bool(np.abs(gradient[:, 0]).max() > 1e-6) == is_known
    assert np.abs(gradient[:, -1]).max() > 1e-6


@pytest.mark.parametrize(("frames", "trained", "is_told"), [(T, 1, True), (T, None, False), (1, 1, False)])
def test_training_on_frames_that_have_none_before_them_is_told(video, frames, trained, is_told, caplog):
    model = make(frames, initial_slots="previous", num_training_frames=trained)
    model.losses(video[:, :frames], NOISE, SHARED)
    assert ("set SlotAttention.num_training_frames to None" in caplog.text) == is_told


def test_more_frames_than_it_was_built_for_are_refused(video):
    model = make(T - 1)
    with pytest.raises(UserError, match=f"{T} frames, and SlotAttention takes clips of 1 to {T - 1}: give"):
        model.decompose(video)


def test_the_switch_changes_no_weights():
    apart, through = make(), make(initial_slots="previous")
    for variable, other in zip(apart.variables, through.variables, strict=True):
        np.testing.assert_array_equal(variable.shape, other.shape)
        assert variable.name == other.name


def test_training_noise_is_that_of_its_seed(video):
    model = make()
    losses = [float(model.losses(video, tf.constant([seed, 0]), SHARED)["loss"]) for seed in (0, 1, 0)]
    assert losses[0] == losses[2] != losses[1]


@pytest.mark.parametrize(("count", "starts"), [(1, {0, 1, 2}), (2, {0, 1}), (3, {0}), (None, {0})])
def test_training_frames_are_consecutive_and_begin_anywhere(video, count, starts):
    model, found = make(num_training_frames=count), set()
    for seed in range(20):
        frames = model._training_frames(tf.constant(video), tf.constant([seed, 0])).numpy()
        assert frames.shape[1] == (count or T)
        (start,) = (s for s in range(T) if (frames[:, 0] == video[:, s]).all())
        np.testing.assert_array_equal(frames, video[:, start : start + frames.shape[1]])
        found.add(start)
    assert found == starts


def test_a_step_is_about_the_frames_it_is_trained_on(video):
    model = make(num_training_frames=1)
    frames = model._training_frames(tf.constant(video), SHARED)
    expected = make().losses(frames, NOISE, SHARED)["loss"]
    np.testing.assert_allclose(model.losses(video, NOISE, SHARED)["loss"], expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("size", "channels", "decoder", "total"),
    [(64, 64, (3, 1, 64), 787_844), (35, 32, (0, 3, 32), 235_812)],
)
def test_the_papers_sizes(size, channels, decoder, total):
    """About 0.8 M of CLEVR at 64x64 (0.32 + 0.05 + 0.41), about 0.24 M of the small variant (0.08 + 0.05 + 0.10)."""
    model = SlotAttention(SlotAttentionEncoder(channels), SlotAttentionModule(), SlotAttentionDecoder(*decoder))
    model.build((None, 1, size, size, 3))
    assert model.count_params() == total
    assert len(model.variables) == len(model.trainable_variables)


def test_values_out_of_range_are_refused():
    with pytest.raises(UserError, match=r"SlotAttention\.initial_slots is 'next': it must be 'noise' or 'previous'"):
        SlotAttention(initial_slots="next")
    with pytest.raises(UserError, match=r"SlotAttention\.num_training_frames is 0"):
        SlotAttention(num_training_frames=0)
    with pytest.raises(UserError, match="num_training_frames is 4, but clips have 3 frames"):
        make(num_training_frames=4)
