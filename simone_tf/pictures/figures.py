"""Pictures of a clip taken apart and put together again, as uint8 arrays.

Everything here is NumPy in, NumPy out. The parts of one clip, as the model gives them:

| part             | shape             | values                                              |
|------------------|-------------------|-----------------------------------------------------|
| `video`          | [T, H, W, 3]      | float in [0, 1] (uint8 passes unchanged)            |
| `reconstruction` | [T, H, W, 3]      | float, clipped to [0, 1]                            |
| `segmentation`   | [T, H, W]         | int, the slot of largest mask                       |
| `slot_rgb`       | [K, T, H, W, 3]   | float, clipped to [0, 1], what each slot paints     |
| `slot_masks`     | [K, T, H, W]      | float in [0, 1], sums to 1 over K                   |
| `segments`       | [T, H, W]         | int, the true segments, 0 = background; may be None |

A sheet (`decomposition_figure`, `recomposition_figure`, `comparison_figure`) has a row per part and a column per
frame; the animated variants (`..._frames`, `[T, H', W', 3]`, for `image_files.save_gif`) have a panel per part. Pixels
are enlarged by whole factors.
"""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from simone_tf.pictures.colours import PAPER, colour_segments, slot_colours
from simone_tf.pictures.drawing import checker, enlarge, whole_scale
from simone_tf.pictures.pixels import as_uint8

_INK = (40, 40, 40)
_TONES, _SQUARE = (214, 238), 8  # of the ground below what is transparent
_GAP, _GROUP_GAP, _MARGIN, _FONT_SIZE, _CHIP = 4, 14, 12, 13, 11


def decomposition_figure(
    video: np.ndarray,
    reconstruction: np.ndarray,
    segmentation: np.ndarray,
    slot_rgb: np.ndarray,
    slot_masks: np.ndarray,
    *,
    segments: np.ndarray | None = None,
    slots: Sequence[int] | None = None,
    frames: Sequence[int] | None = None,
    frames_down: bool = False,
    tile_size: int = 112,
) -> np.ndarray:
    """A sheet of one clip taken apart: input, reconstruction, true and predicted segments, each slot.

    Args:
      video, reconstruction, segmentation, slot_rgb, slot_masks, segments: the parts of the clip, see the module.
      slots: the slots to show, in this order; all by default. `colours.arrange_slots` picks the ones worth showing.
      frames: the frames to show; by default all, or eight spread evenly over a longer clip.
      frames_down: a row per frame and a column per part instead: wide where the sheet of a short clip would be tall.
      tile_size: side in pixels that a frame is enlarged to, about.

    Returns:
      `[H', W', 3]` uint8.
    """
    groups = _decomposition(video, reconstruction, segmentation, slot_rgb, slot_masks, segments, slots, tile_size)
    return _sheet(groups, frames, frames_down)


