"""Checkpoints: complete, exact, refused when they do not fit, and safe on a disk that is full or dies half way."""

import contextlib
import errno
import json
import os
import resource
import shutil
import types

import numpy as np
import pytest
import tensorflow as tf

from simone_tf.errors import UserError
from simone_tf.training.averaging import WeightAverage
from simone_tf.training.checkpoints import Checkpoints, restore_weights
from simone_tf.training.optimizers import make_adam


@pytest.fixture
def make_parts(make_model):
    """A function (strategy, learning rate, model options) -> what a run saves, built."""

    def make(strategy=None, learning_rate=1e-3, **model):
        with (strategy or tf.distribute.get_strategy()).scope():
            network = make_model(**model)
            adam = make_adam(learning_rate)
            adam.build(network.trainable_variables)
            step = tf.Variable(0, dtype=tf.int64, trainable=False)
            return {"model": network, "optimizer": adam, "step": step, "average": WeightAverage(network)}

    return make


def variables(parts):
    """Every variable that a run has, found through the objects' own lists."""
    found = [*parts["model"].variables, *parts["optimizer"].variables, parts["step"]]
    return [*found, *parts["average"].variables]


def fill(parts):
    """Gives every variable a number of its own; returns the values."""
    values = []
    for number, variable in enumerate(variables(parts), start=100):
        values.append(np.full(variable.shape, number, np.asarray(variable.numpy()).dtype))
        variable.assign(values[-1])
    return values


def values_of(parts):
    return [np.asarray(variable.numpy()) for variable in variables(parts)]


def assert_equal(values, expected):
    for value, wanted in zip(values, expected, strict=True):
        np.testing.assert_array_equal(value, wanted)


def assert_best(run_dir, fresh, step, expected):
    """The best checkpoint is the one of `step` and holds the weights of the parts `expected`."""
    path, _ = restore_weights(run_dir, fresh["model"], best=True)
    assert path == str(run_dir / "best" / f"ckpt-{step}")
    assert_equal(*([variable.numpy() for variable in parts["model"].variables] for parts in (fresh, expected)))


@contextlib.contextmanager
def no_room(limit=2000):
    """The operating system refuses to write more than `limit` bytes to a file, as a full disk would."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_every_weight_slot_and_average_is_on_disk(tmp_path, make_parts):
    parts = make_parts(num_layers=2)
    filled = fill(parts)
    Checkpoints(tmp_path, parts).save(7)

    reader = tf.train.load_checkpoint(str(tmp_path / "checkpoints"))
    names = [name for name, _ in tf.train.list_variables(str(tmp_path / "checkpoints"))]
    on_disk = [np.asarray(reader.get_tensor(name)) for name in names if name.endswith("VARIABLE_VALUE")]
    by_number = {value.ravel()[0]: value for value in on_disk}
    for value in filled:
        assert by_number[value.ravel()[0]].shape == value.shape
        np.testing.assert_array_equal(by_number[value.ravel()[0]], value)
    # By hand: weights, two moments of each, the average of each.
    trainable = len(parts["model"].trainable_variables)
    assert len(filled) == 4 * trainable + 3  # and three counters: of the step, the optimizer and the average


def test_the_model_alone_finds_its_weights_without_the_optimizer(tmp_path, make_parts, make_model):
    """Not only through the optimizer's own list of what it trains: evaluation has no optimizer."""
    parts = make_parts(num_layers=2)
    fill(parts)
    Checkpoints(tmp_path, parts).save(7)
    model = make_model(num_layers=2)
    path = tf.train.latest_checkpoint(tmp_path / "checkpoints")
    tf.train.Checkpoint(model=model).restore(path).assert_existing_objects_matched().expect_partial()
    assert_equal([variable.numpy() for variable in model.variables], [v.numpy() for v in parts["model"].variables])


