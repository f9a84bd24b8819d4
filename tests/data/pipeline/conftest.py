import itertools

import pytest

from simone_tf.data.formats.records import ClipRecords
from simone_tf.data.formats.write_records import shard_name, write_shard

from telling_clips import make_clip


@pytest.fixture(scope="module")
def readers(tmp_path_factory):
    """The same clips in 1 and in 4 shards of unequal size."""
    made = {}
    for num_shards, ends in ((1, [23]), (4, [3, 10, 11, 23])):
        folder = tmp_path_factory.mktemp(f"shards{num_shards}")
        for index, (start, end) in enumerate(itertools.pairwise([0, *ends])):
            write_shard(folder / shard_name("train", index, num_shards), map(make_clip, range(start, end)))
        made[num_shards] = ClipRecords(folder, "train")
    return made
