import os

import numpy as np
import pytest

from simone_tf.data.formats.write_records import encode_clip, shard_name, write_shard

from random_clips import make_clip

WRONG_CLIPS = {
    "no video": {"video": None},
    "float video": {"video": np.zeros((4, 6, 5, 3), np.float32)},
    "no frames": {"video": np.zeros((0, 6, 5, 3), np.uint8)},
    "gray video": {"video": np.zeros((4, 6, 5, 1), np.uint8)},
    "other frames": {"segments": np.zeros((3, 6, 5), int)},
    "soft segments": {"segments": np.zeros((4, 6, 5), float)},
    "negative segments": {"segments": np.full((4, 6, 5), -1)},
    "large segments": {"segments": np.full((4, 6, 5), 65536)},
    "flat camera": {"camera": np.zeros(4)},
    "other objects": {"object_moving": np.zeros(2, bool)},
    "unknown field": {"masks": np.zeros(1)},
}


@pytest.mark.parametrize("change", WRONG_CLIPS.values(), ids=WRONG_CLIPS.keys())
def test_clips_of_wrong_shape_are_not_written(change):
    clip = make_clip(np.random.default_rng(0)) | change
    clip = {name: value for name, value in clip.items() if value is not None}
    with pytest.raises(ValueError, match=r"[Cc]lip"):
        encode_clip(clip)


def test_a_failed_write_leaves_what_was_there(tmp_path):
    path = tmp_path / shard_name("train", 0, 1)
    clip = make_clip(np.random.default_rng(0))
    write_shard(path, [clip])
    before = path.read_bytes()

    def failing():
        yield clip
        raise RuntimeError("renderer died")

    with pytest.raises(RuntimeError, match="renderer died"):
        write_shard(path, failing())
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == [path.name]


def test_the_same_clip_is_always_the_same_bytes():
    clip = make_clip(np.random.default_rng(0))
    assert encode_clip(clip) == encode_clip(dict(reversed(clip.items())))


def test_a_file_is_as_readable_as_other_new_files(tmp_path):
    write_shard(tmp_path / "a", [])
    (tmp_path / "b").write_bytes(b"")
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "b").stat().st_mode
