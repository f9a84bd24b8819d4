"""Cases modelled on public reports about other projects (`docs/robustness.md`) that no other file of tests has."""

import gzip
import os
import shutil
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

from simone_tf.data.formats.records import ClipRecords
from simone_tf.data.formats.write_records import shard_name, write_shard
from simone_tf.data.videos.video_files import read_frames
from simone_tf.data.videos.video_source import VideoSource
from simone_tf.evaluation.scores.overlap import overlap_scores
from simone_tf.evaluation.scores.segmentation import SegmentationScores
from simone_tf.pictures.gif_writer import GifWriter
from simone_tf.pictures.mp4_writer import Mp4Writer

from tiny_run import REPOSITORY, make_clips


@pytest.fixture
def folder(tmp_path):
    """Three clips in two files."""
    clips = list(make_clips(3, 0))
    write_shard(tmp_path / shard_name("train", 0, 2), clips[:2])
    write_shard(tmp_path / shard_name("train", 1, 2), clips[2:])
    return tmp_path


def videos(folder):
    reader = ClipRecords(folder, "train")
    return [reader.parse(record, ("video",))["video"].numpy() for record in reader.files.serialized()]


def greys(count, height=32, width=48):
    return [np.full((height, width, 3), 20 + 20 * index, np.uint8) for index in range(count)]


def test_what_other_programs_leave_in_a_folder_of_data_is_no_data(folder):
    expected = videos(folder)
    first = folder / shard_name("train", 0, 2)
    (folder / f"._{first.name}").write_bytes(b"\x00\x05\x16\x07" + bytes(4092))  # macOS, on foreign disks
    (folder / ".DS_Store").write_bytes(b"Bud1")
    shutil.copy(first, folder / f"{first.stem} (1).tfrecord")  # a browser's second download
    shutil.copy(first, folder / f"{first.name}_.gstmp")  # gsutil, not finished
    (folder / f"{first.name}.crdownload").touch()
    np.testing.assert_array_equal(videos(folder), expected)


def test_compression_is_that_of_the_bytes_not_of_the_name(folder):
    expected = videos(folder)
    first = folder / shard_name("train", 0, 2)
    first.write_bytes(gzip.compress(first.read_bytes()))
    np.testing.assert_array_equal(videos(folder), expected)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_sidecar_from_windows(folder, encoding):
    text = '{"schema_version": 1,\r\n "splits": {"train": {"camera_convention": "yaw_pitch"}}}\r\n'
    (folder / "dataset.json").write_bytes(text.encode(encoding))
    assert ClipRecords(folder, "train").camera_convention == "yaw_pitch"


def test_files_of_a_later_century(folder):
    for path in folder.iterdir():
        os.utime(path, (5e9, 5e9))
    assert len(videos(folder)) == 3


@pytest.mark.parametrize("times", [range(8), [0, 1, 2, 10, 11, 40, 41, 100], range(500, 508)])
def test_every_frame_in_order_whatever_its_time(tmp_path, times):
    """With frames that are decoded out of order, the last of which a decoder keeps until it is told the end."""
    av = pytest.importorskip("av")
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=10, options={"bf": "3", "g": "8"})
        stream.height, stream.width, stream.pix_fmt = 32, 48, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 100)
        for time, image in zip(times, greys(8), strict=True):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = time, Fraction(1, 100)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    read = np.stack(list(read_frames(tmp_path / "a.mp4")))
    np.testing.assert_allclose(read.astype(int), np.stack(greys(8)).astype(int), atol=3)


@pytest.mark.parametrize(("height", "width"), [(33, 47), (1, 1), (2, 3)])
def test_what_is_written_has_every_frame_also_equal_ones_and_of_odd_sizes(tmp_path, height, width):
    av = pytest.importorskip("av")
    image = np.full((height, width, 3), 90, np.uint8)
    movies = [GifWriter(tmp_path / "a.gif", Fraction(10)), Mp4Writer(tmp_path / "a.mp4", Fraction(10))]
    for movie in movies:
        for _ in range(6):
            movie.add(image)
        movie.close()
    assert Image.open(tmp_path / "a.gif").n_frames == 6
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert sum(1 for _ in container.decode(video=0)) == 6


