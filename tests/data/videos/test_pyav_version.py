"""An older PyAV is refused by its number, and the one that is installed has what the number is there for."""

import configparser
import re

import av
import numpy as np
import pytest

from simone_tf.data.videos.container_video import read_video
from simone_tf.data.videos.pyav_version import LEAST, check_version
from simone_tf.errors import UserError

from tiny_run import REPOSITORY

COLOURS = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [200, 30, 90], [20, 180, 60]])
LUMA_709, LUMA_601 = (0.2126, 0.0722), (0.299, 0.114)


def write_mp4(path, luma, matrix):
    """A lossless frame of each colour, in limited range by the formulas of the standard, tagged with its matrix."""
    red, green, blue = COLOURS.T / 255
    y = luma[0] * red + (1 - sum(luma)) * green + luma[1] * blue
    planes = 16 + 219 * y, 128 + 112 * (blue - y) / (1 - luma[1]), 128 + 112 * (red - y) / (1 - luma[0])
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=5, options={"qp": "0", "x264-params": f"colormatrix={matrix}"})
        stream.width = stream.height = 32
        stream.pix_fmt = "yuv444p"
        for index in range(len(COLOURS)):
            frame = av.VideoFrame(32, 32, "yuv444p")
            for plane, values in zip(frame.planes, planes, strict=True):
                plane.update(bytes([round(values[index])]) * plane.buffer_size)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


@pytest.mark.parametrize(("luma", "matrix"), [(LUMA_709, "bt709"), (LUMA_601, "smpte170m")])
def test_colours_are_those_that_the_file_says(tmp_path, luma, matrix):
    write_mp4(tmp_path / "colours.mp4", luma, matrix)
    frames = np.stack(list(read_video(str(tmp_path / "colours.mp4"))))
    np.testing.assert_allclose(frames[:, 16, 16], COLOURS, atol=2)


@pytest.mark.parametrize("version", ["16.1.0", "14.0.0", "9.2", "16.0.0rc1"])
def test_an_older_version_is_refused_by_its_number(tmp_path, monkeypatch, version):
    write_mp4(tmp_path / "colours.mp4", LUMA_709, "bt709")
    monkeypatch.setattr(av, "__version__", version)
    with pytest.raises(UserError) as caught:
        next(read_video(str(tmp_path / "colours.mp4")))
    told = str(caught.value)
    assert told.startswith(f"{tmp_path}/colours.mp4 needs PyAV {LEAST} or newer, found {version}, ")
    assert f"pip install 'av>={LEAST}'" in told


@pytest.mark.parametrize("version", ["17.0.0", "18.1.0", "100.0", "17.0.0.dev1", "unknown"])
def test_others_are_taken(version):
    check_version(version, "walk.mp4")


def test_it_is_the_bound_of_the_package():
    parser = configparser.ConfigParser()
    parser.read(REPOSITORY / "setup.cfg")
    for extra in ("video", "test"):
        assert re.findall(r"^av>=(.+)$", parser["options.extras_require"][extra], re.M) == [str(LEAST)]