def test_fresh_objects_restore_to_equal_values(tmp_path, make_parts):
    parts = make_parts()
    filled = fill(parts)
    Checkpoints(tmp_path, parts).save(3)
    fresh = make_parts()
    assert Checkpoints(tmp_path, fresh).restore_latest() == str(tmp_path / "checkpoints" / "ckpt-3")
    assert_equal(values_of(fresh), filled)


def test_a_run_can_change_between_one_device_and_two(tmp_path, make_parts, two_replicas):
    first = make_parts()
    filled = fill(first)
    Checkpoints(tmp_path, first).save(1)
    mirrored = make_parts(two_replicas)
    with two_replicas.scope():
        checkpoints = Checkpoints(tmp_path, mirrored)
        checkpoints.restore_latest()
    assert_equal(values_of(mirrored), filled)
    for variable in mirrored["model"].trainable_variables:
        first, second = two_replicas.experimental_local_results(variable.value)
        np.testing.assert_array_equal(first.numpy(), second.numpy())
    checkpoints.save(2)
    single = make_parts()
    Checkpoints(tmp_path, single).restore_latest()
    assert_equal(values_of(single), filled)


def test_the_learning_rate_is_the_configured_one_after_a_restore(tmp_path, make_parts):
    """Whoever is told to go on with a lower learning rate must get it."""
    Checkpoints(tmp_path, make_parts(learning_rate=1.0)).save(1)
    lower = make_parts(learning_rate=0.5)
    Checkpoints(tmp_path, lower).restore_latest()
    assert float(lower["optimizer"].learning_rate) == 0.5


def test_nothing_to_restore(tmp_path, make_parts):
    checkpoints = Checkpoints(tmp_path / "new", make_parts())
    assert checkpoints.restore_latest() is None
    assert checkpoints.latest is None
    assert checkpoints.best_value() == float("-inf")


def test_the_last_n_are_kept(tmp_path, make_parts):
    parts = make_parts()
    checkpoints = Checkpoints(tmp_path, parts, keep=2)
    for step in (5, 15, 5 * 5, 30):
        parts["step"].assign(step)
        checkpoints.save(step)
    kept = sorted(name for name in os.listdir(tmp_path / "checkpoints") if name.endswith(".index"))
    assert kept == ["ckpt-25.index", "ckpt-30.index"]

    # A later session counts those of the earlier one, and does not write a step twice.
    later = Checkpoints(tmp_path, parts, keep=2)
    written = (tmp_path / "checkpoints" / "ckpt-30.index").stat().st_mtime_ns
    later.save(30)
    assert (tmp_path / "checkpoints" / "ckpt-30.index").stat().st_mtime_ns == written
    later.save(40)
    kept = sorted(name for name in os.listdir(tmp_path / "checkpoints") if name.endswith(".index"))
    assert kept == ["ckpt-30.index", "ckpt-40.index"]
    assert later.restore_latest().endswith("ckpt-40")


def test_the_best_survives_later_ones(tmp_path, make_parts):
    parts = make_parts()
    checkpoints = Checkpoints(tmp_path, parts, keep=1, best_metric="score")
    kept = []
    for step, score in enumerate([0.5, 0.2, 0.8, float("nan"), 0.8, 0.1], start=1):
        parts["step"].assign(step)
        checkpoints.save(step)
        kept.append(checkpoints.save_if_best(step, {"score": score, "other": 1.0}))
    assert kept == [True, False, True, False, False, False]
    assert not checkpoints.save_if_best(9, {"other": 1.0})
    assert checkpoints.best_value() == 0.8
    assert json.loads((tmp_path / "best" / "best.json").read_text()) == {"step": 3, "metric": "score", "value": 0.8}

    fresh = make_parts()
    later = Checkpoints(tmp_path, fresh, keep=1, best_metric="score")
    assert not later.save_if_best(7, {"score": 0.7})
    assert restore_weights(tmp_path, fresh["model"], best=True) == (str(tmp_path / "best" / "ckpt-3"), 3)
    assert sorted(os.listdir(tmp_path)) == ["best", "checkpoints"]


