"""Colours of true and predicted segments, alike where a slot found an object."""

import numpy as np
from scipy.optimize import linear_sum_assignment

# Chosen once by taking, again and again, the colour farthest in OKLab from the ones before, from the background and
# from white paper; the first eight, which are all that most clips need, by eye.
_PALETTE_HEX = (
    "e63c3c 3c82e6 3cb44b fac828 a050d2 3ccddc f078be f58230 0808f8 881858 a8f808 887008 f808f8 907898 088070 4830b0 "
    "38f8b0 b0a8f8 d00898 903810 085890 7808f8 a8b068 086008 d0f898 780890 e09898 604078 5098b8 b85870 f8b8f0 b808f8"
)
PALETTE: np.ndarray = np.array([list(bytes.fromhex(code)) for code in _PALETTE_HEX.split()], np.uint8)
"""`[32, 3]` colours of segments in the order in which they are handed out; after the last the first comes again."""

BACKGROUND: np.ndarray = np.array([64, 64, 64], np.uint8)
"""Colour of true segment 0."""

VOID_ID = -(2**31)
"""In true segments: a pixel that nobody knows the segment of."""

VOID: np.ndarray = np.array([0, 0, 0], np.uint8)
"""Colour of `VOID_ID`."""

PAPER: tuple[int, int, int] = (255, 255, 255)
"""Colour around the pictures of a sheet."""

MIN_MATCH_IOU = 0.1
"""Intersection over union below which a slot does not count as having found a true segment."""


def colour_segments(segments: np.ndarray, colours: np.ndarray | None = None) -> np.ndarray:
    """Paints segments `[..., H, W]` int as `[..., H, W, 3]` uint8.

    Args:
      segments: non-negative ids; true segments may have `VOID_ID`.
      colours: `[N, 3]` uint8, colour of each id; by default those of true segments: `BACKGROUND`, then `PALETTE`.
    """
    segments = np.asarray(segments)
    if colours is None and _has_void(segments):
        painted = colour_segments(np.where(segments == VOID_ID, 0, segments))
        return np.where((segments == VOID_ID)[..., np.newaxis], VOID, painted)
    if not np.issubdtype(segments.dtype, np.integer) or (segments.size and segments.min() < 0):
        raise ValueError("segments must be non-negative integers.")
    if colours is not None:
        return np.asarray(colours, np.uint8)[segments]
    return np.concatenate([BACKGROUND[np.newaxis], PALETTE])[np.where(segments > 0, _palette_index(segments) + 1, 0)]


def match_slots(segmentation: np.ndarray, segments: np.ndarray, num_slots: int) -> dict[int, int]:
    """Which slot found which true segment: slot -> true id, one to one, background (0) included.

    The assignment of largest total intersection over union over the clip, without the pairs below `MIN_MATCH_IOU`.

    Args:
      segmentation: `[T, H, W]` int, predicted slot in [0, num_slots).
      segments: `[T, H, W]` int, true segments.
    """
    true_ids, table = _overlaps(segmentation, segments, num_slots)
    union = table.sum(1, keepdims=True) + table.sum(0, keepdims=True) - table
    iou = table / np.maximum(union, 1)
    rows, slots = linear_sum_assignment(iou, maximize=True)
    return {
        int(slot): int(true_ids[row]) for row, slot in zip(rows, slots, strict=True) if iou[row, slot] >= MIN_MATCH_IOU
    }


def slot_colours(
    num_slots: int, segmentation: np.ndarray | None = None, segments: np.ndarray | None = None
) -> np.ndarray:
    """Colours of the K slots: those of the true segments that they found, as far as these are known.

    A slot without a true segment takes a colour that no true segment has, darkened if most of the slot lies on the
    background: an object broken in two, or a background in pieces, is seen as such and not confused with an object.

    Returns:
      `[num_slots, 3]` uint8.
    """
    if segmentation is None or segments is None:
        return PALETTE[np.arange(num_slots) % len(PALETTE)]
    true_ids, table = _overlaps(segmentation, segments, num_slots)
    matches = match_slots(segmentation, segments, num_slots)
    taken = {int(index) for index in _palette_index(true_ids[true_ids > 0])}
    spare = [index for index in range(len(PALETTE)) if index not in taken] or list(range(len(PALETTE)))
    on_background = table[true_ids == 0].sum(0) * 2 > table.sum(0)  # [K]
    colours = np.zeros((num_slots, 3), np.uint8)
    for slot, true_id in matches.items():
        colours[slot] = colour_segments(np.array(true_id))
    # The largest first: what is seen most is told apart best.
    unmatched = [int(slot) for slot in np.argsort(-table.sum(0), kind="stable") if slot not in matches]
    for order, slot in enumerate(unmatched):
        colour = PALETTE[spare[order % len(spare)]]
        colours[slot] = colour * 0.3 + BACKGROUND * 0.7 if on_background[slot] else colour
    return colours


def arrange_slots(slot_masks: np.ndarray, segmentation: np.ndarray, segments: np.ndarray | None = None) -> list[int]:
    """The slots worth showing, best first: those that found true objects in the objects' order, then by mass.

    Slots that are nowhere the largest are left out.

    Args:
      slot_masks: `[K, T, H, W]` float in [0, 1].
      segmentation: `[T, H, W]` int, the slot of largest mask.
      segments: `[T, H, W]` int, the true segments, if known.
    """
    num_slots = len(slot_masks)
    matches = {} if segments is None else match_slots(segmentation, segments, num_slots)
    mass = np.reshape(slot_masks, (num_slots, -1)).sum(1)
    seen = np.unique(segmentation)
    return sorted((int(slot) for slot in seen), key=lambda slot: (matches.get(slot) or np.inf, -mass[slot]))


def _has_void(segments: np.ndarray) -> bool:
    return bool(segments.size and segments.min() == VOID_ID)


def _palette_index(ids: np.ndarray) -> np.ndarray:
    return (ids - 1) % len(PALETTE)


def _overlaps(segmentation: np.ndarray, segments: np.ndarray, num_slots: int) -> tuple[np.ndarray, np.ndarray]:
    """True ids that occur `[N]`, `VOID_ID` not among them, and the pixels that each shares with each slot `[N, K]`."""
    segments, segmentation = np.asarray(segments), np.asarray(segmentation)
    if _has_void(segments):
        segmentation, segments = segmentation[segments != VOID_ID], segments[segments != VOID_ID]
    true_ids, rows = np.unique(segments, return_inverse=True)
    cells = np.ravel(rows) * num_slots + np.ravel(segmentation)
    counts = np.bincount(cells.astype(np.int64), minlength=len(true_ids) * num_slots)
    return true_ids, counts.reshape(len(true_ids), num_slots)
