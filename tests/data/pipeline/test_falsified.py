import pytest

from simone_tf.data.formats.clevr import ClevrWithMasks
from simone_tf.data.formats.multi_dsprites import MultiDSprites
from simone_tf.data.formats.reader import Attribute
from simone_tf.data.formats.tetrominoes import Tetrominoes
from simone_tf.data.pipeline.augment import Drawn
from simone_tf.data.pipeline.falsified import falsifies
from simone_tf.errors import UserError

FIELDS = ("video", "object_attributes")


@pytest.mark.parametrize(
    ("attribute", "mirror", "permute_colours"),
    [
        (Attribute("color_label", ("a", "b")), False, True),
        (Attribute("colour"), False, True),
        (Attribute("hue"), False, True),
        (Attribute("green"), False, True),
        (Attribute("material", ("rubber", "metal")), False, False),
        (Attribute("material", ("red rubber", "metal")), False, True),
        (Attribute("size"), False, False),
        (Attribute("is_dynamic"), False, False),
        (Attribute("x"), True, False),
        (Attribute("orientation"), True, False),
        (Attribute("rotation_angle"), True, False),
        (Attribute("shape", ("cube", "cone")), False, False),
        (Attribute("shape", ("L", "J", "T")), True, False),
        (Attribute("shape", ("0", "1")), True, False),
        (Attribute("shape"), True, False),
        (Attribute("kind", ("left shoe", "right shoe")), True, False),
        (Attribute("frobnication"), True, True),
        (Attribute("frobnication", (), ()), False, False),
        (Attribute("size", (), ("mirror",)), True, False),
    ],
)
def test_a_column_is_judged_by_its_name_and_values(attribute, mirror, permute_colours):
    assert falsifies("mirror", attribute) == mirror
    assert falsifies("permute_colours", attribute) == permute_colours


def test_time_runs_backwards_past_what_objects_are():
    assert not falsifies("reverse_time", Attribute("shape", ("L", "J")))
    assert falsifies("reverse_time", Attribute("initial_velocity"))


@pytest.mark.parametrize(
    ("reader", "choice", "wrong"),
    [
        (Tetrominoes("x"), "mirror", "shape, x, y"),
        (Tetrominoes("x"), "permute_colours", "red, green, blue"),
        (MultiDSprites("x"), "mirror", "x, y, orientation"),
        (MultiDSprites("x"), "permute_colours", "red, green, blue"),
        (MultiDSprites("x", variant="binarized"), "permute_colours", None),
        (ClevrWithMasks("x"), "mirror", None),
        (ClevrWithMasks("x"), "permute_colours", "color"),
    ],
    ids=lambda value: getattr(type(value), "__name__", "") if not isinstance(value, str | None) else value or "right",
)
def test_the_sets_of_images(reader, choice, wrong):
    drawn = Drawn(1, **{choice: True})
    if wrong is None:
        drawn.check(FIELDS, reader.attributes)
        return
    with pytest.raises(UserError) as raised:
        drawn.check(FIELDS, reader.attributes)
    assert f"{choice} = True would make object_attributes (its {wrong}) wrong" in str(raised.value)
    drawn.check(("video",), reader.attributes)  # Nobody asked for them.


@pytest.mark.parametrize("choice", ["mirror", "permute_colours"])
def test_columns_without_names_are_refused(choice):
    with pytest.raises(UserError, match="whose columns have no names"):
        Drawn(1, **{choice: True}).check(FIELDS, ())
    Drawn(1, reverse_time=False).check(FIELDS, ())
