"""Tetrominoes, in the file that DeepMind published (multi_object_datasets, `tetrominoes`).

1,000,000 images of 35x35 pixels with three tetrominoes each on black, none of which hides another. Read as it comes
from gs://multi-object-datasets/tetrominoes, a GZIP TFRecord of records with one string per byte (see
`one_byte_strings`):

| feature      | list  | content                                                    |
|--------------|-------|------------------------------------------------------------|
| `image`      | bytes | uint8 [35, 35, 3]                                          |
| `mask`       | bytes | uint8 [4, 35, 35, 1], 0 or 255; entity 0 is the background |
| `x`, `y`     | float | [4], pixels                                                |
| `shape`      | float | [4], 1 to 19 for piece and orientation; 0 for none         |
| `color`      | float | [4, 3], RGB in [0, 1]                                      |
| `visibility` | float | [4], 1 where the entity is there                           |
"""

from simone_tf.data.formats.one_byte_strings import OneByteStringImages, category
from simone_tf.data.formats.reader import Attribute

HEIGHT, WIDTH, ENTITIES = 35, 35, 4

_PUBLISHED_FILES = {"tetrominoes_train.tfrecords": (334_130_439, 1_000_000)}
_BYTE_FEATURES = {"image": (HEIGHT, WIDTH, 3), "mask": (ENTITIES, HEIGHT, WIDTH, 1)}
_FLOAT_FEATURES = {
    "x": (ENTITIES,),
    "y": (ENTITIES,),
    "shape": (ENTITIES,),
    "color": (ENTITIES, 3),
    "visibility": (ENTITIES,),
}


class Tetrominoes(OneByteStringImages):
    """Reads the published file of tetrominoes as clips of one frame.

    Fields: `video` uint8 [1, 35, 35, 3], `segments` int32 [1, 35, 35] (0 = background, k = entity k), `object_visible`
    bool [1, 3], `object_attributes` float32 [3, 6] (shape, RGB in [0, 1], x and y in pixels; entities 1 to 3). Sizes
    are those before `crop` and `resize`, which leave x and y alone.

    Args:
      split: "train" is what was published; the file is `tetrominoes_<split>.tfrecords`.
      data_dir, records, stand_in, on_corrupt, crop, resize: see `OneByteStringImages`.
    """

    folder = "tetrominoes"
    published_files = _PUBLISHED_FILES
    byte_features = _BYTE_FEATURES
    float_features = _FLOAT_FEATURES
    attribute_features = ("shape", "color", "x", "y")
    # A mirrored piece is another piece.
    attributes = (category("shape", 20, falsified_by=("mirror",)), *map(Attribute, ("red", "green", "blue", "x", "y")))

    @property
    def file_pattern(self) -> str:
        return f"tetrominoes_{self.split}.tfrecords"
