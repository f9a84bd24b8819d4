"""From the records of each data set to clips, and clip records of our own."""

READERS = {
    "CaterWithMasks": "simone_tf.data.formats.cater:CaterWithMasks",
    "ClevrWithMasks": "simone_tf.data.formats.clevr:ClevrWithMasks",
    "ClipRecords": "simone_tf.data.formats.records:ClipRecords",
    "GQNRooms": "simone_tf.data.formats.gqn:GQNRooms",
    "MOVi": "simone_tf.data.formats.movi:MOVi",
    "MultiDSprites": "simone_tf.data.formats.multi_dsprites:MultiDSprites",
    "ObjectsRoom": "simone_tf.data.formats.objects_room:ObjectsRoom",
    "Tetrominoes": "simone_tf.data.formats.tetrominoes:Tetrominoes",
}
"""Name in configurations -> where the reader is. Text alone, so that the names are known without TensorFlow."""
