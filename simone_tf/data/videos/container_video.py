"""Reading videos with PyAV (FFmpeg), which comes with `pip install simone_tf[video]`: mp4, mov, webm and the like."""

from collections.abc import Iterator

import numpy as np

from simone_tf.data.videos.broken_containers import broken_places
from simone_tf.data.videos.damage import Damage
from simone_tf.data.videos.damaged_packets import STRICT, PacketCheck, shows_frame
from simone_tf.data.videos.frame_faults import FrameFaults
from simone_tf.data.videos.pyav_version import check_version
from simone_tf.data.videos.shown_frame import display_matrix, shown_frame
from simone_tf.data.videos.source_files import MAX_FRAME_PIXELS, check_size, first_bytes, missing_bytes
from simone_tf.data.videos.video_stream import choose_stream, open_container
from simone_tf.errors import UserError, first_line

_ONE_TO_ONE = (
    *(
        "h264",
        "hevc",
        "mpeg4",
        "h263",
        "flv1",
        "msmpeg4v1",
        "msmpeg4v2",
        "msmpeg4v3",
        "mjpeg",
        "png",
        "qtrle",
        "prores",
    ),
    *("ffv1", "huffyuv", "utvideo", "rawvideo"),
)
"""Codecs of which every packet of a file makes a frame."""

_MOST_OF_NOTHING = 32
"""A packet of so few bytes may say only that a frame stays as it was."""


def read_video(path: str, damage: Damage | None = None) -> Iterator[np.ndarray]:
    """The frames of whatever FFmpeg reads, as a player shows them (see `shown_frame`).

    Args:
      path: the file.
      damage: what becomes of damaged frames; None to refuse the video.

    Raises:
      UserError: the file is no video, damaged (unless `damage` lets frames be left out), or has too large frames.
    """
    try:
        import av
    except ImportError as error:
        raise UserError(
            f"{path} needs PyAV to be read, which is not installed: pip install simone_tf[video], or bring the video "
            "as a GIF or a folder of frames."
        ) from error
    check_version(av.__version__, path)
    damage = Damage(path) if damage is None else damage
    lacking = missing_bytes(path)
    if lacking:
        damage.cut_off(lacking)
    given = 0
    try:
        with open_container(path) as container:
            stream = choose_stream(container)
            if stream is None:
                raise UserError(_no_video(path, container))
            if stream.codec_context is None:
                raise ValueError("FFmpeg does not know its codec")
            for frame in _Frames(path, container, stream, damage):
                yield frame
                given += 1
    except UserError:
        raise
    except Exception as error:  # PyAV lets more than its own errors through, such as of texts that are no UTF-8.
        reason = f"after frame {given}" if given else first_bytes(path)
        raise UserError(
            f"{path} is no video of a kind that is read, or damaged ({reason}; {first_line(error)}): check the file, "
            "or convert it to MP4 or Matroska."
        ) from error
    if not given:
        what = "no frame that is not damaged" if damage.gaps else "no frames"
        raise UserError(f"{path} is a video with {what}: check the file.")


