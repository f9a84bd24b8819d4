"""Videos of many codecs and containers, made with PyAV (FFmpeg), whole and damaged."""

import functools
import io

import numpy as np
import pytest

RATE = 25


@functools.cache
def scene(frames=30, height=64, width=80, seed=0):
    """uint8 [T, H, W, 3]: coloured squares that move to the right, a disc that goes its own way, and noise."""
    rng = np.random.default_rng(seed)
    squares = rng.integers(0, 256, (height // 8, width // 8, 3)).repeat(8, 0).repeat(8, 1)
    rows, columns = np.mgrid[:height, :width]
    video = []
    for t in range(frames):
        frame = np.roll(squares, t, 1).astype(float)
        frame[(columns - 20 - t) ** 2 + (rows - 30) ** 2 < 150] = (255, 30, 30)
        video.append((frame + rng.normal(0, 6, frame.shape)).clip(0, 255).astype(np.uint8))
    return np.stack(video)


def make(
    path, video, codec="libx264", pixels="yuv420p", options=None, container=None, muxer=None, change=None, rate=RATE
):
    """Writes a video; `options` are the encoder's, `muxer` the container's; `change` is given the stream."""
    av = pytest.importorskip("av")
    if codec not in av.codecs_available and codec != "wrapped_avframe":
        pytest.skip(f"FFmpeg was built without {codec}")
    with av.open(
        str(path) if not isinstance(path, io.RawIOBase) else path, "w", format=container, options=muxer or {}
    ) as file:
        add_stream(file, video, codec, pixels, options, change, rate)()
    return path


def add_stream(file, video, codec, pixels, options=None, change=None, rate=RATE):
    """Adds a stream to an open file; calling what is returned writes its frames."""
    import av

    options = dict(options or {})
    if codec == "libx264":
        # Its fast routines read beside the pictures, and then not always come to the same bytes.
        options["x264-params"] = ":".join(filter(None, (options.get("x264-params"), "no-asm=1")))
    stream = file.add_stream(codec, rate=rate, options=options)
    stream.height, stream.width = video.shape[1:3]
    stream.pix_fmt = pixels
    stream.codec_context.thread_count = 1  # The same bytes each time.
    if change:
        change(stream)

    def write():
        for image in video:
            frame = av.VideoFrame.from_ndarray(image, format="rgba" if image.shape[-1] == 4 else "rgb24")
            file.mux(stream.encode(frame.reformat(format=pixels)))
        file.mux(stream.encode())

    return write


class Pipe(io.RawIOBase):
    """Takes what is written; its writer cannot go back."""

    def __init__(self):
        self.content = bytearray()

    def writable(self):
        return True

    def write(self, data):
        self.content += bytes(data)
        return len(data)


_GOP = {"g": "10"}
_B = {"g": "10", "bf": "2"}
_X265 = {"x265-params": "keyint=10:log-level=none"}

WHOLE = {
    "h264.mp4": {"options": _B},
    "open_gop.mp4": {"options": {"g": "10", "bf": "3", "x264-params": "open-gop=1"}},
    "intra_refresh.mp4": {"options": {"x264-params": "intra-refresh=1:keyint=10"}},
    "interlaced.mp4": {"options": {"x264-params": "interlaced=1"}},
    "fragments.mp4": {"options": _B, "muxer": {"movflags": "frag_keyframe+empty_moov"}},
    "fragment_per_frame.mp4": {
        "options": _B,
        "muxer": {"movflags": "frag_every_frame+empty_moov+default_base_moof"},
    },
    "h264.mkv": {"options": _B},
    "live.mkv": {"options": _B, "muxer": {"live": "1"}},
    "h264.mov": {"options": _B},
    "h264.ts": {"options": _B},
    "h264.m2ts": {"options": _B},
    "h264.flv": {"options": _B},
    "h264.avi": {"options": _GOP},
    "raw.h264": {"options": _B, "container": "h264"},
    "hevc.mp4": {"codec": "libx265", "options": _X265},
    "raw.hevc": {"codec": "libx265", "options": _X265, "container": "hevc"},
    "mpeg4.mp4": {"codec": "mpeg4", "options": _B},
    "mpeg4.avi": {"codec": "mpeg4", "options": _B},
    "mpeg4.mkv": {"codec": "mpeg4", "options": _GOP},
    "mpeg4.3gp": {"codec": "mpeg4", "options": _GOP},
    "vp8.webm": {"codec": "libvpx", "options": _GOP},
    "altref.webm": {"codec": "libvpx", "options": {"auto-alt-ref": "1", "lag-in-frames": "16", "b": "200k"}},
    "vp9.webm": {"codec": "libvpx-vp9", "options": _GOP},
    "live.webm": {"codec": "libvpx-vp9", "options": _GOP, "muxer": {"live": "1"}},
    "vp9.mp4": {"codec": "libvpx-vp9", "options": _GOP},
    "mjpeg.avi": {"codec": "mjpeg", "pixels": "yuvj420p"},
    "mjpeg.mov": {"codec": "mjpeg", "pixels": "yuvj420p"},
    "ffv1.mkv": {"codec": "ffv1", "pixels": "bgr0"},
    "ffv1.avi": {"codec": "ffv1", "pixels": "yuv444p", "options": {"level": "3", "coder": "1", "g": "10"}},
    "ffv1_old.mkv": {"codec": "ffv1", "options": {"level": "1"}},
    "mpeg1.mpg": {"codec": "mpeg1video", "options": _B},
    "mpeg2.mpg": {"codec": "mpeg2video", "options": _B},
    "mpeg2_cbr.mpg": {
        "codec": "mpeg2video",
        "options": {"g": "10", "b": "2M", "minrate": "2M", "maxrate": "2M", "bufsize": "800k"},
    },
    "mpeg2.ts": {"codec": "mpeg2video", "options": _B},
    "raw.mpg": {"codec": "mpeg2video", "options": _B, "container": "mpeg2video"},
    "flv1.flv": {"codec": "flv", "options": _GOP},
    "prores.mov": {"codec": "prores_ks", "pixels": "yuv422p10le"},
    "qtrle.mov": {"codec": "qtrle", "pixels": "rgb24"},
    "png.mov": {"codec": "png", "pixels": "rgb24"},
    "wmv2.wmv": {"codec": "wmv2", "options": _GOP},
    "msmpeg4.avi": {"codec": "msmpeg4", "options": _GOP},
    "raw.avi": {"codec": "rawvideo", "pixels": "bgr24"},
    "huffyuv.avi": {"codec": "huffyuv", "pixels": "rgb24"},
    "y4m.y4m": {"codec": "wrapped_avframe"},
}
"""Name -> how `make` makes it."""


@functools.cache
def whole(name, frames=30, black=False):
    """The bytes of one of `WHOLE`."""
    import pathlib
    import tempfile

    video = scene(frames)
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / name
        return make(path, np.zeros_like(video) if black else video, **WHOLE[name]).read_bytes()


def decoded(path):
    """The frames by PyAV alone, without this library."""
    import av

    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
