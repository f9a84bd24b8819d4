import pytest
import rate_sets

from simone_tf.runs.settings import read_settings

# Eight clips at least, as there are eight files.
COUNTS = {"multi_dsprites": 8, "objects_room_images": 8, "clevr": 2, "movi": 8, "tetrominoes": 20, "gqn": 8}


@pytest.mark.parametrize("row", COUNTS)
def test_the_command_of_a_row_reads_what_was_written(row, tmp_path):
    write, _, gin_file, _ = rate_sets.ROWS[row]
    write(tmp_path / row, COUNTS[row])
    settings = read_settings([f"gin/simone/{gin_file}.gin"], rate_sets.bindings(row, tmp_path / row), None)
    reader = settings.clips
    assert reader.clip_shape() == (settings.num_frames, *settings.frame_size)
    records = sum(1 for _ in reader.files.serialized())
    assert records == (64 if row == "gqn" else COUNTS[row])
    segments = reader.first_clip(("segments",))["segments"].numpy() if "segments" in reader.fields else None
    assert segments is None or len(set(segments.ravel())) > 1
