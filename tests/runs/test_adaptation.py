"""A model trained further on one video: it gets better there, what is held out stays unseen, and the run is a run."""

import numpy as np
import pytest
import tensorflow as tf

from simone_tf.data.videos.video_source import VideoSource
from simone_tf.errors import UserError
from simone_tf.runs import adaptation
from simone_tf.runs.adaptation import adapt
from simone_tf.runs.flags import window_model_of
from simone_tf.runs.load import load_run
from simone_tf.training import time_limit

from colour_mixture import ColourMixture
from decomposed import moving_square
from one_scene import OneScene


@pytest.fixture(autouse=True)
def _as_many_steps_on_any_machine(monkeypatch):
    monkeypatch.setattr(time_limit, "LEAST_STEPS", 40)
    monkeypatch.setattr(adaptation, "WARMUP_STEPS", 5)


@pytest.fixture(scope="module")
def given(colour_run):
    """Of a model that is compiled in no time, and is given a camera."""
    return load_run(str(colour_run))


def adapted(given, video, out, origin, camera=True, **further):
    np.save(out.parent / "video.npy", video)
    if camera:
        np.save(out.parent / "camera.npy", np.random.default_rng(0).normal(size=(len(video), 7)))
        further["camera"] = str(out.parent / "camera.npy")
    source = VideoSource(out.parent / "video.npy")
    return adapt(given, window_model_of(given, "given"), str(origin), source, str(out), 1e-3, **further)


def nats(model, window):
    return float(tf.reduce_mean(model.log_prob(window, model.decompose({"video": window}))))


def test_what_is_held_out_is_drawn_better_and_was_never_trained_on(run, tmp_path, capsys, monkeypatch):
    """Of two videos that differ in what is held out alone, the files that are trained on are the same."""
    given, video = load_run(str(run)), moving_square(12)
    found = adapted(given, video, tmp_path / "a", run, camera=False)
    assert found.held_out == (10, 12)
    assert (found.score, found.last_step) == ("nats_per_pixel", 40)
    assert 0 < found.step <= 40
    window = tf.constant(video[None, 10:] / 255, tf.float32)
    model = load_run(found.run_dir).model
    assert found.before["nats_per_pixel"] == pytest.approx(nats(given.model, window), rel=1e-4)
    assert found.after["nats_per_pixel"] == pytest.approx(nats(model, window), rel=1e-4)
    assert nats(model, window) > nats(given.model, window) + 0.01
    told = capsys.readouterr().out
    assert "Held out as a check: frames 10 to 11" in told
    assert "40 steps were taken." in told
    assert "log-likelihood in nats per pixel on the part held out: " in told
    assert found.described("x")["held_out_frames"] == [10, 11]

    other = video.copy()
    other[10:] = 255 - other[10:]
    monkeypatch.setattr(time_limit, "LEAST_STEPS", 2)
    adapted(given, other, tmp_path / "b", run, camera=False)
    files = [tmp_path / name / "adapted" / "clips" for name in "ab"]
    trained, checked = (
        [(folder / f"{split}-00000-of-00001.tfrecord").read_bytes() for folder in files] for split in ("train", "test")
    )
    assert trained[0] == trained[1]
    assert checked[0] != checked[1]
    settings = load_run(found.run_dir).settings
    assert (settings.clips.split, settings.held_out_clips.split) == ("train", "test")
    assert settings.clips.data_dir == settings.held_out_clips.data_dir == str(files[0])


def test_when_it_gets_worse_the_given_weights_are_used(colour_run, given, tmp_path, capsys, monkeypatch):
    """Here the steps lead up the loss."""
    losses = ColourMixture.losses
    upward = lambda self, *given: {name: -value for name, value in losses(self, *given).items()}  # noqa: E731
    monkeypatch.setattr(ColourMixture, "losses", upward)
    found = adapted(given, moving_square(12), tmp_path / "out", colour_run)
    assert (found.step, found.after) == (0, {**found.after, **found.before})
    told = capsys.readouterr().out
    assert f"No weights after the start were better on the part held out: those of {colour_run} are used" in told
    for value, wanted in zip(load_run(found.run_dir).model.get_weights(), given.model.get_weights(), strict=True):
        np.testing.assert_array_equal(value, wanted)


def test_a_video_without_room_is_trained_on_as_a_whole(colour_run, given, tmp_path, capsys):
    found = adapted(given, moving_square(3), tmp_path / "out", colour_run)
    assert found.held_out is None
    told = capsys.readouterr().out
    assert "--adapt=0.001: " in told
    assert "too short to hold a part of it out as a check" in told
    assert "on what was trained on: " in told


def test_the_same_video_goes_on_and_another_does_not(colour_run, given, tmp_path):
    first = adapted(given, moving_square(12), tmp_path / "out", colour_run)
    second = adapted(given, moving_square(12), tmp_path / "out", colour_run)
    assert second.last_step == first.step + 40
    assert second.before == pytest.approx({**second.before, **{k: first.after[k] for k in second.before}})
    stored = sorted((tmp_path / "out" / "adapted" / "checkpoints").iterdir())
    with pytest.raises(UserError, match=r"clips of another video or model.*: choose another --out, or move .* away\.$"):
        adapted(given, 255 - moving_square(12), tmp_path / "out", colour_run)
    with pytest.raises(UserError, match="clips of another video or model"):
        adapted(given, moving_square(12), tmp_path / "out", f"{colour_run}/.")
    assert sorted((tmp_path / "out" / "adapted" / "checkpoints").iterdir()) == stored


