"""Hands out the masks of a video frame by frame, and checks that they fit."""

from collections.abc import Iterable

import numpy as np

from simone_tf.data.videos.mask_files import MaskFolder
from simone_tf.data.videos.mask_pairs import MaskPairs, pair_pictures, pair_video, tell_turned
from simone_tf.data.videos.picture_folders import is_picture_folder, list_pictures
from simone_tf.data.videos.video_files import read_frames
from simone_tf.errors import UserError


class FrameMasks:
    """The masks of one video, or none, by its frames in ascending order.

    Args:
      path: the video.
      folder: its masks' name; None for a video without.
      masks: the masks, None for a video without.

    Raises:
      UserError: the numbers of the masks do not tell which frames they are of.
    """

    def __init__(self, path: str, folder: str | None, masks: MaskFolder | None):
        self._path, self._folder, self._masks = path, folder, masks
        self._pairs = pairs_of(path, masks)
        self._read = masks.read() if masks else None
        self._next = 0

    def tell(self) -> None:
        """Says which masks are not used, and whether frames and masks are turned differently."""
        if self._masks:
            self._pairs.tell_left_over(self._folder, self._path)
            if is_picture_folder(self._path):
                tell_turned(self._pairs, list_pictures(self._path), self._masks.paths)

    def of_frame(self, index: int, frame: np.ndarray) -> np.ndarray | None:
        """The mask of a frame, None where it has none.

        Raises:
          UserError: the masks are fewer than the frames, or the mask is of another size.
        """
        place = self._pairs.place(index) if self._masks else None
        if place is None:
            return None
        mask = None
        while self._next <= place:
            # Those that no frame has are read too: their colours are counted.
            mask = next(self._read, None)
            self._next += 1
        if mask is None:
            raise UserError(
                f"{self._folder} holds {len(self._masks)} masks, {self._path} has more frames: add the others."
            )
        if mask.shape != frame.shape[:2]:
            raise UserError(
                f"{self._masks.paths[place]} has {mask.shape[1]} x {mask.shape[0]} pixels, its frame has "
                f"{frame.shape[1]} x {frame.shape[0]}: bring them to one size."
            )
        return mask

    def check_taken(self, taken: Iterable[int]) -> None:
        """Raises UserError when a frame that a clip takes has no mask."""
        if self._masks:
            self._pairs.check_taken(self._folder, len(self._masks), self._path, taken)

    def check_frames(self, frames: int) -> None:
        """Raises UserError when masks that go by order are not as many as the frames."""
        if self._masks and self._pairs.of_frame is None:
            check_count(self._folder, len(self._masks), "masks", self._path, frames)


def pairs_of(path: str, masks: MaskFolder | None) -> MaskPairs:
    """Which mask belongs to which frame of a video.

    Raises:
      UserError: the numbers of the masks do not tell.
    """
    if masks is None:
        return MaskPairs()
    if is_picture_folder(path):
        return pair_pictures(list_pictures(path), masks.paths)
    return pair_video(path, masks.paths, lambda: sum(1 for _ in read_frames(path)))


def check_count(what: str | None, count: int | None, unit: str, path: str, frames: int) -> None:
    """Raises UserError when masks or camera rows are not as many as the frames."""
    if count is not None and count != frames:
        raise UserError(f"{what} has {count} {unit}, {path} has {frames} frames: there has to be one for each frame.")
