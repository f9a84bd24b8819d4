import os
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from simone_tf import locks
from simone_tf.data.formats.records import ClipRecords
from simone_tf.data.formats.sidecar import write_sidecar
from simone_tf.data.formats.write_records import shard_name, write_shard
from simone_tf.data.pipeline import cache
from simone_tf.data.pipeline.batches import training_batches
from simone_tf.data.pipeline.share import Share
from simone_tf.data.pipeline.usable import UsableRecords
from simone_tf.errors import UserError

FIELDS = ("video", "segments", "camera", "object_visible", "object_moving")
NUM_CLIPS = 70


def make_clip(number):
    rng = np.random.default_rng(number)
    return {
        "video": rng.integers(0, 256, (2, 3, 4, 3)).astype(np.uint8),
        "segments": rng.integers(0, 5, (2, 3, 4)),
        "camera": rng.normal(size=(2, 3)).astype(np.float32),
        "object_visible": rng.integers(0, 2, (2, 3)).astype(bool),
        "object_moving": rng.integers(0, 2, 3).astype(bool),
    }


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"
    for index in range(2):
        write_shard(folder / shard_name("train", index, 2), map(make_clip, range(35 * index, 35 * index + 35)))
    return folder


def load(reader, fields, where, **pipeline):
    records = UsableRecords(reader.files, lambda record: reader.parse(record, FIELDS), "key")
    return cache.load(reader, Share(records, **pipeline), fields, where)


def check_all_clips(clips):
    assert clips.count == NUM_CLIPS
    read = tf.data.Dataset.range(NUM_CLIPS).map(clips.clip)
    for number, clip in enumerate(read.as_numpy_iterator()):
        expected = make_clip(number)
        assert set(clip) == set(FIELDS)
        for name, value in clip.items():
            np.testing.assert_array_equal(value, expected[name])
            assert value.dtype == (np.int32 if name == "segments" else expected[name].dtype)


def test_memory_and_disk_hold_every_clip(data, tmp_path):
    for where in (cache.MEMORY, str(tmp_path / "cache" / "deep")):
        check_all_clips(load(ClipRecords(data, "train"), FIELDS, where))


@pytest.fixture
def parses(monkeypatch):
    """Counts how often clips are read from the shards for a cache."""
    calls, batches = [], cache._batches

    def counted(*args):
        calls.append(args)
        return batches(*args)

    monkeypatch.setattr(cache, "_batches", counted)
    return calls


def test_the_clips_are_loaded_once_per_reader(data, parses):
    reader = ClipRecords(data, "train")
    first = load(reader, FIELDS, cache.MEMORY)
    assert load(reader, FIELDS, cache.MEMORY) is first
    assert len(parses) == 1
    load(reader, ("video",), cache.MEMORY)
    load(reader, FIELDS, cache.MEMORY, num_pipelines=2, pipeline=1)
    assert len(parses) == 3


def test_a_folder_is_found_again_and_written_once(data, tmp_path, parses):
    where = str(tmp_path / "cache")
    for _ in range(3):
        check_all_clips(load(ClipRecords(data, "train"), FIELDS, where))
    assert len(parses) == 1
    (folder,) = os.listdir(where)
    assert sorted(os.listdir(os.path.join(where, folder))) == sorted(f"{name}.npy" for name in FIELDS)


def change_a_file(data):
    write_shard(data / shard_name("train", 0, 2), map(make_clip, [69, *range(1, 35)]))


