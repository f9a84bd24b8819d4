"""The files of a video taken apart, written frame by frame so that its length costs no memory.

    overlay.gif, overlay.mp4            the video with its objects in colour
    recomposition.gif, recomposition.mp4  the same objects under another camera, of a model that knows one
    fly_around.gif, fly_around.mp4      its scene from all around, where that was asked for, see `fly_around`
    objects/object_3.gif                one object by itself, over a chequered ground, from where it first is seen on
    masks/frame_000000.png              identity of each pixel, at the model's size; a palette gives the colours
    latents.npz                         all latents, see `video_latents`; no pickle
    contact_sheet.png                   the whole on one page
    decomposition.json                  what was done, the frames of cuts, and the objects with colours and frames
    adapted/                            the run of a model that was trained further on the video, see `runs/adaptation`

MP4 files need PyAV. A mask is an 8-bit palette picture; one of a frame with an identity above 255 is a 16-bit grey one.
"""

import contextlib
import errno
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from fractions import Fraction

import numpy as np
from PIL import Image

import simone_tf
from simone_tf.errors import UserError, first_line
from simone_tf.long_videos.frame_blend import FrameParts
from simone_tf.npz import save_npz
from simone_tf.one_writer import replacing_held
from simone_tf.pictures.colours import PALETTE
from simone_tf.pictures.contact_sheet import ContactSheet
from simone_tf.pictures.drawing import cut_out, object_colour, overlay, winners
from simone_tf.pictures.gif_writer import GifWriter
from simone_tf.pictures.mp4_writer import Mp4Writer, can_write_mp4
from simone_tf.pictures.pixels import as_uint8

DESCRIPTION = "decomposition.json"
FORMAT = "simone_tf decomposition"

ADAPTED = "adapted"
"""The folder beside the results that holds a trained model, which no new decomposition replaces."""

MAX_OBJECT_FILES = 64
"""Objects that get a file of their own, each of which stays open to the video's end."""

_MIN_SEEN = 0.005
"""Share of a frame's pixels from which on an object counts as seen in it; less is the rim of another one."""

_MAX_ID = 2**16 - 1

_MENDS = {
    errno.ENOSPC: "free some space there",
    errno.EDQUOT: "free some space there",
    errno.EMFILE: "allow more open files (ulimit -n 256)",
}

_OWN_FILES = {DESCRIPTION, "latents.npz", "contact_sheet.png"} | {
    f"{name}.{ending}" for name in ("overlay", "recomposition", "fly_around") for ending in ("gif", "mp4")
}
_OWN_FOLDERS = {"objects": r"object_[0-9]+\.gif", "masks": r"frame_[0-9]+\.png"}