def decomposition_frames(
    video: np.ndarray,
    reconstruction: np.ndarray,
    segmentation: np.ndarray,
    slot_rgb: np.ndarray,
    slot_masks: np.ndarray,
    *,
    segments: np.ndarray | None = None,
    slots: Sequence[int] | None = None,
    tile_size: int = 112,
) -> np.ndarray:
    """The animated `decomposition_figure`, its slots beside the clip's own parts: `[T, H', W', 3]` uint8."""
    whole, parts = _decomposition(video, reconstruction, segmentation, slot_rgb, slot_masks, segments, slots, tile_size)
    rows = 2 if len(parts) <= 16 else -(-len(parts) // 8)
    return _panels([(whole, -(-len(whole) // 2)), (parts, -(-len(parts) // rows))])


def recomposition_figure(
    video_a: np.ndarray,
    video_b: np.ndarray,
    reconstruction: np.ndarray,
    segmentation: np.ndarray,
    recomposed: np.ndarray,
    recomposed_segmentation: np.ndarray,
    *,
    num_slots: int | None = None,
    segments: np.ndarray | None = None,
    frames: Sequence[int] | None = None,
    frames_down: bool = False,
    tile_size: int = 112,
) -> np.ndarray:
    """A sheet of clip A's objects seen in A's own frames and in clip B's: `[H', W', 3]` uint8.

    Args:
      video_a, video_b: `[T, H, W, 3]`, the two inputs.
      reconstruction, segmentation: A's object latents decoded with A's frame latents.
      recomposed, recomposed_segmentation: A's object latents decoded with B's frame latents.
      num_slots: K; by default just enough for the slots seen.
      segments: `[T, H, W]`, the true segments of A; slots are then coloured alike.
      frames, frames_down, tile_size: as for `decomposition_figure`.
    """
    groups = _recomposition(
        (video_a, reconstruction, segmentation),
        (video_b, recomposed, recomposed_segmentation),
        num_slots,
        segments,
        tile_size,
    )
    return _sheet(groups, frames, frames_down)


def recomposition_frames(
    video_a: np.ndarray,
    video_b: np.ndarray,
    reconstruction: np.ndarray,
    segmentation: np.ndarray,
    recomposed: np.ndarray,
    recomposed_segmentation: np.ndarray,
    *,
    num_slots: int | None = None,
    segments: np.ndarray | None = None,
    tile_size: int = 112,
) -> np.ndarray:
    """The animated `recomposition_figure`: `[T, H', W', 3]` uint8, a row of panels for A's frames and one for B's."""
    first, second = _recomposition(
        (video_a, reconstruction, segmentation),
        (video_b, recomposed, recomposed_segmentation),
        num_slots,
        segments,
        tile_size,
    )
    return _panels([([*first, *second], len(first))])


def comparison_figure(
    video: np.ndarray,
    models: Mapping[str, tuple[np.ndarray, np.ndarray]],
    *,
    segments: np.ndarray | None = None,
    frames: Sequence[int] | None = None,
    tile_size: int = 72,
) -> np.ndarray:
    """A sheet of one clip as several models take it apart (paper, Figure 4): `[H', W', 3]` uint8.

    Args:
      video, segments: the clip's parts, see the module.
      models: name -> (`reconstruction`, `segmentation`) of that model. Slots have the colours of the true segments that
        they found over the whole clip: a model that changes slots from frame to frame is seen to.
      frames, tile_size: as for `decomposition_figure`.
    """
    video = np.asarray(video)
    scale = whole_scale(max(video.shape[1:3]), tile_size)
    clip = [_Strip("input", enlarge(as_uint8(video), scale))]
    if segments is not None:
        _expect("segments", np.shape(segments), video.shape[:-1])
        clip.append(_Strip("true segments", enlarge(colour_segments(segments), scale)))
    groups = [clip]
    for name, (reconstruction, segmentation) in models.items():
        _expect(f"reconstruction of {name}", np.shape(reconstruction), video.shape)
        _expect(f"segmentation of {name}", np.shape(segmentation), video.shape[:-1])
        colours = slot_colours(int(np.max(segmentation)) + 1, np.asarray(segmentation), segments)
        groups.append(
            [
                _Strip(name, enlarge(as_uint8(reconstruction), scale)),
                _Strip("its segments", enlarge(colour_segments(segmentation, colours), scale)),
            ]
        )
    return _sheet(groups, frames, frames_down=False)


@dataclasses.dataclass(frozen=True)
class _Strip:
    """One part of a clip, enlarged: `frames [T, h, w, 3]` uint8, its label and the colour of its segment."""

    label: str
    frames: np.ndarray
    colour: tuple[int, ...] | None = None


def _decomposition(
    video, reconstruction, segmentation, slot_rgb, slot_masks, segments, slots, tile_size
) -> list[list[_Strip]]:
    video, segmentation = np.asarray(video), np.asarray(segmentation)
    slot_rgb, slot_masks = np.asarray(slot_rgb), np.asarray(slot_masks)
    num_slots = len(slot_masks)
    _expect("reconstruction", np.shape(reconstruction), video.shape)
    _expect("segmentation", segmentation.shape, video.shape[:-1])
    _expect("slot_rgb", slot_rgb.shape, (num_slots, *video.shape))
    _expect("slot_masks", slot_masks.shape, (num_slots, *video.shape[:-1]))
    if segments is not None:
        _expect("segments", np.shape(segments), video.shape[:-1])
    scale = whole_scale(max(video.shape[1:3]), tile_size)
    colours = slot_colours(num_slots, segmentation, segments)

    whole = [
        _Strip("input", enlarge(as_uint8(video), scale)),
        _Strip("reconstruction", enlarge(as_uint8(reconstruction), scale)),
    ]
    if segments is not None:
        whole.append(_Strip("true segments", enlarge(colour_segments(segments), scale)))
    whole.append(_Strip("segmentation", enlarge(colour_segments(segmentation, colours), scale)))

    height, width = video.shape[1] * scale, video.shape[2] * scale
    ground = checker((height, width), _SQUARE, _TONES).astype(np.float32) / 255.0
    parts = []
    for slot in range(num_slots) if slots is None else slots:
        mask = np.clip(enlarge(slot_masks[slot], scale).astype(np.float32), 0.0, 1.0)[..., np.newaxis]
        rgb = enlarge(as_uint8(slot_rgb[slot]), scale) / np.float32(255.0)
        colour = tuple(int(value) for value in colours[slot])
        parts.append(_Strip(f"slot {slot}", as_uint8(mask * rgb + (1.0 - mask) * ground), colour))
    return [whole, parts]


def _recomposition(clip_a, clip_b, num_slots, segments, tile_size) -> list[list[_Strip]]:
    shape = np.shape(clip_a[0])
    for name, clip in (("A", clip_a), ("B", clip_b)):
        for part, wanted in zip(clip, (shape, shape, shape[:-1]), strict=True):
            _expect(f"a part of clip {name}", np.shape(part), wanted)
    scale = whole_scale(max(shape[1:3]), tile_size)
    if num_slots is None:
        num_slots = int(max(np.max(clip_a[2]), np.max(clip_b[2]))) + 1
    colours = slot_colours(num_slots, clip_a[2], segments)
    groups = []
    for name, (video, image, segmentation) in (("A", clip_a), ("B", clip_b)):
        groups.append(
            [
                _Strip(f"clip {name}", enlarge(as_uint8(video), scale)),
                _Strip(f"objects A, view {name}", enlarge(as_uint8(image), scale)),
                _Strip("segmentation", enlarge(colour_segments(segmentation, colours), scale)),
            ]
        )
    return groups


def _sheet(groups: list[list[_Strip]], frames: Sequence[int] | None, frames_down: bool) -> np.ndarray:
    """Strips as rows and frames as columns, or the other way round; a wider gap between groups."""
    font = ImageFont.load_default(_FONT_SIZE)
    strips = [strip for group in groups for strip in group]
    length, height, width, _ = strips[0].frames.shape
    if frames is None:
        frames = np.unique(np.linspace(0, length - 1, min(length, 8)).round().astype(int))
    word = "frame " if font.getlength("frame 00") <= width else ""
    frame_labels = [(f"{word}{frame}", None) for frame in frames]
    strip_labels = [(strip.label, strip.colour) for strip in strips]
    column_labels, row_labels = (strip_labels, frame_labels) if frames_down else (frame_labels, strip_labels)
    left = _MARGIN + max(_label_width(label, font) for label in row_labels) + 10
    top = _MARGIN + _FONT_SIZE + 7

    frame_side, strip_side = (height, width) if frames_down else (width, height)
    frame_places = [index * (frame_side + _GAP) for index in range(len(frames))]
    strip_places, place = [], 0
    for group in groups:
        strip_places += [place + index * (strip_side + _GAP) for index in range(len(group))]
        place += len(group) * (strip_side + _GAP) + (_GROUP_GAP - _GAP) * bool(group)
    xs, ys = (strip_places, frame_places) if frames_down else (frame_places, strip_places)

    canvas = Image.new("RGB", (left + xs[-1] + width + _MARGIN, top + ys[-1] + height + _MARGIN), PAPER)
    draw = ImageDraw.Draw(canvas)
    for label, x in zip(column_labels, xs, strict=True):
        _draw_label(draw, label, font, left + x + (width - _label_width(label, font)) // 2, _MARGIN + _FONT_SIZE // 2)
    for label, y in zip(row_labels, ys, strict=True):
        _draw_label(draw, label, font, _MARGIN, top + y + height // 2)
    for strip, strip_place in zip(strips, strip_places, strict=True):
        for frame, frame_place in zip(frames, frame_places, strict=True):
            x, y = (strip_place, frame_place) if frames_down else (frame_place, strip_place)
            canvas.paste(Image.fromarray(strip.frames[frame]), (left + x, top + y))
    return np.asarray(canvas)


def _panels(blocks: list[tuple[list[_Strip], int]]) -> np.ndarray:
    """Every strip as one moving panel under its label; blocks side by side, each in its number of columns."""
    font = ImageFont.load_default(_FONT_SIZE)
    length, height, width, _ = blocks[0][0][0].frames.shape
    blocks = [(strips, columns) for strips, columns in blocks if strips]
    step_x, step_y = width + _GAP + 2, height + _FONT_SIZE + 14
    rows = max(-(-len(strips) // columns) for strips, columns in blocks)
    places, x = [], _MARGIN
    for strips, columns in blocks:
        for index, strip in enumerate(strips):
            places.append((strip, x + index % columns * step_x, _MARGIN + index // columns * step_y))
        x += columns * step_x + _GROUP_GAP
    canvas = Image.new("RGB", (x - _GROUP_GAP - _GAP - 2 + _MARGIN, rows * step_y - 8 + 2 * _MARGIN), PAPER)
    draw = ImageDraw.Draw(canvas)
    for strip, x, y in places:
        _draw_label(draw, (strip.label, strip.colour), font, x, y + _FONT_SIZE // 2)
    moving = np.repeat(np.asarray(canvas)[np.newaxis], length, axis=0)
    for strip, x, y in places:
        y += _FONT_SIZE + 6
        moving[:, y : y + height, x : x + width] = strip.frames
    return moving


def _draw_label(draw: ImageDraw.ImageDraw, label: tuple[str, tuple | None], font, x: int, middle: int) -> None:
    text, colour = label
    if colour is not None:
        draw.rectangle((x, middle - _CHIP // 2, x + _CHIP - 1, middle + _CHIP // 2), fill=colour)
        x += _CHIP + 6
    draw.text((x, middle), text, font=font, fill=_INK, anchor="lm")


def _label_width(label: tuple[str, tuple | None], font) -> int:
    text, colour = label
    return int(np.ceil(font.getlength(text))) + (_CHIP + 6 if colour is not None else 0)


def _expect(name: str, shape: tuple[int, ...], wanted: tuple[int, ...]) -> None:
    if tuple(shape) != tuple(wanted):
        raise ValueError(f"{name} must be {list(wanted)}, got {list(shape)}.")