def test_a_run_goes_back_to_its_best(tmp_path, make_parts):
    parts = make_parts()
    checkpoints = Checkpoints(tmp_path, parts, keep=2, best_metric="score")
    assert checkpoints.return_to_best() == 0  # There is none yet.
    values = {}
    for step, score in ((0, 0.1), (3, 0.9), (5, 0.4), (8, 0.2)):
        fill(parts)
        parts["step"].assign(step)
        values[step] = values_of(parts)
        checkpoints.save(step)
        checkpoints.save_if_best(step, {"score": score})
        for variable in parts["model"].variables:
            variable.assign(variable + 1.0)
    assert checkpoints.return_to_best() == 3
    assert_equal(values_of(parts), values[3])
    fresh = make_parts()
    later = Checkpoints(tmp_path, fresh, keep=2, best_metric="score")
    assert later.restore_latest() == str(tmp_path / "checkpoints" / "ckpt-3")
    assert_equal(values_of(fresh), values[3])
    assert (later.evaluated_step(), later.best_value()) == (3, 0.9)
    later.save(4)
    kept = sorted(name for name in os.listdir(tmp_path / "checkpoints") if name.endswith(".index"))
    assert kept == ["ckpt-3.index", "ckpt-4.index"]
    assert sorted(os.listdir(tmp_path)) == ["best", "checkpoints"]


def test_a_run_that_cannot_go_back_stays_where_it_is(tmp_path, make_parts, monkeypatch):
    parts = make_parts()
    checkpoints = Checkpoints(tmp_path, parts, best_metric="score")
    for step, score in ((3, 0.9), (5, 0.4)):
        parts["step"].assign(step)
        checkpoints.save(step)
        checkpoints.save_if_best(step, {"score": score})

    def full(source, target):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copy2", full)
        with pytest.raises(UserError, match=r"could not be written .*No space left"):
            checkpoints.return_to_best()
    assert checkpoints.restore_latest() == str(tmp_path / "checkpoints" / "ckpt-5")


def test_a_run_folder_can_be_moved(tmp_path, make_parts):
    parts = make_parts()
    filled = fill(parts)
    checkpoints = Checkpoints(tmp_path / "here", parts)
    checkpoints.save(1)
    checkpoints.save_if_best(1, {"video_ari_foreground": 0.5})
    shutil.move(tmp_path / "here", tmp_path / "there")
    fresh = make_parts()
    assert Checkpoints(tmp_path / "there", fresh).restore_latest() == str(tmp_path / "there" / "checkpoints" / "ckpt-1")
    assert_equal(values_of(fresh), filled)
    assert_best(tmp_path / "there", make_parts(), 1, parts)


@pytest.mark.parametrize("other", [{"width": 24}, {"num_layers": 2}, {"normalize_masks": False}])
@pytest.mark.parametrize("swapped", [False, True])
def test_another_architecture_is_refused(tmp_path, make_parts, other, swapped):
    saved, restored = ({}, other) if not swapped else (other, {})
    Checkpoints(tmp_path, make_parts(**saved)).save(1)
    with pytest.raises(UserError, match="another architecture") as caught:
        Checkpoints(tmp_path, make_parts(**restored)).restore_latest()
    assert "\n" not in str(caught.value)
    assert str(tmp_path / "checkpoints" / "ckpt-1") in str(caught.value)


@pytest.mark.parametrize("part", ["average", "optimizer"])
@pytest.mark.parametrize("swapped", [False, True])
def test_a_part_more_or_less_is_refused(tmp_path, make_parts, part, swapped):
    whole = make_parts()
    partial = {name: value for name, value in whole.items() if name != part}
    saved, restored = (whole, partial) if not swapped else (partial, whole)
    Checkpoints(tmp_path, saved).save(1)
    with pytest.raises(UserError, match="another architecture"):
        Checkpoints(tmp_path, restored).restore_latest()


