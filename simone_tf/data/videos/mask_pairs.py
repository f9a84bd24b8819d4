"""Which mask belongs to which frame.

Where frames and masks both are pictures, their numbers say it: frame_0005.png has mask_0005.png, wherever the two
stand in their folders. Names that are not numbered alike go together by being equal. Only where no mask has the
number or the name of any frame does the order say it, for as many masks as frames.

The frames of a video file have no numbers. Masks numbered without a gap go with them in order, whatever the first
number is, and so do as many masks as there are frames. Of masks with gaps (0, 5, 10, ...) the number is the frame's:
counted from 0, or from 1 where the first mask is 1.
"""

import dataclasses
import os
import sys
import unicodedata
from collections.abc import Callable, Hashable, Iterable, Sequence

from simone_tf.cli.console import say
from simone_tf.data.videos.picture_files import open_picture, orientation_of
from simone_tf.data.videos.picture_series import numbers_of
from simone_tf.errors import UserError


@dataclasses.dataclass(frozen=True)
class MaskPairs:
    """The masks of one video, frame by frame.

    Attributes:
      of_frame: the place of the mask of every frame among the masks, None for a frame without one; None where the
        order says it.
      left_over: the masks that no frame has.
      names: what the frames are called, empty for those of a video file.
    """

    of_frame: list[int | None] | None = None
    left_over: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    def place(self, frame: int) -> int | None:
        """The place of a frame's mask among the masks, None where it has none."""
        if self.of_frame is None:
            return frame
        return self.of_frame[frame] if frame < len(self.of_frame) else None

    def check_taken(self, folder: str, masks: int, path: str, taken: Iterable[int]) -> None:
        """Raises UserError when a frame that a clip takes has no mask."""
        for frame in taken if self.of_frame is not None else ():
            if self.place(frame) is None:
                name = self.names[frame] if self.names else f"frame {frame}"
                spare = f", while {os.path.basename(self.left_over[0])} is of no frame" if self.left_over else ""
                raise UserError(
                    f"{folder} has {masks} masks, {path} has {len(self.of_frame)} frames, and by number no mask is of "
                    f"{name}{spare}: give every frame that a clip takes a mask of its number, or take others (--start, "
                    "--end, --stride)."
                )

    def tell_left_over(self, folder: str, path: str) -> None:
        """Says which masks are not used, where there are any."""
        if self.left_over:
            count = len(self.left_over)
            say(
                f"{folder}: {count} mask{'s' * (count != 1)} (the first {os.path.basename(self.left_over[0])}) "
                f"belong{'s' * (count == 1)} to no frame of {path} by number and {'is' if count == 1 else 'are'} "
                "left out.",
                sys.stderr,
            )


def pair_pictures(frames: Sequence[str], masks: Sequence[str]) -> MaskPairs:
    """Pairs the pictures of a video with its masks, both in the order of their names."""
    frame_keys, mask_keys = _keys(frames, masks)
    if frame_keys == mask_keys or not set(frame_keys) & set(mask_keys):
        return MaskPairs()
    places = {key: place for place, key in enumerate(mask_keys)}
    known = set(frame_keys)
    left_over = tuple(mask for mask, key in zip(masks, mask_keys, strict=True) if key not in known)
    names = tuple(map(os.path.basename, frames))
    return MaskPairs([places.get(key) for key in frame_keys], left_over, names)


def pair_video(path: str, masks: Sequence[str], count_frames: Callable[[], int]) -> MaskPairs:
    """Pairs the frames of a video file with its masks.

    Args:
      path: the video, for the sentence.
      masks: in the order of their names.
      count_frames: counts the frames, which takes reading the video; called only for masks numbered with gaps.

    Raises:
      UserError: the masks are numbered with gaps, and it is not clear whether from 0 or from 1.
    """
    keys = numbers_of([os.path.basename(mask) for mask in masks])
    if keys is None or len(keys[0]) != 1 or len(keys) < 2:
        return MaskPairs()
    numbers = [key[0] for key in keys]
    if numbers == list(range(numbers[0], numbers[0] + len(numbers))):
        return MaskPairs()
    count = count_frames()
    if count == len(masks):
        return MaskPairs()
    if numbers[0] > 1:
        raise UserError(
            f"{os.path.dirname(masks[0])} has masks for some frames of {path} only, numbered from {numbers[0]} on, "
            "which does not tell whether its first frame is 0 or 1: bring the frames as a folder of pictures with the "
            "same numbers."
        )
    places: dict[int, int] = {number - numbers[0]: place for place, number in enumerate(numbers)}
    left_over = tuple(mask for mask, number in zip(masks, numbers, strict=True) if number - numbers[0] >= count)
    return MaskPairs([places.get(frame) for frame in range(count)], left_over)


def tell_turned(pairs: MaskPairs, frames: Sequence[str], masks: Sequence[str]) -> None:
    """Says so where a frame is turned by its EXIF orientation and its mask is not, or otherwise.

    Both are shown upright and may well agree then; where one was drawn over the other as it is stored, they do not.
    """
    for index, frame in enumerate(frames):
        place = pairs.place(index)
        if place is None or place >= len(masks):
            continue
        ours, theirs = _stated_orientation(frame), _stated_orientation(masks[place])
        if ours != theirs:
            say(
                f"{frame} is turned as its EXIF orientation ({ours}) says, and {masks[place]} as its own ({theirs}): "
                "see that the masks fit the frames as they are shown, not as they are stored.",
                sys.stderr,
            )
            return


def _keys(frames: Sequence[str], masks: Sequence[str]) -> tuple[list[Hashable], list[Hashable]]:
    """What says which belong together: numbers where both have them, and as many; otherwise names."""
    names = [[os.path.basename(path) for path in paths] for paths in (frames, masks)]
    ours, theirs = map(numbers_of, names)
    if ours and theirs and len(ours[0]) == len(theirs[0]):
        return list(ours), list(theirs)
    stems = [[unicodedata.normalize("NFC", os.path.splitext(name)[0]) for name in part] for part in names]
    if any(len(set(part)) != len(part) for part in stems):
        return [], []
    return list(stems[0]), list(stems[1])


def _stated_orientation(path: str) -> int:
    try:
        with open_picture(path) as image:
            # Of a PNG the rest would be decoded to look behind the picture, too.
            return orientation_of(image) if image.format != "PNG" or "exif" in image.info else 1
    except UserError:
        return 1  # Who reads the picture tells what is wrong with it.
