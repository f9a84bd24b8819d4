"""Which of some files are open."""

import sys

import pytest

from simone_tf.data.tfrecords.open_files import open_among


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the system does not tell")
def test_only_what_is_open_now(tmp_path):
    paths = [str(tmp_path / name) for name in "abc"]
    for path in paths:
        open(path, "wb").close()
    (tmp_path / "link").symlink_to(tmp_path / "b")
    with open(paths[1], "rb"):
        assert open_among(paths) == [paths[1]]
        assert open_among([str(tmp_path / "link")]) == [str(tmp_path / "link")]
    assert open_among([*paths, str(tmp_path / "gone")]) == []
