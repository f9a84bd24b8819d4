"""Multi-dSprites, in the files that DeepMind published (multi_object_datasets, `multi_dsprites`).

1,000,000 images of 64x64 pixels in each of three variants: ovals, hearts and squares that hide one another in part, on
a background of one colour. Read as they come from gs://multi-object-datasets/multi_dsprites, GZIP TFRecords of records
with one string per byte (see `one_byte_strings`); E entities are 4, 6 or 5 and C channels 1, 3 or 3 by variant:

| feature                | list  | content                                                       |
|------------------------|-------|---------------------------------------------------------------|
| `image`                | bytes | uint8 [64, 64, C]                                             |
| `mask`                 | bytes | uint8 [64, 64, E, 1], 0 or 255; entity 0 is the background    |
| `x`, `y`               | float | [E]                                                           |
| `shape`                | float | [E], an integer code of which 0 is none                       |
| `color`                | float | [E, C], red, green and blue, or one brightness                |
| `orientation`, `scale` | float | [E]                                                           |
| `visibility`           | float | [E], 1 where the entity is there                              |
"""

from simone_tf.data.formats.one_byte_strings import OneByteStringImages, category
from simone_tf.data.formats.reader import Attribute
from simone_tf.errors import UserError

HEIGHT, WIDTH = 64, 64
ENTITIES = {"binarized": 4, "colored_on_grayscale": 6, "colored_on_colored": 5}
"""Variant -> E, the background among them."""

_PUBLISHED_FILES = {
    "multi_dsprites_binarized.tfrecords": (579_955_919, 1_000_000),
    "multi_dsprites_colored_on_grayscale.tfrecords": (1_021_778_899, 1_000_000),
    "multi_dsprites_colored_on_colored.tfrecords": (846_420_149, 1_000_000),
}


class MultiDSprites(OneByteStringImages):
    """Reads a published file of multi_dsprites as clips of one frame.

    Fields: `video` uint8 [1, 64, 64, 3] (the one channel of "binarized" three times), `segments` int32 [1, 64, 64]
    (0 = background, k = entity k), `object_visible` bool [1, E - 1], `object_attributes` float32 [E - 1, 8] (shape,
    RGB, x, y, scale, orientation), or [E - 1, 6] with one brightness for RGB in "binarized"; entities 1 to E - 1.

    Args:
      split: "train", the only one; `records` divides it.
      variant: "binarized", "colored_on_grayscale" or "colored_on_colored"; names the file.
      data_dir, records, stand_in, on_corrupt, crop, resize: see `OneByteStringImages`.

    Raises:
      UserError: another split or variant.
    """

    folder = "multi_dsprites"
    entity_axis = 2
    published_files = _PUBLISHED_FILES
    attribute_features = ("shape", "color", "x", "y", "scale", "orientation")

    def __init__(
        self,
        data_dir: str,
        split: str = "train",
        *,
        variant: str = "colored_on_colored",
        records: tuple[int, int | None] | None = None,
        stand_in: str = "",
        on_corrupt: str = "raise",
        crop: tuple[int, int, int, int] | None = None,
        resize: tuple[int, int] | None = None,
    ):
        super().__init__(
            data_dir, split, records=records, stand_in=stand_in, on_corrupt=on_corrupt, crop=crop, resize=resize
        )
        if split != "train":
            raise UserError(
                f"multi_dsprites has no split {split!r}: it is one file per variant, split 'train'; take held-out "
                "images out of it by MultiDSprites.records."
            )
        if variant not in ENTITIES:
            raise UserError(f"MultiDSprites.variant is {variant!r}: choose one of {', '.join(ENTITIES)}.")
        self.variant = variant

    @property
    def file_pattern(self) -> str:
        return f"multi_dsprites_{self.variant}.tfrecords"

    @property
    def byte_features(self) -> dict[str, tuple[int, ...]]:
        return {"image": (HEIGHT, WIDTH, self._channels), "mask": (HEIGHT, WIDTH, ENTITIES[self.variant], 1)}

    @property
    def float_features(self) -> dict[str, tuple[int, ...]]:
        entities = ENTITIES[self.variant]
        one_each = dict.fromkeys(("x", "y", "shape", "visibility", "orientation", "scale"), (entities,))
        return one_each | {"color": (entities, self._channels)}

    @property
    def attributes(self) -> tuple[Attribute, ...]:
        colour = ("brightness",) if self._channels == 1 else ("red", "green", "blue")
        # Ovals, hearts and squares are their own mirror images, turned at most, which `orientation` tells.
        return (category("shape", 4, falsified_by=()), *map(Attribute, (*colour, "x", "y", "scale", "orientation")))

    @property
    def _channels(self) -> int:
        return 1 if self.variant == "binarized" else 3