def test_a_model_does_not_start_from_itself(colour_run, given, tmp_path):
    first = adapted(given, moving_square(12), tmp_path / "out", colour_run)
    with pytest.raises(UserError, match=r"--adapt=0\.001: .* is the model itself.*choose another --out\.$"):
        adapted(load_run(first.run_dir), moving_square(12), tmp_path / "out", first.run_dir)


def test_a_window_is_all_that_it_takes(colour_run, given, tmp_path):
    with pytest.raises(
        UserError, match=r"^--adapt=0\.001: no scene of .* has the 2 frames of a window \(the longest has 1"
    ):
        adapted(given, moving_square(1), tmp_path / "out", colour_run)
    assert not (tmp_path / "out").exists()


def test_a_model_with_a_camera(colour_run, given, tmp_path):
    """Which nobody knows of a mirrored clip."""
    with pytest.raises(UserError, match="--camera=FILE"):
        adapted(given, moving_square(12), tmp_path / "out", colour_run, camera=False)
    found = adapted(given, moving_square(12), tmp_path / "out", colour_run)
    assert found.after["nats_per_pixel"] > found.before["nats_per_pixel"]
    config = (tmp_path / "out" / "adapted" / "config.gin").read_text()
    assert "training_batches.mirror = False" in config
    assert "WarmupCosine.peak = 0.005\n" in config  # half of the rate that the model was trained with
    np.save(tmp_path / "short.npy", np.zeros((11, 7)))
    short = {"camera": str(tmp_path / "short.npy"), "find_cuts": False}
    source = VideoSource(tmp_path / "video.npy")
    with pytest.raises(UserError, match=r"short\.npy: `camera` has 11 rows, the video has 12 frames"):
        adapt(given, window_model_of(given, "given"), "x", source, str(tmp_path / "other"), 1e-3, **short)
    assert not (tmp_path / "other").exists()


def test_a_model_without_a_likelihood_is_scored_by_its_error(colour_run, given, tmp_path, monkeypatch):
    assert adaptation._has_likelihood(given)
    without = OneScene()
    without.build((None, 2, 8, 8, 3))
    assert not adaptation._has_likelihood(given._replace(model=without))
    monkeypatch.setattr(adaptation, "_has_likelihood", lambda run: False)
    found = adapted(given, moving_square(12), tmp_path / "out", colour_run)
    assert found.score == "psnr"
    for measures in (found.before, found.after):
        assert measures["psnr"] == pytest.approx(-10 * np.log10(measures["reconstruction_mse"]))


def test_optimizer_and_rate_follow_the_models_own():
    for config, found in (
        ("train.optimizer = @Adam\nAdam.learning_rate = 3e-3", ("Adam", 3e-3)),
        (
            "train.optimizer = @Own\nOwn.learning_rate = @WarmupCosine()\nWarmupCosine.peak = %rate\nrate = 1e-4",
            ("Own", 1e-4),
        ),
        ("train.optimizer = @Own\nOwn.learning_rate = @my_own_schedule()", ("Adam", 2e-4)),
        ("", ("Adam", 2e-4)),
    ):
        assert adaptation._optimizer_of(config) == found


def test_what_fails_says_what_is_there(colour_run, given, tmp_path, monkeypatch):
    """A disk that is full when a run goes on; what was saved before is whole."""
    from simone_tf.training import checkpoints

    def full(self, folder, step, keep, named):
        raise checkpoints.unwritable(named, OSError(28, "No space left on device"))

    first = adapted(given, moving_square(12), tmp_path / "out", colour_run)
    with monkeypatch.context() as patch:
        patch.setattr(checkpoints.Checkpoints, "_write", full)
        with pytest.raises(UserError) as caught:
            adapted(given, moving_square(12), tmp_path / "out", colour_run)
    text = str(caught.value)
    assert "the checkpoint could not be written (No space left on device); free space or choose another --out" in text
    assert text.endswith(f"{tmp_path / 'out' / 'adapted'} holds the model after {first.step} steps.")
    assert load_run(first.run_dir).step == first.step


def test_an_interrupt_says_what_is_there(colour_run, given, tmp_path, monkeypatch):
    from simone_tf.training.step import TrainingStep

    take = TrainingStep.run

    def interrupted(self, iterator, count):
        rows = take(self, iterator, count)
        if int(self.step.numpy()) >= 5:
            raise KeyboardInterrupt
        return rows

    with monkeypatch.context() as patch:
        patch.setattr(TrainingStep, "run", interrupted)
        with pytest.raises(KeyboardInterrupt) as caught:
            adapted(given, moving_square(12), tmp_path / "out", colour_run)
    run_dir = tmp_path / "out" / "adapted"
    step = load_run(str(run_dir)).step
    assert step >= 5
    wanted = f"{run_dir} holds the model after {step} steps, the same command goes on from there"
    assert str(caught.value) == wanted
    assert adapted(given, moving_square(12), tmp_path / "out", colour_run).last_step == step + 40