def test_a_full_disk_is_told_and_earlier_checkpoints_stay(tmp_path, make_parts):
    parts = make_parts()
    filled = fill(parts)
    checkpoints = Checkpoints(tmp_path, parts, keep=1)
    checkpoints.save(1)
    assert checkpoints.save_if_best(1, {"video_ari_foreground": 0.5})
    for variable in parts["model"].trainable_variables:
        variable.assign(variable.numpy() + 1)
    with no_room(), pytest.raises(UserError, match="could not be written") as caught:
        checkpoints.save(2)
    assert str(tmp_path / "checkpoints") in str(caught.value)
    assert "\n" not in str(caught.value)
    with no_room(), pytest.raises(UserError, match="could not be written"):
        checkpoints.save_if_best(2, {"video_ari_foreground": 0.6})

    fresh = make_parts()
    assert Checkpoints(tmp_path, fresh, keep=1).restore_latest() == str(tmp_path / "checkpoints" / "ckpt-1")
    assert_equal(values_of(fresh), filled)
    assert_best(tmp_path, make_parts(), 1, fresh)
    # With room again the run goes on.
    checkpoints.save(3)
    assert checkpoints.save_if_best(3, {"video_ari_foreground": 0.6})
    assert_best(tmp_path, fresh, 3, parts)


def test_too_little_room_is_told_before_anything_is_written(tmp_path, make_parts, monkeypatch):
    """The numbers are those of the variables, 4 bytes each but for the counters' 8."""
    parts = make_parts()
    checkpoints = Checkpoints(tmp_path, parts)
    checkpoints.save(1)
    before = sorted((tmp_path / "checkpoints").iterdir())
    weights = sum(int(np.prod(variable.shape)) for variable in parts["model"].trainable_variables)
    needed = 4 * 4 * weights  # weights, two moments and the average
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: types.SimpleNamespace(free=needed))
    with pytest.raises(UserError, match=r"could not be written \(it needs [\d.]+ MiB, [\d.]+ MiB are free\)"):
        checkpoints.save(2)
    with pytest.raises(UserError, match=rf"^{tmp_path / 'best'}: .* are free"):
        checkpoints.save_if_best(2, {"video_ari_foreground": 0.6})
    assert sorted((tmp_path / "checkpoints").iterdir()) == before
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: types.SimpleNamespace(free=needed + 2**18))
    checkpoints.save(2)


def test_errors_of_other_kinds_are_told_as_well(tmp_path, make_parts, monkeypatch):
    checkpoints = Checkpoints(tmp_path, make_parts())
    for error in (OSError(28, "No space left on device"), tf.errors.ResourceExhaustedError(None, None, "disk full")):

        def refuse(*arguments, error=error, **keywords):
            raise error

        monkeypatch.setattr(tf.train.CheckpointManager, "save", refuse)
        with pytest.raises(UserError, match=r"disk full|No space left"):
            checkpoints.save(1)
        with pytest.raises(UserError, match=r"disk full|No space left"):
            checkpoints.save_if_best(1, {"video_ari_foreground": 0.5})


def test_the_last_evaluation_is_noted(tmp_path, make_parts):
    parts = make_parts()
    checkpoints = Checkpoints(tmp_path, parts)
    assert checkpoints.evaluated_step() is None
    checkpoints.save(10)
    checkpoints.note_evaluated(10)
    checkpoints.save(20)
    later = Checkpoints(tmp_path, parts)
    assert later.evaluated_step() == 10
    assert later.latest == str(tmp_path / "checkpoints" / "ckpt-20")
    (tmp_path / "checkpoints" / "evaluated").write_bytes(bytes(range(200, 256)))
    assert later.evaluated_step() is None
    with no_room(1), pytest.raises(UserError, match="could not be written"):
        later.note_evaluated(20)