CHANGES = {
    "another file": ({}, FIELDS, {}, change_a_file),
    "another size": ({"resize": (2, 2)}, FIELDS, {}, None),
    "another crop": ({"crop": (0, 0, 2, 2)}, FIELDS, {}, None),
    "skipping": ({"on_corrupt": "skip"}, FIELDS, {}, None),
    "other fields": ({}, ("video",), {}, None),
    "another share": ({}, FIELDS, {"num_pipelines": 2, "pipeline": 0}, None),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_the_cache_of_other_data_or_settings_is_not_used(data, tmp_path, parses, change):
    where = str(tmp_path / "cache")
    load(ClipRecords(data, "train"), FIELDS, where)
    settings, fields, share, act = change
    if act:
        act(data)
    reader = ClipRecords(data, "train", **settings)
    clips = load(reader, fields, where, **share)
    assert len(parses) == 2
    assert len(os.listdir(where)) == 2
    first = {name: value.numpy() for name, value in reader.first_clip(fields).items()}
    np.testing.assert_array_equal(clips.clip(tf.constant(0))["video"], first["video"])


def cut(path):
    with open(path, "r+b") as file:
        file.truncate(os.path.getsize(path) - 1)


def pickled(path):
    np.save(path, np.array([{"a": 1}] * NUM_CLIPS, object), allow_pickle=True)


@pytest.mark.parametrize("harm", [os.remove, cut, pickled, lambda path: open(path, "wb").close()])
def test_a_harmed_folder_is_made_again(data, tmp_path, parses, harm):
    where = str(tmp_path / "cache")
    load(ClipRecords(data, "train"), FIELDS, where)
    (folder,) = os.listdir(where)
    harm(os.path.join(where, folder, "segments.npy"))
    check_all_clips(load(ClipRecords(data, "train"), FIELDS, where))
    assert len(parses) == 2
    assert os.listdir(where) == [folder]


def test_a_harmed_folder_is_looked_at_and_removed_by_one_process_at_a_time(data, tmp_path, monkeypatch):
    """Else one that another process has just made anew could be removed for the harmed one."""
    where = str(tmp_path / "cache")
    load(ClipRecords(data, "train"), FIELDS, where)
    (folder,) = os.listdir(where)
    cut(os.path.join(where, folder, "segments.npy"))
    remove, removed = cache.shutil.rmtree, []

    def watched(path, **keywords):
        if os.path.basename(path) == folder:
            lock = locks.beside(path)
            with pytest.raises(UserError, match="of one process"), locks.held(lock, "It is of one process", "wait"):
                pass
            removed.append(path)
        remove(path, **keywords)

    monkeypatch.setattr(cache.shutil, "rmtree", watched)
    check_all_clips(load(ClipRecords(data, "train"), FIELDS, where))
    assert len(removed) == 1
    assert os.listdir(where) == [folder]


def test_processes_that_fill_a_cache_at_once_all_get_it(data, tmp_path, monkeypatch):
    """Each finds nothing, parses all, and one folder stays: also where the others come while the first one parses."""
    where, batches, readers = str(tmp_path / "cache"), cache._batches, [ClipRecords(data, "train") for _ in range(3)]

    def meanwhile(*arguments):
        if readers:
            check_all_clips(load(readers.pop(), FIELDS, where))
        yield from batches(*arguments)

    monkeypatch.setattr(cache, "_batches", meanwhile)
    check_all_clips(load(ClipRecords(data, "train"), FIELDS, where))
    assert not readers
    assert len(os.listdir(where)) == 1


def test_a_folder_that_was_not_finished_is_not_used(data, tmp_path, monkeypatch):
    where, batches = str(tmp_path / "cache"), cache._batches

    def interrupted(*args):
        yield next(batches(*args))
        raise KeyboardInterrupt

    monkeypatch.setattr(cache, "_batches", interrupted)
    with pytest.raises(KeyboardInterrupt):
        load(ClipRecords(data, "train"), FIELDS, where)
    monkeypatch.undo()
    assert os.listdir(where) == []
    check_all_clips(load(ClipRecords(data, "train"), FIELDS, where))
    (folder,) = os.listdir(where)
    os.rename(os.path.join(where, folder), os.path.join(where, f".{folder}.abc.tmp"))  # As a killed process leaves it.
    os.remove(os.path.join(where, f".{folder}.abc.tmp", "segments.npy"))
    check_all_clips(load(ClipRecords(data, "train"), FIELDS, where))
    assert os.listdir(where) == [folder]


def test_a_full_disk_is_told_and_leaves_nothing(data, tmp_path):
    """A limit on the size of files stands for the disk's; in another process, where nothing else writes."""
    where = tmp_path / "cache"
    program = f"""
import resource, signal
from simone_tf.data.pipeline.batches import training_batches
from simone_tf.data.formats.records import ClipRecords
from simone_tf.errors import UserError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
try:
    training_batches(ClipRecords({str(data)!r}, "train"), batch_size=1, num_frames=2, seed=0, cache={str(where)!r})
except UserError as error:
    print("told:", error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "told: The cache of" in done.stdout, done.stderr[-2000:]
    assert "set cache = False" in done.stdout
    assert os.listdir(where) == []


def test_a_folder_that_cannot_be_is_told(data, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UserError, match="cannot be written to"):
        load(ClipRecords(data, "train"), FIELDS, str(tmp_path / "file" / "cache"))


@pytest.mark.parametrize("value", [True, 1, "", None])
def test_other_values_of_cache_are_refused(data, value):
    with pytest.raises(UserError, match='choose "memory", a folder on a disk, or False'):
        training_batches(ClipRecords(data, "train"), batch_size=1, num_frames=2, seed=0, cache=value)


@pytest.mark.parametrize(("listed", "word"), [(34, "more"), (36, "fewer")])
def test_a_wrong_list_of_counts_is_told(data, tmp_path, listed, word):
    write_sidecar(data, "train", {"shards": {shard_name("train", i, 2): [35, listed][i] for i in range(2)}})
    for where in (cache.MEMORY, str(tmp_path / "cache")):
        with pytest.raises(UserError, match=f"holds {word} than the {35 + listed} clips"):
            load(ClipRecords(data, "train"), FIELDS, where)


def test_loading_holds_the_set_once(tmp_path):
    """In another process, whose memory is not that of other tests: 120 MB of clips."""
    clip = {"video": np.zeros((5, 200, 400, 3), np.uint8)}
    write_shard(tmp_path / shard_name("train", 0, 1), [clip] * 100)
    program = f"""
import resource
from simone_tf.data.pipeline.batches import training_batches
from simone_tf.data.formats.records import ClipRecords
reader = ClipRecords({str(tmp_path)!r}, "train")
reader.first_clip(("video",))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for _ in range(2):
    next(iter(training_batches(reader, batch_size=1, num_frames=2, seed=0, cache="memory")))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert int(done.stdout.split()[-1]) * 1024 < 1.9 * 100 * 1_200_000


@pytest.mark.parametrize("where", [cache.MEMORY, "folder"])
def test_training_batches_draw_from_it(data, tmp_path, where):
    where = str(tmp_path / where) if where == "folder" else where
    reader = ClipRecords(data, "train")
    batches = training_batches(reader, batch_size=NUM_CLIPS, num_frames=2, seed=3, cache=where, fields=("camera",))
    cameras = next(iter(batches))["camera"].numpy()
    expected = {make_clip(number)["camera"].tobytes() for number in range(NUM_CLIPS)}
    assert {camera.tobytes() for camera in cameras} == expected


def test_a_cache_that_may_not_be_read_is_kept_and_told(data, tmp_path, monkeypatch):
    where = str(tmp_path / "cache")
    load(ClipRecords(data, "train"), FIELDS, where)
    before = sorted(path for path in (tmp_path / "cache").rglob("*") if path.is_file())

    def withheld(path, **named):
        raise PermissionError(13, "Permission denied", path)

    with monkeypatch.context() as patch:
        patch.setattr(np, "load", withheld)
        with pytest.raises(UserError, match=r"video\.npy cannot be read \(Permission denied\): mend its permissions"):
            load(ClipRecords(data, "train"), FIELDS, where)
    assert sorted(path for path in (tmp_path / "cache").rglob("*") if path.is_file()) == before
    check_all_clips(load(ClipRecords(data, "train"), FIELDS, where))
