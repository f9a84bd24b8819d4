"""The order of event files, which sessions wrote one after the other."""

import pathlib

from simone_tf.event_files import event_files


def test_files_of_one_second_come_in_the_order_of_their_count(tmp_path):
    names = [f"events.out.tfevents.{rest}" for rest in ("9.vm-7.3.99.v2", "10.vm-7.3.9.v2", "10.vm-7.3.10.v2")]
    for name in reversed(names):
        (tmp_path / name).touch()
    (tmp_path / "config.gin").touch()
    assert [pathlib.Path(path).name for path in event_files(str(tmp_path))] == names


def test_a_folder_that_is_not_there_has_none(tmp_path):
    assert event_files(str(tmp_path / "none")) == []