class _Frames:
    """The frames of one stream, with what is damaged told or left out (see `frame_faults`)."""

    def __init__(self, path: str, container, stream, damage: Damage):
        self._path, self._container, self._stream = path, container, stream
        context = stream.codec_context
        check_size(path, context.width, context.height)
        codec = getattr(context.codec, "canonical_name", context.codec.name)
        # A size can also change further on, before the frame is handed out.
        options = {"max_pixels": str(MAX_FRAME_PIXELS)}
        if codec in STRICT:
            options["err_detect"] = "explode"
        self._codec = codec
        self._decoder = _alpha_decoder(stream, codec) or context
        self._decoder.options = options
        self._check = PacketCheck(codec, context.extradata)
        self._faults = FrameFaults(damage)
        # What is called transparent in these is mostly a byte that was left at zero.
        self._ignore_alpha = (codec == "rawvideo" and container.format.name == "avi") or (
            context.pix_fmt == "pal8" and codec not in ("png", "apng", "gif")
        )
        self._matrices: dict[int, tuple[int, int, int, int]] = {}  # By the angle that they turn by.
        self._pixel_aspect = stream.sample_aspect_ratio
        # Of these FFmpeg joins frames from small packets, and what is lost may have ended the frame before.
        self._is_joined = container.format.name in ("mpeg", "mpegts")
        self._is_one_to_one = codec in _ONE_TO_ONE and container.format.name not in ("mpeg", "mpegts", "avi")
        # Where the file says that key frames are; a packet whose beginning is damaged does not look like one.
        entries = stream.index_entries if container.format.name.startswith("mov") else ()
        self._keys = {entry.pos for entry in entries if entry.is_keyframe}
        self._first_key: int | None = None
        self._started = self._is_suspect = False

    def __iter__(self) -> Iterator[np.ndarray]:
        for packet in self._packets():
            for frame in self._decode(packet):
                yield from map(self._shown, self._faults.good(frame))
        yield from map(self._shown, self._faults.rest())

    def _shown(self, frame) -> np.ndarray:
        check_size(self._path, frame.width, frame.height)
        if frame.rotation not in self._matrices:
            self._matrices[frame.rotation] = display_matrix(frame)
        return shown_frame(self._path, frame, self._pixel_aspect, self._matrices[frame.rotation], self._ignore_alpha)

    def _packets(self) -> Iterator:
        """The stream's packets; broken places of the file are noted at the first packet that lies behind them."""
        places = broken_places(self._path)
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets, None)
            except Exception as error:
                if not self._started:
                    raise
                self._faults.lost(first_line(error))
                break
            if packet is None:
                break
            if packet.size:
                self._faults.send(packet, self._makes_frame(packet))
                while places and packet.pos is not None and places[0].start < packet.pos:
                    if packet.pos < places[0].end:
                        self._faults.bad(places[0].reason)
                        break
                    place = places.pop(0)
                    if place.end == place.start:
                        self._faults.lost(place.reason, before=1 + self._is_joined)
            yield packet
        for place in places:
            if place.end == place.start:
                self._faults.lost(place.reason)

    def _makes_frame(self, packet) -> bool:
        """Whether a frame has to come of a packet: not of those in front of the first key frame, nor of a few bytes."""
        if self._first_key is None and (packet.is_keyframe or packet.pos in self._keys):
            self._first_key = packet.pts
        is_due = self._first_key is not None and packet.pts is not None and packet.pts >= self._first_key
        is_shown = self._is_one_to_one and packet.size > _MOST_OF_NOTHING
        return (is_shown or shows_frame(self._codec, packet)) and is_due and not packet.is_discard

    def _decode(self, packet) -> list:
        """The frames that come out of the decoder when it is given a packet."""
        if packet.size:
            if packet.is_corrupt or self._is_suspect:
                self._faults.bad("a part of it is missing")
                self._is_suspect = packet.is_corrupt and self._is_joined
            elif fault := self._check.fault(bytes(packet)):
                self._faults.bad(fault)
            self._started |= packet.is_keyframe or packet.pos in self._keys
        try:
            return self._decoder.decode(packet if packet.size else None)
        except Exception as error:
            # A video that was cut out of another begins with what only the part before it explains.
            if not packet.size or self._started:
                self._faults.bad(first_line(error))
            return []


def _alpha_decoder(stream, codec: str):
    """The decoder that reads the transparency of VP8 and VP9, which FFmpeg's own leaves out; None for other videos."""
    import av

    name = {"vp8": "libvpx", "vp9": "libvpx-vp9"}.get(codec)
    if name is None or {key.lower(): value for key, value in stream.metadata.items()}.get("alpha_mode") != "1":
        return None
    try:
        decoder = av.CodecContext.create(name, "r")
    except ValueError:  # A PyAV built without it.
        return None
    decoder.extradata = stream.codec_context.extradata
    return decoder


def _no_video(path: str, container) -> str:
    if container.streams.video:
        return f"{path} holds a cover picture and no video: name the video itself."
    if container.streams.audio:
        return f"{path} holds sound and no video: name the video itself."
    return f"{path} holds no video that can be read ({first_bytes(path)}): check the file."