class VideoOutputs:
    """Writes the files of one video into a folder; see the module.

    Args:
        folder: an empty folder.
        rate: frames per second.
        frame_size: (H, W) of the model's frames.
        scale: how much larger the frames are at which objects are painted; other pictures are enlarged alike.
        recomposes: whether frames come with a recomposition.
    """

    def __init__(self, folder: str, rate: Fraction, frame_size: tuple[int, int], scale: int, recomposes: bool = True):
        self._folder, self._rate, self._scale = folder, rate, scale
        self._num_pixels = frame_size[0] * frame_size[1]
        self._sheet = ContactSheet(frame_size)
        self._objects: dict[int, _ObjectFacts] = {}
        self._earlier: set[int] = set()  # the objects of scenes that are over, and of these the largest of each scene
        self._grounds: set[int] = set()
        self._count = 0
        self._movies = contextlib.ExitStack()
        self._object_movies: dict[int, GifWriter] = {}
        self._mp4 = can_write_mp4()
        os.mkdir(os.path.join(folder, "masks"))
        os.mkdir(os.path.join(folder, "objects"))
        self._overlays = [self._movie("overlay.gif", GifWriter)]
        if self._mp4:
            self._overlays.append(self._movie("overlay.mp4", Mp4Writer))
        self._recomposition = self._recomposition_mp4 = None
        if recomposes:
            self._recomposition = self._movie("recomposition.gif", GifWriter)
            if self._mp4:
                self._recomposition_mp4 = self._movie("recomposition.mp4", Mp4Writer)

    def __enter__(self) -> "VideoOutputs":
        return self

    def __exit__(self, *error: object) -> None:
        self._movies.close()

    def start_scene(self) -> None:
        """After a cut: the next frame begins another scene, of other objects."""
        if len(self._objects) > len(self._earlier):
            self._grounds.add(self._largest())
            self._earlier.update(self._objects)

    def add(self, parts: FrameParts, shown: np.ndarray) -> None:
        """Appends a frame.

        Args:
            parts: `FrameParts`; frames come in order.
            shown: uint8 `[scale H, scale W, 3]`, the frame that was taken apart.

        Raises:
            UserError: there are more identities than a mask can tell apart.
            OSError: a file cannot be written.
        """
        masks = np.asarray(parts.masks, np.float32)
        segments = winners(masks, parts.object_ids)
        self._save_mask(segments)
        pixels = dict(zip(*(values.tolist() for values in np.unique(segments, return_counts=True)), strict=True))
        seen = [number for number, count in pixels.items() if count >= _MIN_SEEN * self._num_pixels]
        for number, count in pixels.items():
            self._objects.setdefault(number, _ObjectFacts()).note(self._count, count, number in seen)

        painted = overlay(shown, masks, parts.object_ids, self._largest())
        for movie in self._overlays:
            movie.add(painted)
        recomposed = {} if parts.recomposition is None else {"recomposition": as_uint8(parts.recomposition)}
        for picture in recomposed.values():
            if self._recomposition is not None:
                self._recomposition.add(picture, self._scale)
            if self._recomposition_mp4 is not None:
                self._recomposition_mp4.add(_enlarged(picture, self._scale))

        where = {int(number): index for index, number in enumerate(parts.object_ids)}
        cut_outs = {number: cut_out(parts.rgb[where[number]], masks[where[number]]) for number in seen}
        self._add_to_object_movies(cut_outs, masks.shape[1:])
        if self._sheet.wants(self._count):
            reconstruction = as_uint8(parts.reconstruction)
            pictures = {"video": shown, "objects": painted, "reconstruction": reconstruction}
            self._sheet.add(self._count, pictures | recomposed, cut_outs)
        self._count += 1

    def finish(self, latents: Mapping[str, np.ndarray], description: Mapping) -> dict:
        """Writes what is known only at the end; returns the content of `decomposition.json`.

        Args:
            latents: arrays by name, see `video_latents`.
            description: put first into `decomposition.json`.

        Raises:
            OSError: a file cannot be written.
        """
        self._movies.close()
        save_npz(os.path.join(self._folder, "latents.npz"), latents)
        self.start_scene()
        areas = {number: facts.pixels for number, facts in self._objects.items() if facts.seen}
        sheet = self._sheet.draw(areas, self._grounds)
        Image.fromarray(sheet).save(os.path.join(self._folder, "contact_sheet.png"), optimize=True)
        content = {
            "format": FORMAT,
            "version": simone_tf.__version__,
            **description,
            "frames": self._count,
            "frames_per_second": float(self._rate),
            "objects": [self._describe(number, facts) for number, facts in sorted(self._objects.items()) if facts.seen],
            "mp4": self._mp4,
        }
        with open(os.path.join(self._folder, DESCRIPTION), "w", encoding="utf-8") as file:
            json.dump(content, file, indent=2, allow_nan=False)
            file.write("\n")
        return content

    def _largest(self):
        """What covers most of the scene so far, the background as a rule, is shown without colour."""
        of_scene = (number for number in self._objects if number not in self._earlier)
        return max(of_scene, key=lambda number: self._objects[number].pixels)

    def _movie(self, name, kind):
        movie = kind(os.path.join(self._folder, name), self._rate)
        self._movies.callback(movie.close)
        return movie

    def _save_mask(self, segments):
        path = os.path.join(self._folder, "masks", f"frame_{self._count:06d}.png")
        if segments.max() > _MAX_ID:
            raise UserError(f"The video has more than {_MAX_ID} objects by frame {self._count}: cut it into parts.")
        if segments.max() > 255:
            picture = Image.fromarray(segments.astype(np.uint16))
        else:
            picture = Image.fromarray(segments.astype(np.uint8))
            picture.putpalette(np.tile(PALETTE, (256 // len(PALETTE), 1)).tobytes())
        picture.save(path)

    def _add_to_object_movies(self, cut_outs, frame_size):
        for number in cut_outs:
            if number not in self._object_movies and len(self._object_movies) < MAX_OBJECT_FILES:
                self._object_movies[number] = self._movie(_object_file(number), GifWriter)
                self._objects[number].file = _object_file(number)
        for number, movie in self._object_movies.items():
            facts = self._objects[number]
            if number in cut_outs:
                movie.add(cut_outs[number], self._scale)
            elif facts.last_frame == self._count - 1:
                movie.add(cut_out(np.zeros((*frame_size, 3), np.float32), np.zeros(frame_size)), self._scale)
            else:
                movie.hold()

    def _describe(self, number, facts):
        return {
            "id": number,
            "colour": "#" + bytes(object_colour(number)).hex(),
            "uncoloured_in_overlay": number in self._grounds,
            "first_frame": facts.first_frame,
            "last_frame": facts.last_frame,
            "frames_seen": facts.seen,
            "mean_share_of_frame": round(facts.pixels / self._count / self._num_pixels, 6),
            "file": facts.file,
        }


class _ObjectFacts:
    """What is known of an identity so far."""

    def __init__(self):
        self.pixels = 0
        self.seen = 0
        self.first_frame = self.last_frame = self.file = None

    def note(self, index, pixels, seen):
        self.pixels += pixels
        if seen:
            self.seen += 1
            self.first_frame = index if self.first_frame is None else self.first_frame
            self.last_frame = index


@contextlib.contextmanager
def output_folder(out: str, overwrite: bool) -> Iterator[str]:
    """Yields the folder to write into, which becomes `out` when the block succeeds; `ADAPTED` stays what it is.

    Raises:
        UserError: `out` holds something that would be lost, or the folder cannot be written.
    """
    check_place(out, overwrite)
    try:
        with replacing_held(out, f"--out={out} is being written", "choose another folder") as folder:
            yield folder
            check_place(out, overwrite)  # again: another program may have filled it meanwhile
            _take_along(os.path.join(out, ADAPTED), folder)
    except OSError as error:
        mend = _MENDS.get(error.errno, "choose another folder")
        raise UserError(f"--out={out} cannot be written ({first_line(error)}): {mend}.") from error


def check_place(out: str, overwrite: bool) -> None:
    """Raises UserError where `out` holds something that a decomposition written there would lose."""
    if not os.path.lexists(out):
        return
    if not os.path.isdir(out):
        raise UserError(f"--out={out} is a file: name a folder.")
    try:
        names = [name for name in os.listdir(out) if name != ADAPTED or not os.path.isdir(os.path.join(out, name))]
        others = _others(out, names) if overwrite else []
    except OSError as error:
        raise UserError(f"--out={out} cannot be listed ({first_line(error)}): check its permissions.") from error
    if names and DESCRIPTION not in names:
        raise UserError(f"--out={out} holds other files (there is no {DESCRIPTION}): choose a new or an empty folder.")
    if names and not overwrite:
        raise UserError(f"--out={out} holds an earlier decomposition: choose another folder, or add --overwrite.")
    if others:
        raise UserError(
            f"--out={out} holds {others[0]}, which is no part of a decomposition and would be lost: move it away, or "
            "name a new folder."
        )


def _take_along(kept, folder):
    """What is kept appears in the new folder as well, so that it is in its place whenever this process ends."""
    if os.path.isdir(kept):
        shutil.copytree(kept, os.path.join(folder, ADAPTED), symlinks=True, copy_function=_linked)


def _linked(source, target):
    try:
        os.link(source, target, follow_symlinks=False)  # which takes no room on the disk
    except OSError:  # a file system without links
        shutil.copy2(source, target, follow_symlinks=False)


def _others(out, names):
    """What lies in the folder of an earlier decomposition and was not written by it."""
    others = []
    for name in sorted(names):
        path = os.path.join(out, name)
        pattern = _OWN_FOLDERS.get(name)
        if pattern and os.path.isdir(path) and not os.path.islink(path):
            with os.scandir(path) as entries:
                inside = [entry.name for entry in entries if entry.is_dir() or not re.fullmatch(pattern, entry.name)]
            others += [os.path.join(name, entry) for entry in sorted(inside)]
        elif name not in _OWN_FILES or os.path.isdir(path):
            others.append(name)
    return others


def _object_file(number):
    return f"objects/object_{number}.gif"


def _enlarged(image, scale):
    return np.repeat(np.repeat(image, scale, axis=0), scale, axis=1)
