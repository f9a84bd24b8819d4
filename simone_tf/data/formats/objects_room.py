"""Objects Room, in the files that DeepMind published (multi_object_datasets, `objects_room`): images, not videos.

A room with coloured walls and floor; 1,000,000 training images of 64x64 pixels with up to three objects and 922 in each
of three test variants. Read as they come from gs://multi-object-datasets/objects_room, GZIP TFRecords of records with
one string per byte (see `one_byte_strings`); E is 7, or 4 (empty_room) or 10 (six_objects, identical_color):

| feature | list  | content                                                                                      |
|---------|-------|----------------------------------------------------------------------------------------------|
| `image` | bytes | uint8 [64, 64, 3]                                                                            |
| `mask`  | bytes | uint8 [E, 64, 64, 1], 0 or 255; the first four are the sky, the floor and two halves of wall |

There is no camera pose, no visibility flag and nothing about the objects. The paper's videos ("Objects Room
9") are another set, which was never published.
"""

from simone_tf.data.formats.one_byte_strings import OneByteStringImages
from simone_tf.errors import UserError

HEIGHT, WIDTH, NUM_BACKGROUND = 64, 64, 4
ENTITIES = {"train": 7, "six_objects": 10, "empty_room": 4, "identical_color": 10}
"""Split -> E, the four of the background among them."""

_PUBLISHED_FILES = {
    "objects_room_train.tfrecords": (7_522_844_816, 1_000_000),
    "objects_room_test_empty_room.tfrecords": (6_401_563, 922),
    "objects_room_test_identical_color.tfrecords": (7_939_537, 922),
    "objects_room_test_six_objects.tfrecords": (8_370_840, 922),
}


class ObjectsRoom(OneByteStringImages):
    """Reads a published file of objects_room as clips of one frame.

    Fields: `video` uint8 [1, 64, 64, 3], `segments` int32 [1, 64, 64] (0 = sky, floor and walls, k = entity k + 3).

    Args:
      split: "train", or one of the test variants "six_objects", "empty_room" and "identical_color".
      data_dir, records, stand_in, on_corrupt, crop, resize: see `OneByteStringImages`.

    Raises:
      UserError: another split.
    """

    folder = "objects_room"
    num_background = NUM_BACKGROUND
    published_files = _PUBLISHED_FILES

    def __init__(
        self,
        data_dir: str,
        split: str = "train",
        *,
        records: tuple[int, int | None] | None = None,
        stand_in: str = "",
        on_corrupt: str = "raise",
        crop: tuple[int, int, int, int] | None = None,
        resize: tuple[int, int] | None = None,
    ):
        super().__init__(
            data_dir, split, records=records, stand_in=stand_in, on_corrupt=on_corrupt, crop=crop, resize=resize
        )
        if split not in ENTITIES:
            raise UserError(f"ObjectsRoom.split is {split!r}: choose one of {', '.join(ENTITIES)}.")

    @property
    def file_pattern(self) -> str:
        return f"objects_room_{'' if self.split == 'train' else 'test_'}{self.split}.tfrecords"

    @property
    def byte_features(self) -> dict[str, tuple[int, ...]]:
        return {"image": (HEIGHT, WIDTH, 3), "mask": (ENTITIES[self.split], HEIGHT, WIDTH, 1)}
