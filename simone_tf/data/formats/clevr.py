"""CLEVR with masks, in the file that DeepMind published (multi_object_datasets, `clevr_with_masks`).

100,000 images of 240x320 pixels with 3 to 10 objects each; read as it comes from
gs://multi-object-datasets/clevr_with_masks, a GZIP TFRecord of records with one string per byte (see
`one_byte_strings`):

| feature                             | list  | content                                                        |
|-------------------------------------|-------|----------------------------------------------------------------|
| `image`                             | bytes | uint8 [240, 320, 3]                                            |
| `mask`                              | bytes | uint8 [11, 240, 320, 1], 0 or 255; entity 0 is the background  |
| `x`, `y`, `z`                       | float | [11], world position                                           |
| `shape`, `size`, `material`, `color`| bytes | uint8 [11], integer codes whose meaning the format leaves open |
| `rotation`                          | float | [11]                                                           |
| `pixel_coords`                      | float | [11, 3]                                                        |
| `visibility`                        | float | [11], 1 where the entity is there, the background's among them |
"""

from simone_tf.data.formats.one_byte_strings import OneByteStringImages, category

HEIGHT, WIDTH, ENTITIES = 240, 320, 11

_PUBLISHED_FILES = {"clevr_with_masks_train.tfrecords": (11_267_728_442, 100_000)}
_BYTE_FEATURES = {
    "image": (HEIGHT, WIDTH, 3),
    "mask": (ENTITIES, HEIGHT, WIDTH, 1),
    "shape": (ENTITIES,),
    "size": (ENTITIES,),
    "material": (ENTITIES,),
    "color": (ENTITIES,),
}
_FLOAT_FEATURES = {
    "x": (ENTITIES,),
    "y": (ENTITIES,),
    "z": (ENTITIES,),
    "rotation": (ENTITIES,),
    "pixel_coords": (ENTITIES, 3),
    "visibility": (ENTITIES,),
}


class ClevrWithMasks(OneByteStringImages):
    """Reads the published file of clevr_with_masks as clips of one frame.

    Fields: `video` uint8 [1, 240, 320, 3], `segments` int32 [1, 240, 320] (0 = background, k = entity k),
    `object_positions` float32 [1, 10, 3] (world), `object_visible` bool [1, 10], `object_attributes` float32 [10, 4]
    (codes of shape, size, material and color); the objects are entities 1 to 10. Sizes are those before `crop` and
    `resize`; an object outside the crop is not `object_visible`.

    Args:
      split: "train" is what was published; the file is `clevr_with_masks_<split>.tfrecords`.
      data_dir, records, stand_in, on_corrupt, crop, resize: see `OneByteStringImages`.
    """

    folder = "clevr_with_masks"
    published_files = _PUBLISHED_FILES
    byte_features = _BYTE_FEATURES
    float_features = _FLOAT_FEATURES
    attribute_features = ("shape", "size", "material", "color")
    # CLEVR has 3 shapes, 2 sizes, 2 materials and 8 colours; 0 is for entities that are not there.
    # Each of the shapes is its own mirror image.
    attributes = (
        category("shape", 4, falsified_by=()),
        category("size", 3),
        category("material", 3),
        category("color", 9),
    )

    @property
    def file_pattern(self) -> str:
        return f"clevr_with_masks_{self.split}.tfrecords"