def test_a_print_picture_has_its_colours(tmp_path):
    """CMYK JPEGs are stored inverted."""
    red = np.tile(np.uint8([220, 30, 0]), (32, 48, 1))
    Image.fromarray(red).convert("CMYK").save(tmp_path / "a.jpg", quality=100)
    (read,) = read_frames(tmp_path / "a.jpg")
    np.testing.assert_allclose(read.astype(int), red.astype(int), atol=3)


@pytest.mark.parametrize("kind", [">f4", "<f8", ">f2", "u1"])
@pytest.mark.parametrize("version", [(1, 0), (2, 0)])
def test_arrays_of_other_machines(tmp_path, kind, version):
    video = np.stack(greys(4))
    array = video if kind == "u1" else (video / 255).astype(kind)
    with open(tmp_path / "a.npy", "wb") as file:
        np.lib.format.write_array(file, array, version)
    np.testing.assert_array_equal(np.stack(list(VideoSource(tmp_path / "a.npy").frames())), video)


def test_a_video_whose_name_is_no_utf8(tmp_path):
    path = os.fsdecode(os.fsencode(tmp_path) + b"/l\xe4uft.gif")
    try:
        Image.fromarray(greys(1)[0]).save(path)
    except OSError:
        pytest.skip("this file system takes names in UTF-8 only.")
    (read,) = VideoSource(path).frames()
    np.testing.assert_array_equal(read, greys(1)[0])


HALF = np.zeros((2, 4, 4), int)
HALF[:, :, 2:] = 1
PIXELS = np.arange(32).reshape(2, 4, 4)


@pytest.mark.parametrize(
    ("segments", "predicted"),
    [
        (0 * HALF, 0 * HALF),
        (0 * HALF, PIXELS % 3),
        (0 * HALF + 1, 0 * HALF),
        (HALF, PIXELS % 4),
        (PIXELS + 1, PIXELS),
        (PIXELS, PIXELS % 4),
        (HALF * 60_000, HALF),
        (np.ones((1, 1, 1), int), np.zeros((1, 1, 1), int)),
        (np.repeat(np.arange(6), 100_000).reshape(6, 100, 1000), np.tile(np.arange(6), 100_000).reshape(6, 100, 1000)),
        (
            np.repeat(np.arange(6), 100_000).reshape(6, 100, 1000),
            np.repeat(np.arange(3), 200_000).reshape(6, 100, 1000),
        ),
    ],
)
def test_scores_of_degenerate_and_of_large_clips_are_those_of_scikit_learn(segments, predicted):
    metrics = pytest.importorskip("sklearn.metrics")
    scores = SegmentationScores()
    scores.update(segments[None], predicted[None])
    found = {name: values[0] for name, values in scores.per_clip().items()}
    foreground = segments > 0
    assert found["video_ari"] == pytest.approx(metrics.adjusted_rand_score(segments.ravel(), predicted.ravel()))
    if foreground.any():
        expected = metrics.adjusted_rand_score(segments[foreground], predicted[foreground])
        assert found["video_ari_foreground"] == pytest.approx(expected)
    else:
        assert np.isnan(found["video_ari_foreground"])


def test_objects_without_a_slot_count_nothing():
    """Four objects of a quarter each, two slots that each paint two of them."""
    segments = np.repeat(np.arange(1, 5), 4).reshape(1, 4, 4)
    scores = overlap_scores(segments, (segments - 1) // 2, 2)
    assert scores["video_miou_foreground"] == pytest.approx((0.5 + 0.5 + 0 + 0) / 4)
    assert scores["video_mbo_foreground"] == pytest.approx(0.5)


def test_the_page_counts_its_cases():
    page = (REPOSITORY / "docs" / "robustness.md").read_text(encoding="utf-8")
    rows = [line.split(" | ") for line in page.splitlines() if line.startswith("| ")][1:]
    assert {len(row) for row in rows} == {5}
    mended = sum("**mended**" in row[-1] for row in rows)
    assert f"Of these {len(rows)} cases {len(rows) - mended} held at first; {mended} were faults" in page
